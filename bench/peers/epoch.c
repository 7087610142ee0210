/* The plain C loop that glissade is measured against: SGD in commuting form over rows in CSR form, one thread, rows
   in the order of the file. Usage: epoch FILE LOSS L2 T0 EPOCHS[,EPOCHS...] OUT; FILE ends in .csr or is svmlight
   text; weights after each of the EPOCHS go to OUT.0, OUT.1, ... Prints one line of JSON: seconds of loading
   and of training up to each of the EPOCHS, and the seconds of every epoch. */
#include "rows.h"

static float dot(const float *v, const uint32_t *index, const float *value, uint32_t count) {
  float sum = 0;
  for (uint32_t k = 0; k < count; k++) sum += v[index[k]] * value[k];
  return sum;
}

static inline double slope(int isLog, double p, double y) {
  if (isLog) return -y / (1 + exp(y * p));
  return y * p < 1 ? -y : 0;
}

static inline void epochOf(const struct rows *x, int isLog, double l2, double t0, double t, float *v) {
  for (uint32_t r = 0; r < x->rows; r++, t++) {
    const uint32_t first = x->rowStart[r], count = x->rowStart[r + 1] - first;
    const double p = t0 / (t0 + t) * dot(v, x->index + first, x->value + first, count);
    const double d = slope(isLog, p, x->label[r]);
    if (d != 0) {
      const float factor = -d / (l2 * t0);
      for (uint32_t k = 0; k < count; k++) v[x->index[first + k]] += factor * x->value[first + k];
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 7) return 2;
  const int isLog = strcmp(argv[2], "log") == 0;
  const double l2 = atof(argv[3]), t0 = atof(argv[4]);
  const double begin = now();
  const struct rows x = readRows(argv[1]);
  const double load = now() - begin;
  float *v = calloc(x.width, sizeof(float));
  double *w = room(8 * (size_t)x.width), seconds[1024], train = 0, t = 0;
  int epoch = 0, rung = 0;
  printf("{\"load\":%.6f,\"rungs\":[", load);
  for (char *at = argv[5]; *at; rung++) {
    const int epochs = strtol(at, &at, 10);
    if (*at == ',') at++;
    for (; epoch < epochs && epoch < 1024; epoch++, t += x.rows) {
      const double start = now();
      if (isLog) epochOf(&x, 1, l2, t0, t, v);
      else epochOf(&x, 0, l2, t0, t, v);
      train += seconds[epoch] = now() - start;
    }
    const double scale = t0 / (t0 + t);
    for (uint32_t j = 0; j < x.width; j++) w[j] = scale * v[j];
    writeWeights(argv[6], rung, w, x.width);
    printf("%s{\"train\":%.6f}", rung ? "," : "", train);
  }
  printf("],\"epochs\":[");
  for (int k = 0; k < epoch; k++) printf("%s%.6f", k ? "," : "", seconds[k]);
  printf("],\"shared\":true}\n");
  return 0;
}
