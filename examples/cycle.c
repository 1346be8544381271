/* The whole cycle in one program: mint, buy, pay for a page, redeem. Comments say where each part
   runs in practice. The broker is not in the library: the program runs mmbroker and mmredeem, the
   programs of a broker on a SQLite database (make broker).
   cc cycle.c $(pkg-config --cflags --libs micromint) && mkdir world && ./a.out world */
#include <micromint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT(text) (const uint8_t *)(text), strlen(text)
#define BYTES(buffer) micromint_buffer_data(buffer), micromint_buffer_len(buffer)
#define DO(call) do { if ((call) != MICROMINT_OK) fail(error); } while (0)

static micromint_error *error;
static int64_t ahead; /* seconds; without a callback the library uses the system's clock */

static int64_t tell_time(void *userdata) { return (void)userdata, (int64_t)time(NULL) + ahead; }

static void fail(const micromint_error *why) {
  const uint8_t *text;
  size_t len;
  micromint_error_message(why, &text, &len);
  fprintf(stderr, "cycle: %.*s\n", (int)len, (const char *)text);
  exit(1);
}

static const char *path(const char *folder, const char *name) {
  static char made[2][4096];
  static int turn;
  snprintf(made[turn ^= 1], sizeof made[0], "%s/%s", folder, name);
  return made[turn];
}

static void write_file(const char *where, const void *bytes, size_t len) {
  FILE *file = fopen(where, "wb");
  if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0) exit((perror(where), 1));
}

/* The content of a file: at most the size of `bytes`. */
static size_t read_file(const char *where, void *bytes, size_t size) {
  FILE *file = fopen(where, "rb");
  size_t len = file == NULL ? 0 : fread(bytes, 1, size, file);
  if (file == NULL || fclose(file) != 0) exit((perror(where), 1));
  return len;
}

/* Runs a program of the broker in its folder. */
static void broker(const char *folder, const char *command) {
  char line[8192];
  snprintf(line, sizeof line, "cd '%s' && %s", folder, command);
  if (system(line) != 0) exit((fprintf(stderr, "cycle: failed: %s\n", command), 1));
}

/* At the broker, once a month: a configuration, the coin file, and the parameters for vendors and
   wallets. */
static void mint(const char *folder) {
  micromint_period_options *period = micromint_period_options_new();
  micromint_mint *it;
  micromint_params *params;
  micromint_buffer *toml;
  uint64_t balls;
  micromint_period_options_set_profile(period, TEXT("test"));
  micromint_period_options_set_weak(period, true);
  micromint_period_options_set_period(period, TEXT("today"));
  micromint_period_options_set_times(period, time(NULL) - 86400, time(NULL) + 86400);
  micromint_period_options_set_broker(period, TEXT("https://broker.example/"));
  micromint_period_options_set_coin_value(period, TEXT("0.01 USD"));
  DO(micromint_mint_init(TEXT(path(folder, "mint.toml")), period, NULL, &error));
  micromint_period_options_free(period);
  DO(micromint_mint_open(TEXT(path(folder, "mint.toml")), &it, &error));
  DO(micromint_mint_run(it, 0, 0, NULL, NULL, &balls, &error));
  DO(micromint_mint_params(it, &params, &error));
  DO(micromint_params_to_toml(params, &toml, &error));
  write_file(path(folder, "today.params"), BYTES(toml));
  printf("minted %s\n", balls > 500 ? "a test period" : "too little");
  micromint_buffer_free(toml);
  micromint_params_free(params);
  micromint_mint_free(it);
}

/* In the web server: decides about a request, a GET without or a POST with a payment. */
static micromint_decision *ask(const micromint_paywall *paywall, const micromint_buffer *payment) {
  micromint_request *request = micromint_request_new();
  micromint_decision *decision;
  micromint_request_set_method(request, TEXT(payment ? "POST" : "GET"));
  micromint_request_set_target(request, TEXT("/story"));
  micromint_request_set_host(request, TEXT("news.example"));
  micromint_request_set_https(request, true);
  micromint_request_set_price(request, 1);
  if (payment != NULL) {
    micromint_request_add_header(request, TEXT("Content-Type"), TEXT("application/x-micromint"));
    micromint_request_set_body(request, BYTES(payment));
  }
  /* Invalid values, if there were any, are reported here. */
  DO(micromint_paywall_decide(paywall, request, &decision, &error));
  micromint_request_free(request);
  return decision;
}

int main(int argc, char **argv) {
  static const char vendor[] =
      "vendor-id = \"news.example\"\norigins = [\"https://news.example\"]\nperiods = \".\"\ntill = \"till\"\n";
  const char *folder = argc == 2 ? argv[1] : ".";
  static uint8_t sale[65536], result[65536];
  micromint_host *host = micromint_host_new();
  micromint_policy *policy = micromint_policy_new();
  uint8_t secret[MICROMINT_KEY_SIZE], vendor_key[MICROMINT_KEY_SIZE];
  micromint_wallet *wallet;
  micromint_paywall *paywall;
  micromint_till *till;
  micromint_decision *refused, *served;
  micromint_buffer *payment, *batch, *reason;
  micromint_received received;
  micromint_pay pay;
  micromint_batch *sent, *paid;
  uint32_t coins, number;
  const uint8_t *offer, *outcome;
  size_t len;

  micromint_host_set_now(host, tell_time, NULL);
  mint(folder);
  DO(micromint_secret_create(TEXT(path(folder, "broker.secret")), NULL, secret, &error));

  /* The broker sells a set, paid from alice's account; the client's wallet hashes every ball to check
     it. */
  broker(folder, "mmbroker --config broker.toml init --url https://broker.example >/dev/null");
  broker(folder, "mmbroker --config broker.toml deposit alice '1 USD' --reference cash-1 --new >/dev/null");
  broker(folder, "mmbroker --config broker.toml withdraw --user alice --sets 1 -o sale 2>/dev/null");
  len = read_file(path(folder, "sale"), sale, sizeof sale);
  DO(micromint_wallet_open(TEXT(path(folder, "wallet")), host, &wallet, &error));
  DO(micromint_wallet_receive(wallet, sale, len, &received, &coins, &reason, &error));
  printf("alice has %s\n", received == MICROMINT_RECEIVED_NEW && coins > 5 ? "coins" : "nothing");

  /* The vendor asks for a coin; the client pays; the page is served. */
  write_file(path(folder, "vendor.toml"), vendor, sizeof vendor - 1);
  DO(micromint_paywall_prepare(TEXT(path(folder, "vendor.toml")), host, &error));
  DO(micromint_paywall_open(TEXT(path(folder, "vendor.toml")), host, &paywall, &error));
  refused = ask(paywall, NULL);
  printf("without a payment: %u\n", (unsigned)micromint_decision_status(refused));
  DO(micromint_decision_body(refused, &offer, &len, &error));
  micromint_policy_set_autopay(policy, 1); /* pays one coin without asking */
  DO(micromint_wallet_pay(wallet, offer, len, TEXT("https://news.example/story"), TEXT("GET"), NULL, 0, policy, &pay,
                          &number, &payment, &error));
  served = ask(paywall, payment);
  DO(micromint_wallet_record_outcome(wallet, number, micromint_decision_serves(served) ? 200 : 402, NULL, 0, &outcome, &len,
                             &error));
  printf("with a payment: %.*s\n", (int)len, (const char *)outcome);

  /* Ten minutes later the vendor sends its batch to the broker, and the broker pays. The broker has
     given the key to the vendor. */
  ahead = 601;
  broker(folder, "mmbroker --config broker.toml vendor-key news.example >/dev/null");
  DO(micromint_vendor_key(secret, sizeof secret, TEXT("news.example"), vendor_key, &error));
  micromint_key_wipe(secret, sizeof secret);
  DO(micromint_till_open(TEXT(path(folder, "vendor.toml")), host, &till, &error));
  DO(micromint_till_make_batch(till, vendor_key, sizeof vendor_key, NULL, 0, 0, &sent, &batch, &error));
  write_file(path(folder, "batch"), BYTES(batch));
  broker(folder, "mmredeem --config broker.toml batch >/dev/null 2>&1");
  len = read_file(path(folder, "batch.result"), result, sizeof result);
  DO(micromint_till_read_result(till, vendor_key, sizeof vendor_key, result, len, &paid, &error));
  printf("redeemed: %u of %u\n", (unsigned)micromint_batch_coins_paid(paid), (unsigned)micromint_batch_coins(paid));

  micromint_key_wipe(vendor_key, sizeof vendor_key);
  micromint_buffer_free(payment), micromint_buffer_free(batch);
  micromint_decision_free(refused), micromint_decision_free(served);
  micromint_batch_free(sent), micromint_batch_free(paid);
  micromint_till_free(till);
  micromint_paywall_free(paywall);
  micromint_wallet_free(wallet);
  micromint_policy_free(policy);
  micromint_host_free(host);
  return 0;
}
