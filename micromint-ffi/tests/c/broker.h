/* The broker of tests/c/cycle.c, which is the test program (tests/c/broker.rs): a request goes to
   standard output, its answer comes from standard input. */
#ifndef BROKER_H
#define BROKER_H
#include "check.h"

/* What the broker answered. */
typedef struct {
  char kind[16]; /* message, or refused with the reason */
  uint8_t *bytes;
  size_t len;
} answer;

/* Asks for `what` at the time `now`; `words` are separated by spaces. */
static answer ask_broker(const char *what, int64_t now, const char *words, const uint8_t *bytes, size_t len) {
  answer got;
  unsigned long got_len;
  printf("%s %lld %lu %s\n", what, (long long)now, (unsigned long)len, words);
  if (len > 0) fwrite(bytes, 1, len, stdout);
  fflush(stdout);
  CHECK(scanf("%15s %lu", got.kind, &got_len) == 2 && getchar() == '\n');
  got.len = got_len;
  got.bytes = malloc(got.len + 1);
  CHECK(got.bytes != NULL && fread(got.bytes, 1, got.len, stdin) == got.len);
  got.bytes[got.len] = 0;
  return got;
}

/* A message of the broker, which the caller frees. */
static answer broker_says(const char *what, int64_t now, const char *words, const uint8_t *bytes, size_t len) {
  answer got = ask_broker(what, now, words, bytes, len);
  if (strcmp(got.kind, "message") != 0) fprintf(stderr, "%s: %s\n", what, (const char *)got.bytes);
  CHECK(strcmp(got.kind, "message") == 0);
  return got;
}
#endif
