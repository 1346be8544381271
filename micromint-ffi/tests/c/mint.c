/* The mint from C: refuses weak choices, stops when told, goes on, is complete once. argv[1] holds mint.toml. */
#include "check.h"

static micromint_error *error;

typedef struct {
  int32_t answer;
  uint64_t calls, last_total;
} watcher;

/* One thread mints, so that plain counters do. */
static int32_t watch(void *userdata, micromint_mint_stage stage, uint64_t done, uint64_t total) {
  watcher *it = userdata;
  if (stage == MICROMINT_MINT_TOSSING && done > total) abort();
  it->calls++;
  it->last_total = total;
  return it->answer;
}

int main(int argc, char **argv) {
  char path[4096];
  micromint_mint *mint = NULL;
  micromint_params *params = NULL;
  watcher stopper = {1, 0, 0}, watching = {0, 0, 0};
  uint64_t balls = 7, again = 7;
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
  CHECK(micromint_mint_run(mint, 5000, 0, NULL, NULL, &balls, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "threads: expected at least 1 and at most 1024, found 5000"));

  CHECK(micromint_mint_run(mint, 1, 0, watch, &stopper, &balls, &error) == MICROMINT_ERROR_STOPPED);
  CHECK(says(error, MICROMINT_ERROR_STOPPED, "run it again to go on"));
  CHECK(balls == 7 && stopper.calls > 0);
  good(micromint_mint_run(mint, 1, 0, watch, &watching, &balls, &error), error);
  CHECK(balls > 500 && balls <= 1024 && watching.calls > 0 && watching.last_total > 0);
  good(micromint_mint_run(mint, 0, 0, NULL, NULL, &again, &error), error);
  CHECK(again == balls);
  micromint_params_free(params);
  micromint_mint_free(mint);
  return 0;
}
