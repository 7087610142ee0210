/* Runs a command and reports, as one line of JSON in the file named first, the seconds it took, its processor time
   and its peak resident memory: what the shell's time does, without asking for a shell's time to be there. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const double begin = now();
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  int status;
  struct rusage use;
  if (wait4(child, &status, 0, &use) < 0) return 1;
  const double seconds = now() - begin;
  const double processor = use.ru_utime.tv_sec + use.ru_stime.tv_sec +
                           1e-6 * (use.ru_utime.tv_usec + use.ru_stime.tv_usec);
  FILE *file = fopen(argv[1], "w");
  if (!file) return 1;
  fprintf(file, "{\"seconds\":%.6f,\"processor\":%.6f,\"megabytes\":%.1f}\n", seconds, processor,
          use.ru_maxrss / 1024.0);
  fclose(file);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
