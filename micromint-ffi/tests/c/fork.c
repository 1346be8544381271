/* Objects without files can be used across a fork: parent and child use them, and each frees its
   copy. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

static void use(const micromint_checker *check) {
  micromint_coin_fault fault = MICROMINT_COIN_REPEATED_COIN;
  micromint_error *error = NULL;
  good(micromint_checker_check(check, TEXT("alice"), GOOD_COIN, 4, &fault, NULL, &error), error);
  CHECK(fault == MICROMINT_COIN_GOOD);
}

int main(void) {
  micromint_checker *check = checker();
  int state = 1;
  pid_t child;
  use(check);
  child = fork();
  CHECK(child >= 0);
  use(check);
  micromint_checker_free(check);
  if (child == 0) return 0;
  CHECK(waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0);
  return 0;
}
