/* LIBLINEAR as its own command line would run it: text to rows of nodes, train, weights.
   Usage: liblinear FILE L2 SOLVER:EPS[,SOLVER:EPS...] OUT. Its objective is |w|^2/2 + C*sum of losses, so
   C = 1/(l2*rows). */

#include "linear.h"
#include "rows.h"

static void quiet(const char *text) { (void)text; }

/* Reads line by line and twice, as LIBLINEAR's own program does, whose time this one agrees with: once to count, once
   to convert. Nodes of all rows are in one array, each row closed by index -1, as the library asks. */
static struct problem readProblem(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) fail(path);
  char *line = NULL, *rest;
  size_t capacity = 0, nodes = 0;
  struct problem p = {.bias = -1};
  for (; getline(&line, &capacity, file) >= 0; p.l++)
    for (char *word = strtok(line, " \t\n"); word; word = strtok(NULL, " \t\n")) nodes++;
  p.y = room(8 * (size_t)p.l), p.x = room(sizeof(void *) * (size_t)p.l);
  struct feature_node *node = room(sizeof(struct feature_node) * nodes);
  rewind(file);
  for (int row = 0; getline(&line, &capacity, file) >= 0; row++, node++) {
    p.x[row] = node;
    p.y[row] = strtod(strtok(line, " \t\n"), NULL);
    for (char *id; (id = strtok(NULL, ":")) && (rest = strtok(NULL, " \t")); node++) {
      node->index = strtol(id, NULL, 10);
      node->value = strtod(rest, NULL);
      if (node->index > p.n) p.n = node->index;
    }
    node->index = -1;
  }
  free(line), fclose(file);
  return p;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  set_print_string_function(quiet);
  const double begin = now();
  const struct problem p = readProblem(argv[1]);
  const double load = now() - begin, C = 1 / (atof(argv[2]) * p.l);
  printf("{\"load\":%.6f,\"rungs\":[", load);
  int rung = 0;
  for (char *at = argv[3]; *at; rung++) {
    struct parameter how = {.C = C, .p = 0.1, .nu = 0.5, .regularize_bias = 1};
    how.solver_type = strtol(at, &at, 10);
    how.eps = strtod(at + 1, &at);
    if (*at == ',') at++;
    const double start = now();
    struct model *model = train(&p, &how);
    const double seconds = now() - start;
    /* Its first label is the positive one. */
    const double sign = model->label[0] > 0 ? 1 : -1;
    for (int j = 0; j < model->nr_feature; j++) model->w[j] *= sign;
    writeWeights(argv[4], rung, model->w, model->nr_feature);
    printf("%s{\"train\":%.6f}", rung ? "," : "", seconds);
  }
  printf("]}\n");
  return 0;
}
