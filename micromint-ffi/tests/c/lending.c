/* Everything that is lent can be read: an empty text has an address too, or NULL. argv[1] is a folder
   as for make_handles(). */
#include "handles.h"
#include "paid.h"

static const uint8_t *data[4];
static size_t len[4];
static uint64_t room[64];
static size_t pieces, empty_pieces;

/* Addresses below this are no memory: some languages end the program when they see one. */
enum { FIRST_PAGE = 4096 };

static void readable(const char *name, const uint8_t *bytes, size_t size) {
  static volatile uint8_t sum;
  size_t i;
  if (bytes != NULL && (uintptr_t)bytes < FIRST_PAGE) {
    fprintf(stderr, "%s lends %p\n", name, (const void *)bytes);
    exit(1);
  }
  CHECK(bytes != NULL || size == 0);
  for (i = 0; i < size; i++) sum = (uint8_t)(sum + bytes[i]);
  pieces++;
  empty_pieces += size == 0;
}

static void is_lent(const char *name, int count) {
  int i;
  for (i = 0; i < count; i++) readable(name, data[i], len[i]);
  memset(data, 0, sizeof data);
}

#include "lending_calls.h"

int main(int argc, char **argv) {
  micromint_buffer *none = NULL;
  micromint_decision *served = NULL;
  micromint_error *error = NULL;
  CHECK(argc == 2);
  make_handles(argv[1]);
  make_batch(RACE_TARGET, RACE_HEADER);
  /* A decision with header fields. */
  micromint_decision_free(h_micromint_decision);
  micromint_request_set_price(h_micromint_request, 1);
  good(micromint_paywall_decide(h_micromint_paywall, h_micromint_request, &h_micromint_decision, &error), error);
  all();
  if (pieces < 18) fprintf(stderr, "%lu pieces\n", (unsigned long)pieces);
  CHECK(pieces >= 18);
  /* What is often empty. */
  micromint_request_clear(h_micromint_request);
  empty_pieces = 0;
  micromint_error_message(NULL, &data[0], &len[0]);
  is_lent("micromint_error_message", 1);
  good(micromint_till_periods(h_micromint_till, &none, &error), error);
  readable("micromint_buffer_data", micromint_buffer_data(none), micromint_buffer_len(none));
  micromint_buffer_free(none);
  good(micromint_message_data(h_micromint_message, &data[0], &len[0], &error), error);
  is_lent("micromint_message_data", 1);
  good(micromint_paywall_decide(h_micromint_paywall, h_micromint_request, &served, &error), error);
  good(micromint_decision_user(served, &data[0], &len[0], &error), error);
  is_lent("micromint_decision_user", 1);
  good(micromint_decision_body(served, &data[0], &len[0], &error), error);
  is_lent("micromint_decision_body", 1);
  CHECK(micromint_decision_serves(served));
  micromint_decision_free(served);
  CHECK(empty_pieces == 5);
  (void)room;
  free_handles();
  return 0;
}
