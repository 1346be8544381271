/* The clock of the cases, for LD_PRELOAD: libmicromint sees the time of the case, everything else in
   the process the real one. The file MICROMINT_CASE_CLOCK has the difference in seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char path[4096];

/* At the start: programs that set their title move the environment. */
__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("MICROMINT_CASE_CLOCK");
  if (given != NULL && strlen(given) < sizeof path) strcpy(path, given);
}

static double difference(void) {
  char text[64];
  long len;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  len = read(file, text, sizeof text - 1);
  close(file);
  if (len < 0) return 0;
  text[len] = 0;
  return strtod(text, NULL);
}

int clock_gettime(clockid_t id, struct timespec *now) {
  Dl_info caller;
  long status = syscall(SYS_clock_gettime, id, now);
  if (status == 0 && id == CLOCK_REALTIME && dladdr(__builtin_return_address(0), &caller) != 0
      && caller.dli_fname != NULL && strstr(caller.dli_fname, "libmicromint") != NULL) {
    double changed = (double)now->tv_sec + (double)now->tv_nsec / 1e9 + difference();
    now->tv_sec = (time_t)changed;
    now->tv_nsec = (long)((changed - (double)now->tv_sec) * 1e9);
  }
  return (int)status;
}
