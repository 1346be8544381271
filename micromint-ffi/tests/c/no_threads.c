/* A system that gives no thread makes minting and verifying slower and nothing else. argv[1] is a
   folder as for make_handles(). */
#include <errno.h>
#include <pthread.h>
#include "check.h"

static int refused;

/* In place of the system's: no thread can be had. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *), void *argument) {
  (void)thread;
  (void)attributes;
  (void)work;
  (void)argument;
  refused++;
  return EAGAIN;
}

int main(int argc, char **argv) {
  micromint_error *error = NULL;
  micromint_mint *mint = NULL;
  micromint_buffer *report = NULL;
  uint64_t balls = 0, faults = 1;
  char path[4096];
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/mint.toml", argv[1]);
  good(micromint_mint_open(TEXT(path), &mint, &error), error);
  good(micromint_mint_run(mint, 4, 0, NULL, NULL, &balls, &error), error);
  CHECK(balls > 0 && refused > 0);
  good(micromint_mint_verify(mint, 4, NULL, NULL, &faults, &report, &error), error);
  CHECK(faults == 0);
  micromint_buffer_free(report);
  micromint_mint_free(mint);
  return 0;
}
