/* The plain C loop that the kernels are measured against: hinge SGD in commuting form over rows in CSR
   form, one thread. Usage: epoch FILE EPOCHS L2 T0; FILE: u32 rows, u32 nonZeros, u32 width, then rowStart,
   index (u32), value, label (f32). Prints the seconds of each epoch and the objective at the end. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void *take(FILE *file, size_t bytes) {
  void *room = malloc(bytes ? bytes : 1);
  if (!room || fread(room, 1, bytes, file) != bytes) exit(1);
  return room;
}

static float dot(const float *v, const uint32_t *index, const float *value, uint32_t count) {
  float sum = 0;
  for (uint32_t k = 0; k < count; k++) sum += v[index[k]] * value[k];
  return sum;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  FILE *file = fopen(argv[1], "rb");
  if (!file) return 1;
  const int epochs = atoi(argv[2]);
  const double l2 = atof(argv[3]), t0 = atof(argv[4]);
  uint32_t *head = take(file, 12);
  const uint32_t rows = head[0], nonZeros = head[1], width = head[2];
  const uint32_t *rowStart = take(file, 4 * ((size_t)rows + 1)), *index = take(file, 4 * (size_t)nonZeros);
  const float *value = take(file, 4 * (size_t)nonZeros), *label = take(file, 4 * (size_t)rows);
  float *v = calloc(width, sizeof(float));
  double t = 0;
  for (int epoch = 0; epoch < epochs; epoch++) {
    const double start = now();
    for (uint32_t r = 0; r < rows; r++, t++) {
      const uint32_t first = rowStart[r], count = rowStart[r + 1] - first;
      const double y = label[r], p = t0 / (t0 + t) * dot(v, index + first, value + first, count);
      if (y * p < 1) {
        const float factor = y / (l2 * t0);
        for (uint32_t k = 0; k < count; k++) v[index[first + k]] += factor * value[first + k];
      }
    }
    printf("%.6f\n", now() - start);
  }
  double loss = 0, norm = 0;
  const double s = t0 / (t0 + t);
  for (uint32_t j = 0; j < width; j++) norm += s * v[j] * (s * v[j]);
  for (uint32_t r = 0; r < rows; r++) {
    const double m = label[r] * s * dot(v, index + rowStart[r], value + rowStart[r], rowStart[r + 1] - rowStart[r]);
    if (m < 1) loss += 1 - m;
  }
  printf("objective %.7f\n", loss / rows + l2 / 2 * norm);
  return 0;
}
