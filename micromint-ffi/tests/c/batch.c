/* A batch of 603 malformed payments, which no vendor would send: it is examined on the allowed
   number of threads, and rejected. argv[1] is a folder with the configuration of a mint. */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

static micromint_error *error;
static int64_t now = 1796904000; /* 2026-12-10T12:00:00Z */
static const micromint_key SECRET = {{1, 2, 3, 4, 5, 6, 7, 8}};
static int threads_made;

/* Counts the threads of the library, which is linked statically for that. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *data) {
  int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  threads_made++;
  return create(thread, attributes, run, data);
}

static int64_t tell_time(void *userdata) {
  (void)userdata;
  return now;
}

enum { LINES = 67, RECORDS = 9 * LINES };

/* A Request-Redemption: each line of its data is nine records of one byte, `x`. */
static size_t write_batch(char *text, size_t size, const char *name) {
  static const char line[] = "AAAAAXgAAAABeAAAAAF4AAAAAXgAAAABeAAAAAF4AAAAAXgAAAABeAAAAAF4\r\n";
  static uint8_t data[5 * RECORDS];
  micromint_key key;
  micromint_authenticator head;
  size_t at, i;
  for (i = 0; i < RECORDS; i++) memcpy(data + 5 * i, "\0\0\0\1x", 5);
  good(micromint_vendor_key(&SECRET, TEXT("news.example"), &key, &error), error);
  good(micromint_authenticate_redemption(&key, TEXT("news.example"), TEXT("2026-12"), TEXT(name), data, sizeof data,
                                         &head, &error), error);
  at = (size_t)snprintf(text, size,
                        "MicroMint-1.0\r\nRequest-Redemption\r\nVendor-ID: news.example\r\nBatch-ID: %s\r\n"
                        "Period: 2026-12\r\nPayments: %d\r\nAuthenticator: ", name, RECORDS);
  for (i = 0; i < sizeof head.bytes; i++) at += (size_t)snprintf(text + at, size - at, "%02x", head.bytes[i]);
  at += (size_t)snprintf(text + at, size - at, "\r\nData-Size: %d\r\n", 5 * RECORDS);
  for (i = 0; i < LINES; i++) at += (size_t)snprintf(text + at, size - at, "%s", line);
  at += (size_t)snprintf(text + at, size - at, "End-MicroMint\r\n");
  CHECK(at < size);
  return at;
}

/* Redeems a batch of this name. Returns how many threads the library started. */
static int redeem(micromint_broker *broker, const char *name) {
  static char text[16384];
  char first[128], last[128];
  size_t len = write_batch(text, sizeof text, name), aside_len;
  const char *aside;
  micromint_buffer *result = NULL, *reason = NULL, *lines = NULL;
  int before = threads_made;
  good(micromint_broker_redeem(broker, (const uint8_t *)text, len, &result, &reason, &error), error);
  if (reason) fprintf(stderr, "%.*s\n", (int)micromint_buffer_len(reason), (const char *)micromint_buffer_data(reason));
  CHECK(result != NULL);
  before = threads_made - before;
  good(micromint_broker_rejected_coins(broker, (const uint8_t *)text, len, micromint_buffer_data(result),
                                  micromint_buffer_len(result), &lines, &error), error);
  aside = (const char *)micromint_buffer_data(lines);
  aside_len = micromint_buffer_len(lines);
  snprintf(first, sizeof first, "batch news.example %s judged 2026-12-10T12:00:00Z: 603 invalid coins\n", name);
  snprintf(last, sizeof last, "end of batch news.example %s\n", name);
  CHECK(aside_len > RECORDS && strncmp(aside, first, strlen(first)) == 0);
  CHECK(strncmp(aside + aside_len - strlen(last), last, strlen(last)) == 0);
  micromint_buffer_free(lines);
  len = write_batch(text, sizeof text, "another");
  CHECK(micromint_broker_rejected_coins(broker, (const uint8_t *)text, len, micromint_buffer_data(result),
                                   micromint_buffer_len(result), &lines, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "expected that of batch another"));
  micromint_buffer_free(result);
  return before;
}

int main(int argc, char **argv) {
  char path[4096];
  micromint_host host;
  micromint_mint *mint = NULL;
  micromint_broker *broker = NULL;
  uint64_t balls;
  CHECK(argc == 2);
  memset(&host, 0, sizeof host);
  host.now = tell_time;
  snprintf(path, sizeof path, "%s/mint.toml", argv[1]);
  good(micromint_mint_open(TEXT(path), &mint, &error), error);
  good(micromint_mint_run(mint, 1, 0, NULL, NULL, &balls, &error), error);
  micromint_mint_free(mint);
  snprintf(path, sizeof path, "%s/2026-12.coins", argv[1]);
  good(micromint_broker_open(TEXT(path), &SECRET, &host, &broker, &error), error);
  good(micromint_broker_register(broker, TEXT("news.example"), &error), error);

  /* The library uses one thread per 256 payments, including the caller's. */
  CHECK(redeem(broker, "all-cores") == (sysconf(_SC_NPROCESSORS_ONLN) > 2 ? 2 : sysconf(_SC_NPROCESSORS_ONLN) - 1));
  CHECK(micromint_broker_set_threads(broker, 1025, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "threads: expected at most 1024, found 1025"));
  good(micromint_broker_set_threads(broker, 1, &error), error);
  CHECK(redeem(broker, "one") == 0);
  good(micromint_broker_set_threads(broker, 2, &error), error);
  CHECK(redeem(broker, "two") == 1);
  good(micromint_broker_set_threads(broker, 1024, &error), error);
  CHECK(redeem(broker, "many") == 2);
  micromint_broker_free(broker);
  return 0;
}
