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

static micromint_new_period new_period(const char *profile, const char *name) {
  micromint_new_period made;
  memset(&made, 0, sizeof made);
  made.profile = (const uint8_t *)profile;
  made.profile_len = strlen(profile);
  made.period = (const uint8_t *)name;
  made.period_len = strlen(name);
  made.broker = (const uint8_t *)"https://broker.example/";
  made.broker_len = 23;
  made.coin_value = (const uint8_t *)"0.01 USD";
  made.coin_value_len = 8;
  return made;
}

/* Writes 2027-03.toml into the folder. */
static void begin_period(const char *config) {
  micromint_new_period month = new_period("test", "2027-03"), winter = new_period("demo", "winter");
  CHECK(micromint_mint_init(TEXT(config), &month, NULL, &error) == MICROMINT_ERROR_CONFIG);
  CHECK(says(error, MICROMINT_ERROR_CONFIG, "weak"));
  month.allow_weak = 1;
  month.profile_len = 3;
  CHECK(micromint_mint_init(TEXT(config), &month, NULL, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "tes"));
  month.profile_len = 4;
  CHECK(micromint_mint_init(TEXT(config), &winter, NULL, &error) == MICROMINT_ERROR_CONFIG);
  CHECK(says(error, MICROMINT_ERROR_CONFIG, "winter is not a month"));
  winter.reserved = config;
  CHECK(micromint_mint_init(TEXT(config), &winter, NULL, NULL) == MICROMINT_ERROR_ARGUMENT);
  month.has_times = 1; /* 2027-03-02 and 2027-03-09 */
  month.start = 1803945600;
  month.expiration = 1804550400;
  good(micromint_mint_init(TEXT(config), &month, NULL, &error), error);
  CHECK(micromint_mint_init(TEXT(config), &month, NULL, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "2027-03.toml"));
}

static void plan(const micromint_mint *mint) {
  micromint_plan it;
  micromint_params *params = NULL;
  micromint_buffer *text = NULL;
  good(micromint_mint_plan(mint, &it, &text, &error), error);
  CHECK(it.bins == 1024 && it.sets == 32 && it.tosses == 1 << 16 && it.file_size > 8 * 1024);
  CHECK(it.balls > 900 && it.balls < 1024 && it.coins_per_set > it.spendable_per_set && it.first_forgery_tosses > 1);
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
  micromint_mint_state state;
  micromint_new_period month = new_period("test", "2027-04");
  uint64_t hits = 0, balls = 0;
  uint32_t missing = 7;
  month.allow_weak = 1;
  snprintf(path, sizeof path, "%s/2027-04.toml", folder);
  good(micromint_mint_init(TEXT(path), &month, NULL, &error), error);
  good(micromint_mint_open(TEXT(path), &mint, &error), error);
  good(micromint_mint_run_shard(mint, 1, 1, 1, 0, NULL, NULL, &hits, &error), error);
  CHECK(micromint_mint_merge_part(mint, 3, 2, 0, NULL, NULL, &missing, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "3/2") && missing == 7);
  good(micromint_mint_merge_part(mint, 2, 2, 0, NULL, NULL, &missing, &error), error);
  CHECK(missing == 1);
  good(micromint_mint_inspect(mint, &state, &error), error);
  CHECK(state.phase == MICROMINT_MINT_BEGUN);
  good(micromint_mint_merge_part(mint, 1, 2, 0, NULL, NULL, &missing, &error), error);
  CHECK(missing == 0);
  good(micromint_mint_merge(mint, 0, NULL, NULL, &balls, &error), error);
  good(micromint_mint_inspect(mint, &state, &error), error);
  CHECK(state.phase == MICROMINT_MINT_COMPLETE && state.balls == balls && balls > 500 && state.sets_sold == 0);
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
  micromint_key made, read;
  snprintf(path, sizeof path, "%s/broker.secret", folder);
  CHECK(micromint_secret_read(TEXT(path), &read, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "broker.secret"));
  good(micromint_secret_create(TEXT(path), NULL, &made, &error), error);
  good(micromint_secret_read(TEXT(path), &read, &error), error);
  CHECK(memcmp(&made, &read, sizeof made) == 0);
  CHECK(micromint_secret_create(TEXT(path), NULL, &made, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "broker.secret"));
}

int main(int argc, char **argv) {
  char path[4096];
  micromint_mint *mint = NULL;
  micromint_params *params = NULL;
  watcher stopper = {1, 0, 0}, watching = {0, 0, 0};
  uint64_t balls = 7, again = 7;
  micromint_mint_state state;
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
  micromint_money money = {0};
  good(micromint_params_coin_value(params, &money, &error), error);
  CHECK(money.units == 1000000 && strcmp(money.currency, "USD") == 0);
  good(micromint_mint_inspect(mint, &state, &error), error);
  CHECK(state.phase == MICROMINT_MINT_NOT_BEGUN && state.done == 0 && state.total == 0);
  CHECK(micromint_mint_run(mint, 5000, 0, NULL, NULL, &balls, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "threads: expected at least 1 and at most 1024, found 5000"));

  CHECK(micromint_mint_run(mint, 1, 0, watch, &stopper, &balls, &error) == MICROMINT_ERROR_STOPPED);
  CHECK(says(error, MICROMINT_ERROR_STOPPED, "run it again to continue"));
  CHECK(balls == 7 && stopper.calls > 0);
  good(micromint_mint_inspect(mint, &state, &error), error);
  CHECK(state.phase == MICROMINT_MINT_BEGUN && state.done <= state.total && state.total == 1 << 16);
  good(micromint_mint_run(mint, 1, 0, watch, &watching, &balls, &error), error);
  CHECK(balls > 500 && balls <= 1024 && watching.calls > 0 && watching.last_total > 0);
  good(micromint_mint_run(mint, 0, 0, NULL, NULL, &again, &error), error);
  CHECK(again == balls);
  good(micromint_mint_inspect(mint, &state, &error), error);
  CHECK(state.phase == MICROMINT_MINT_COMPLETE && state.balls == balls && state.checksum != 0);
  measure(mint);
  micromint_params_free(params);
  micromint_mint_free(mint);
  shards(argv[1]);
  parts(argv[1]);
  secret(argv[1]);
  return 0;
}
