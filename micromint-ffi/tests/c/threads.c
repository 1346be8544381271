/* Immutable objects can be used by many threads at the same time. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 8, ROUNDS = 500 };

static const micromint_checker *shared;
static const micromint_params *shared_params;

static void *work(void *number) {
  int i;
  for (i = 0; i < ROUNDS; i++) {
    micromint_coin_fault fault = MICROMINT_COIN_REPEATED_COIN;
    uint32_t bin[2] = {0, 0};
    micromint_error *error = NULL;
    const char *user = (i + *(int *)number) % 2 ? "alice" : "bob";
    uint64_t hash;
    good(micromint_checker_check(shared, TEXT(user), GOOD_COIN, 4, &fault, bin, &error), error);
    CHECK(fault == (user[0] == 'a' ? MICROMINT_COIN_GOOD : MICROMINT_COIN_USER_DIFFERENCES));
    CHECK(user[0] == 'b' || (bin[0] == 8 && bin[1] == 1));
    /* Errors belong to a call, not to a thread. */
    CHECK(micromint_hash(shared_params, UINT64_MAX, &hash, &error) == MICROMINT_ERROR_ARGUMENT);
    CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "0xffffffffffffffff"));
  }
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  int numbers[THREADS], i;
  micromint_checker *check = checker();
  micromint_params *params = period();
  shared = check;
  shared_params = params;
  for (i = 0; i < THREADS; i++) {
    numbers[i] = i;
    CHECK(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
  }
  for (i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  micromint_checker_free(check);
  micromint_params_free(params);
  return 0;
}
