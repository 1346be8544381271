/* The mint: it refuses weak choices, stops on request, continues, and completes once. A new
   period: planned, minted in parts, merged (whole, and part by part) and verified. The broker's
   secret. argv[1] is a folder with mint.toml. */
#include "check.h"

static micromint_error *error;

typedef struct {
  int32_t answer;
  uint64_t calls, last_total;
} watcher;

/* Only one thread mints, so plain counters are enough. */
static int32_t watch(void *userdata, micromint_mint_stage stage, uint64_t done, uint64_t total) {
  watcher *it = userdata;
  if (stage == MICROMINT_MINT_TOSSING && done > total) abort();
  it->calls++;
  it->last_total = total;
  return it->answer;
}

static micromint_period_options *new_period(const char *profile, const char *name) {
  micromint_period_options *made = micromint_period_options_new();
  micromint_period_options_set_profile(made, TEXT(profile));
  micromint_period_options_set_period(made, TEXT(name));
  micromint_period_options_set_broker(made, TEXT("https://broker.example/"));
  micromint_period_options_set_coin_value(made, TEXT("0.01 USD"));
  return made;
}

/* Writes 2027-03.toml into the folder. */
static void begin_period(const char *config) {
  micromint_period_options *month = new_period("test", "2027-03"), *winter = new_period("demo", "winter");
  CHECK(micromint_mint_init(TEXT(config), month, NULL, &error) == MICROMINT_ERROR_CONFIG);
  CHECK(says(error, MICROMINT_ERROR_CONFIG, "weak"));
  micromint_period_options_set_weak(month, true);
  micromint_period_options_set_profile(month, TEXT("tes"));
  CHECK(micromint_mint_init(TEXT(config), month, NULL, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "tes"));
  micromint_period_options_set_profile(month, TEXT("test"));
  CHECK(micromint_mint_init(TEXT(config), winter, NULL, &error) == MICROMINT_ERROR_CONFIG);
  CHECK(says(error, MICROMINT_ERROR_CONFIG, "winter is not a month"));
  micromint_period_options_set_broker(winter, (const uint8_t *)"\xff", 1);
  CHECK(micromint_mint_init(TEXT(config), winter, NULL, &error) == MICROMINT_ERROR_TEXT);
  CHECK(says(error, MICROMINT_ERROR_TEXT, "period_options.broker is not UTF-8"));
  micromint_period_options_set_times(month, 1803945600, 1804550400); /* 2027-03-02 and 2027-03-09 */
  good(micromint_mint_init(TEXT(config), month, NULL, &error), error);
  CHECK(micromint_mint_init(TEXT(config), month, NULL, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "2027-03.toml"));
  micromint_period_options_free(month);
  micromint_period_options_free(winter);
}

/* The phase of a mint; the rest of its state is in `state`, which the next call frees. */
static micromint_mint_state *state;

static micromint_mint_phase phase(const micromint_mint *mint) {
  micromint_mint_state_free(state);
  state = NULL;
  good(micromint_mint_inspect(mint, &state, &error), error);
  return micromint_mint_state_phase(state);
}

static void plan(const micromint_mint *mint) {
  micromint_plan *it = NULL;
  micromint_params *params = NULL;
  micromint_buffer *text = NULL;
  good(micromint_mint_plan(mint, &it, &text, &error), error);
  CHECK(micromint_plan_bins(it) == 1024 && micromint_plan_sets(it) == 32 && micromint_plan_tosses(it) == 1 << 16);
  CHECK(micromint_plan_file_size(it) > 8 * 1024 && micromint_plan_first_forgery_tosses(it) > 1);
  CHECK(micromint_plan_balls(it) > 900 && micromint_plan_balls(it) < 1024);
  CHECK(micromint_plan_coins_per_set(it) > micromint_plan_spendable_per_set(it));
  micromint_plan_free(it);
  CHECK(micromint_buffer_len(text) > 0);
  micromint_buffer_free(text);
  good(micromint_mint_params(mint, &params, &error), error);
  good(micromint_params_to_toml(params, &text, &error), error);
  CHECK(strstr((const char *)micromint_buffer_data(text), "2027-03-09T00:00:00Z") != NULL);
  micromint_buffer_free(text);
  micromint_params_free(params);
}

/* Another period, in two parts that are merged and verified. */
static void shards(const char *folder) {
  char path[4096];
  micromint_mint *mint = NULL;
  micromint_buffer *report = NULL;
  watcher stopper = {1, 0, 0};
  uint64_t hits[2], balls = 0, faults = 7;
  FILE *file;
  snprintf(path, sizeof path, "%s/2027-03.toml", folder);
  begin_period(path);
  good(micromint_mint_open(TEXT(path), &mint, &error), error);
  plan(mint);
  CHECK(micromint_mint_run_shard(mint, 3, 2, 1, 0, NULL, NULL, &hits[0], &error) == MICROMINT_ERROR_ARGUMENT);
  micromint_error_free(error);
  CHECK(micromint_mint_run_shard(mint, 1, 2, 1, 0, watch, &stopper, &hits[0], NULL) == MICROMINT_ERROR_STOPPED);
  good(micromint_mint_run_shard(mint, 1, 2, 1, 0, NULL, NULL, &hits[0], &error), error);
  CHECK(micromint_mint_merge(mint, 0, NULL, NULL, &balls, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "") && balls == 0);
  good(micromint_mint_run_shard(mint, 2, 2, 1, 0, NULL, NULL, &hits[1], &error), error);
  good(micromint_mint_merge(mint, 0, NULL, NULL, &balls, &error), error);
  CHECK(balls > 500 && balls <= 1024 && balls <= hits[0] + hits[1]);
  CHECK(micromint_mint_verify(mint, 1, watch, &stopper, &faults, &report, NULL) == MICROMINT_ERROR_STOPPED);
  CHECK(faults == 7);
  good(micromint_mint_verify(mint, 1, NULL, NULL, &faults, &report, &error), error);
  CHECK(faults == 0 && micromint_buffer_len(report) == 0);
  micromint_buffer_free(report);

  /* Another x in the first bin. */
  snprintf(path, sizeof path, "%s/2027-03.coins", folder);
  file = fopen(path, "r+b");
  CHECK(file != NULL && fseek(file, 4096 + 64, SEEK_SET) == 0 && fwrite("\1\2\3\4\5\0\0\x10", 8, 1, file) == 1);
  fclose(file);
  good(micromint_mint_verify(mint, 1, NULL, NULL, &faults, &report, &error), error);
  CHECK(faults > 0 && micromint_buffer_len(report) > 0);
  micromint_buffer_free(report);
  micromint_mint_free(mint);
}

/* A period of one shard, whose coin file is merged in two parts. */
static void parts(const char *folder) {
  char path[4096];
  micromint_mint *mint = NULL;
  micromint_period_options *month = new_period("test", "2027-04");
  uint64_t hits = 0, balls = 0;
  uint32_t missing = 7;
  micromint_period_options_set_weak(month, true);
  snprintf(path, sizeof path, "%s/2027-04.toml", folder);
  good(micromint_mint_init(TEXT(path), month, NULL, &error), error);
  micromint_period_options_free(month);
  good(micromint_mint_open(TEXT(path), &mint, &error), error);
  good(micromint_mint_run_shard(mint, 1, 1, 1, 0, NULL, NULL, &hits, &error), error);
  CHECK(micromint_mint_merge_part(mint, 3, 2, 0, NULL, NULL, &missing, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "3/2") && missing == 7);
  good(micromint_mint_merge_part(mint, 2, 2, 0, NULL, NULL, &missing, &error), error);
  CHECK(missing == 1);
  CHECK(phase(mint) == MICROMINT_MINT_BEGUN);
  good(micromint_mint_merge_part(mint, 1, 2, 0, NULL, NULL, &missing, &error), error);
  CHECK(missing == 0);
  good(micromint_mint_merge(mint, 0, NULL, NULL, &balls, &error), error);
  CHECK(phase(mint) == MICROMINT_MINT_COMPLETE && micromint_mint_state_balls(state) == balls && balls > 500);
  micromint_mint_free(mint);
}

/* Measures the speed of the machine. */
static void measure(const micromint_mint *mint) {
  double tosses = 0;
  CHECK(micromint_mint_measure(mint, 1, 0, &tosses, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "seconds: expected 1 to 60, found 0"));
  CHECK(micromint_mint_measure(mint, 1, 61, &tosses, NULL) == MICROMINT_ERROR_ARGUMENT);
  CHECK(micromint_mint_measure(mint, 1025, 1, &tosses, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "threads: expected at most 1024, found 1025") && tosses == 0);
  good(micromint_mint_measure(mint, 1, 1, &tosses, &error), error);
  CHECK(tosses > 1);
}

static void secret(const char *folder) {
  char path[4096];
  uint8_t made[MICROMINT_KEY_SIZE], read[MICROMINT_KEY_SIZE];
  snprintf(path, sizeof path, "%s/broker.secret", folder);
  CHECK(micromint_secret_read(TEXT(path), read, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "broker.secret"));
  good(micromint_secret_create(TEXT(path), NULL, made, &error), error);
  good(micromint_secret_read(TEXT(path), read, &error), error);
  CHECK(memcmp(made, read, sizeof made) == 0);
  CHECK(micromint_secret_create(TEXT(path), NULL, made, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "broker.secret"));
}

int main(int argc, char **argv) {
  char path[4096];
  micromint_mint *mint = NULL;
  micromint_params *params = NULL;
  watcher stopper = {1, 0, 0}, watching = {0, 0, 0};
  uint64_t balls = 7, again = 7, units = 0;
  const uint8_t *currency;
  size_t len;
  CHECK(argc == 2);

  snprintf(path, sizeof path, "%s/nowhere.toml", argv[1]);
  CHECK(micromint_mint_open(TEXT(path), &mint, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "nowhere.toml"));
  snprintf(path, sizeof path, "%s/strict.toml", argv[1]);
  CHECK(micromint_mint_open(TEXT(path), &mint, &error) == MICROMINT_ERROR_CONFIG);
  CHECK(says(error, MICROMINT_ERROR_CONFIG, "weak") && mint == NULL);

  snprintf(path, sizeof path, "%s/mint.toml", argv[1]);
  good(micromint_mint_open(TEXT(path), &mint, &error), error);
  good(micromint_mint_params(mint, &params, &error), error);
  CHECK(micromint_params_coin_size(params) == 4);
  good(micromint_params_coin_value(params, &units, &currency, &len, &error), error);
  CHECK(units == 1000000 && equal(currency, len, "USD"));
  CHECK(phase(mint) == MICROMINT_MINT_NOT_BEGUN && micromint_mint_state_done(state) == 0);
  CHECK(micromint_mint_state_total(state) == 0);
  CHECK(micromint_mint_run(mint, 5000, 0, NULL, NULL, &balls, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "threads: expected at least 1 and at most 1024, found 5000"));

  CHECK(micromint_mint_run(mint, 1, 0, watch, &stopper, &balls, &error) == MICROMINT_ERROR_STOPPED);
  CHECK(says(error, MICROMINT_ERROR_STOPPED, "run it again to continue"));
  CHECK(balls == 7 && stopper.calls > 0);
  CHECK(phase(mint) == MICROMINT_MINT_BEGUN && micromint_mint_state_total(state) == 1 << 16);
  CHECK(micromint_mint_state_done(state) <= micromint_mint_state_total(state));
  good(micromint_mint_run(mint, 1, 0, watch, &watching, &balls, &error), error);
  CHECK(balls > 500 && balls <= 1024 && watching.calls > 0 && watching.last_total > 0);
  good(micromint_mint_run(mint, 0, 0, NULL, NULL, &again, &error), error);
  CHECK(again == balls);
  CHECK(phase(mint) == MICROMINT_MINT_COMPLETE && micromint_mint_state_balls(state) == balls);
  CHECK(micromint_mint_state_checksum(state) != 0);
  measure(mint);
  micromint_params_free(params);
  micromint_mint_free(mint);
  shards(argv[1]);
  parts(argv[1]);
  secret(argv[1]);
  micromint_mint_state_free(state);
  return 0;
}
