/* What the C peers share: a clock, rows from svmlight text or from a CSR file, weights to a file. The text reader
   is what a plain C program does: the whole file in memory, strtoul and strtod. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* CSR file: u32 rows, u32 nonZeros, u32 width, then rowStart (u32), index (u32), value (f32), label (f32: -1, 1).
   Index 0 is the feature that the text numbers 1. */
struct rows {
  uint32_t rows, nonZeros, width;
  uint32_t *rowStart, *index;
  float *value, *label;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "wrong content");
  exit(1);
}

static void *room(size_t bytes) {
  void *place = malloc(bytes ? bytes : 1);
  if (!place) fail("malloc");
  return place;
}

static void take(FILE *file, void *place, size_t bytes) {
  if (fread(place, 1, bytes, file) != bytes) fail("read");
}

static struct rows readCsr(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  struct rows x;
  take(file, &x.rows, 4), take(file, &x.nonZeros, 4), take(file, &x.width, 4);
  take(file, x.rowStart = room(4 * ((size_t)x.rows + 1)), 4 * ((size_t)x.rows + 1));
  take(file, x.index = room(4 * (size_t)x.nonZeros), 4 * (size_t)x.nonZeros);
  take(file, x.value = room(4 * (size_t)x.nonZeros), 4 * (size_t)x.nonZeros);
  take(file, x.label = room(4 * (size_t)x.rows), 4 * (size_t)x.rows);
  fclose(file);
  return x;
}

static char *readWhole(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) fail(path);
  *length = ftell(file);
  rewind(file);
  char *text = room(*length + 1);
  take(file, text, *length);
  text[*length] = 0;
  fclose(file);
  return text;
}

static struct rows readText(const char *path) {
  size_t length;
  char *text = readWhole(path, &length), *end = text + length;
  struct rows x = {0};
  for (char *at = text; at < end; at++) x.rows += *at == '\n', x.nonZeros += *at == ':';
  x.rowStart = room(4 * ((size_t)x.rows + 1)), x.index = room(4 * (size_t)x.nonZeros);
  x.value = room(4 * (size_t)x.nonZeros), x.label = room(4 * (size_t)x.rows);
  uint32_t at = 0, row = 0;
  for (char *place = text; place < end; row++) {
    x.rowStart[row] = at;
    x.label[row] = strtod(place, &place) > 0 ? 1 : -1;
    while (*place == ' ') place++;
    while (*place != '\n' && *place) {
      const uint32_t id = strtoul(place, &place, 10);
      if (*place++ != ':' || id == 0) fail(path);
      x.index[at] = id - 1;
      x.value[at++] = strtod(place, &place);
      if (id > x.width) x.width = id;
      while (*place == ' ') place++;
    }
    place++;
  }
  x.rowStart[x.rows] = at;
  free(text);
  return x;
}

static inline struct rows readRows(const char *path) {
  const size_t length = strlen(path);
  return length > 4 && strcmp(path + length - 4, ".csr") == 0 ? readCsr(path) : readText(path);
}

/* Writes weights as f64 to FILE.k, k the rung of the ladder that they belong to. */
static void writeWeights(const char *path, int rung, const double *w, uint32_t width) {
  char name[4096];
  snprintf(name, sizeof name, "%s.%d", path, rung);
  FILE *file = fopen(name, "wb");
  if (!file || fwrite(w, 8, width, file) != width || fclose(file)) fail(name);
}
