/* Shared code of the test programs in C: a check that prints where it failed, and objects to
   work with. */
#ifndef CHECK_H
#define CHECK_H

#include <micromint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      exit(1); \
    } \
  } while (0)

/* A text and its length, as two arguments. */
#define TEXT(literal) (const uint8_t *)(literal), strlen(literal)

/* A small period that is minted quickly: testdata/periods/2026-12.params. */
#define PERIOD_TOML \
  "period = \"2026-12\"\nhashfn = \"des\"\niv = \"0123456789abcdef\"\n" \
  "input-size = 16\noutput-size = 12\nnum-fixed-bits = 2\nfixed-bits = \"2\"\nsubbin-size = 4\n" \
  "coin-size = 4\nstart = \"2026-12-01T00:00:00Z\"\nexpiration = \"2027-01-01T00:00:00Z\"\n" \
  "redeem-until = \"2027-01-08T00:00:00Z\"\nbroker = \"https://broker.example/\"\n" \
  "coin-value = \"0.01 USD\"\n"

/* The request of the first challenge in testdata/scheme.json: three coins for
   https://news.example/story. */
#define CHARGE_REQUEST \
  "eyJhbW91bnQiOiIzIiwiY3VycmVuY3kiOiJjb2luIiwiZGVzY3JpcHRpb24iOiJOZXdzIG9mIHRoZSBkYXkiLCJtZXRob2REZXRh" \
  "aWxzIjp7ImJyb2tlciI6Imh0dHBzOi8vYnJva2VyLmV4YW1wbGUvIiwiY29pblZhbHVlIjoiMC4wMSBVU0QiLCJwZXJpb2RzIjpb" \
  "IjIwMjYtMTIiLCIyMDI3LTAxIl0sInVybCI6Imh0dHBzOi8vbmV3cy5leGFtcGxlL3N0b3J5In0sInJlY2lwaWVudCI6Im5ld3Mu" \
  "ZXhhbXBsZSJ9"

/* A coin of alice for news.example in that period (testdata/coins.json). */
static const uint64_t GOOD_COIN[4] = {0x892, 0x245, 0x1298, 0x78a};

static inline int equal(const uint8_t *bytes, size_t len, const char *text) {
  return len == strlen(text) && memcmp(bytes, text, len) == 0;
}

/* Ends the program with the error's text unless the call succeeded. A macro, because the
   arguments of a function are evaluated in any order. */
#define good(call, error) \
  do { \
    micromint_status status_ = (call); \
    end_unless_good(status_, error, __FILE__, __LINE__); \
  } while (0)

static inline void end_unless_good(micromint_status status, micromint_error *error, const char *file, int line) {
  const uint8_t *text;
  size_t len;
  if (status != MICROMINT_OK) {
    micromint_error_message(error, &text, &len);
    fprintf(stderr, "%s:%d: status %d: %.*s\n", file, line, (int)status, (int)len, (const char *)text);
    exit(1);
  }
}

/* Whether an error has this status and contains this text; frees it. */
static inline int says(micromint_error *error, micromint_status status, const char *piece) {
  const uint8_t *text;
  size_t len;
  char copy[2048];
  int found;
  if (error == NULL) return 0;
  micromint_error_message(error, &text, &len);
  if (len >= sizeof copy) len = sizeof copy - 1;
  memcpy(copy, text, len);
  copy[len] = 0;
  found = micromint_error_status(error) == status && strstr(copy, piece) != NULL;
  if (!found) fprintf(stderr, "status %d says: %s\n", (int)micromint_error_status(error), copy);
  micromint_error_free(error);
  return found;
}

/* A request for a page of one coin at news.example over https. */
static inline micromint_request *request_for(const char *target) {
  micromint_request *request = micromint_request_new();
  micromint_request_set_method(request, TEXT("GET"));
  micromint_request_set_target(request, TEXT(target));
  micromint_request_set_host(request, TEXT("news.example"));
  micromint_request_set_https(request, true);
  micromint_request_set_price(request, 1);
  return request;
}

static inline micromint_params *period(void) {
  micromint_params *params = NULL;
  micromint_error *error = NULL;
  good(micromint_params_from_toml(TEXT(PERIOD_TOML), &params, &error), error);
  return params;
}

static inline micromint_checker *checker(void) {
  micromint_params *params = period();
  micromint_checker *made = NULL;
  micromint_error *error = NULL;
  good(micromint_checker_new(params, TEXT("news.example"), &made, &error), error);
  micromint_params_free(params);
  return made;
}

#endif
