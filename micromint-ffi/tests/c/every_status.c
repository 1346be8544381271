/* Every status is returned by some call, and has a name. argv[1] is a folder as for make_handles(). */
#define _POSIX_C_SOURCE 200809L
#include "handles.h"
#include <sys/stat.h>

enum { STATUSES = 13 };
static int seen[STATUSES];
static micromint_error *error;

/* A call returned this status, and the error says the same. */
static void returned(micromint_status status) {
  CHECK((int)status >= 0 && (int)status < STATUSES);
  CHECK(micromint_error_status(error) == status);
  micromint_error_free(error);
  error = NULL;
  seen[status] = 1;
}

static int32_t no_random(void *userdata, uint8_t *bytes, size_t len) {
  (void)userdata;
  (void)bytes;
  (void)len;
  return 7;
}

static int32_t stop(void *userdata, micromint_mint_stage stage, uint64_t done, uint64_t total) {
  (void)userdata;
  (void)stage;
  (void)done;
  (void)total;
  return 1;
}

extern micromint_status micromint_test_panic(uint32_t how, micromint_error **error_out);

static int exists(const char *path) {
  struct stat found;
  return stat(path, &found) == 0;
}

/* A source of randomness that fails is a callback that failed, and nothing is left on disk. */
static void callbacks(const char *folder) {
  micromint_host *broken = micromint_host_new();
  micromint_period_options *chosen = micromint_period_options_new();
  micromint_wallet *wallet = NULL;
  uint8_t secret[MICROMINT_KEY_SIZE];
  char path[4096];
  micromint_host_set_random(broken, no_random, NULL);
  snprintf(path, sizeof path, "%s/new.secret", folder);
  returned(micromint_secret_create(TEXT(path), broken, secret, &error));
  CHECK(seen[MICROMINT_ERROR_CALLBACK] && !exists(path));
  snprintf(path, sizeof path, "%s/new.wallet", folder);
  CHECK(micromint_wallet_open(TEXT(path), broken, &wallet, &error) == MICROMINT_ERROR_CALLBACK);
  CHECK(says(error, MICROMINT_ERROR_CALLBACK, "the callback `random` returned 7") && !exists(path));
  micromint_period_options_set_profile(chosen, TEXT("demo"));
  micromint_period_options_set_period(chosen, TEXT("2027-05"));
  micromint_period_options_set_broker(chosen, TEXT("https://broker.example/"));
  micromint_period_options_set_coin_value(chosen, TEXT("0.01 USD"));
  micromint_period_options_set_weak(chosen, true);
  snprintf(path, sizeof path, "%s/new.toml", folder);
  CHECK(micromint_mint_init(TEXT(path), chosen, broken, &error) == MICROMINT_ERROR_CALLBACK);
  CHECK(says(error, MICROMINT_ERROR_CALLBACK, "the callback `random` returned 7") && !exists(path));
  micromint_host_free(broken);
  micromint_period_options_free(chosen);
}

/* Threads and memory out of range are wrong arguments. */
static void resources(void) {
  uint64_t balls;
  double rate;
  CHECK(micromint_mint_run(h_micromint_mint, 1025, 0, NULL, NULL, &balls, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "1024"));
  CHECK(micromint_mint_run(h_micromint_mint, 1, 1, NULL, NULL, &balls, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "memory"));
  CHECK(micromint_mint_measure(h_micromint_mint, 1025, 1, &rate, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "threads"));
}

int main(int argc, char **argv) {
  static const uint8_t no_utf8[] = {0xff};
  char path[4096], copy[4096];
  micromint_params *params = NULL;
  micromint_message *message = NULL;
  micromint_paywall *paywall = NULL;
  micromint_wallet *wallet = NULL;
  const uint8_t *name;
  size_t len;
  uint64_t number;
  uint32_t price;
  uint32_t status;
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/mint.toml", argv[1]);
  returned(micromint_mint_open(TEXT(path), &h_micromint_mint, &error));
  CHECK(seen[MICROMINT_OK]);
  returned(micromint_mint_run(h_micromint_mint, 1, 0, stop, NULL, &number, &error));
  returned(micromint_mint_run(h_micromint_mint, 1, 0, NULL, NULL, &number, &error));
  micromint_mint_free(h_micromint_mint);
  callbacks(argv[1]);
  make_handles(argv[1]);
  returned(micromint_params_from_toml(NULL, 0, NULL, &error));
  returned(micromint_test_panic(0, &error));
  returned(micromint_params_from_toml(no_utf8, 1, &params, &error));
  returned(micromint_price_parse(TEXT("-1"), &price, &error));
  returned(micromint_params_from_toml(TEXT("x"), &params, &error));
  returned(micromint_message_parse(TEXT("x"), &message, &error));
  returned(micromint_mint_open(TEXT("/nowhere/mint.toml"), &h_micromint_mint, &error));
  returned(micromint_paywall_open(TEXT("/nowhere/vendor.toml"), NULL, &paywall, &error));
  returned(micromint_decision_header(h_micromint_decision, 999, &name, &len, &name, &len, &error));
  returned(micromint_wallet_credit(h_micromint_wallet, TEXT("x"), &error));
  snprintf(path, sizeof path, "%s/wallet", argv[1]);
  snprintf(copy, sizeof copy, "%s/copy", argv[1]);
  returned(micromint_wallet_restore(TEXT(path), TEXT(copy), true, NULL, &wallet, &error));
  resources();
  for (status = 0; status < STATUSES; status++) {
    const char *named = micromint_status_name(status);
    CHECK(named != NULL && strncmp(named, "MICROMINT_", 10) == 0);
    if (!seen[status]) fprintf(stderr, "no call returned %s\n", named);
    CHECK(seen[status]);
  }
  CHECK(micromint_status_name(STATUSES) == NULL);
  CHECK(strcmp(micromint_status_name(MICROMINT_ERROR_CALLBACK), "MICROMINT_ERROR_CALLBACK") == 0);
  free_handles();
  return 0;
}
