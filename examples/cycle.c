/* The whole cycle in one process: mint, sell, pay for a page, redeem. Comments say where each part
   runs in practice.
   cc cycle.c $(pkg-config --cflags --libs micromint) && mkdir world && ./a.out world */
#include <micromint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(text) (const uint8_t *)(text), strlen(text)
#define BYTES(buffer) micromint_buffer_data(buffer), micromint_buffer_len(buffer)
#define DO(call) do { if ((call) != MICROMINT_OK) fail(error); } while (0)

static micromint_error *error;
static int64_t now = 1796904000; /* 2026-12-10 12:00 UTC; without a callback the library uses the system's clock */

static int64_t tell_time(void *userdata) { return (void)userdata, now; }

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

/* At the broker, once a month: a configuration, the coin file, and the parameters for vendors and
   wallets. */
static void mint(const char *folder) {
  micromint_new_period period = {TEXT("test"), TEXT("2026-12"), TEXT("https://broker.example/"), TEXT("0.01 USD"),
                                 0, 0, 0, 1, NULL};
  micromint_mint *it;
  micromint_params *params;
  micromint_buffer *toml;
  uint64_t balls;
  DO(micromint_mint_init(TEXT(path(folder, "mint.toml")), &period, NULL, &error));
  DO(micromint_mint_open(TEXT(path(folder, "mint.toml")), &it, &error));
  DO(micromint_mint_run(it, 0, 0, NULL, NULL, &balls, &error));
  DO(micromint_mint_params(it, &params, &error));
  DO(micromint_params_to_toml(params, &toml, &error));
  write_file(path(folder, "2026-12.params"), BYTES(toml));
  printf("minted %s\n", balls > 500 ? "a test period" : "too little");
  micromint_buffer_free(toml);
  micromint_params_free(params);
  micromint_mint_free(it);
}

/* In the web server: decides about a request, a GET without or a POST with a payment. */
static micromint_decision *ask(const micromint_paywall *paywall, const micromint_buffer *payment) {
  const micromint_header type = {TEXT("Content-Type"), TEXT("application/x-micromint")};
  micromint_request request;
  micromint_decision *decision;
  memset(&request, 0, sizeof request);
  request.method = (const uint8_t *)(payment ? "POST" : "GET");
  request.method_len = payment ? 4 : 3;
  request.target = (const uint8_t *)"/story";
  request.target_len = 6;
  request.is_https = 1;
  request.price = 1;
  if (payment != NULL) {
    request.headers = &type;
    request.headers_len = 1;
    request.body = micromint_buffer_data(payment);
    request.body_len = micromint_buffer_len(payment);
    request.is_body_read = 1;
  }
  DO(micromint_paywall_decide(paywall, &request, &decision, &error));
  return decision;
}

int main(int argc, char **argv) {
  static const char vendor[] =
      "vendor-id = \"news.example\"\norigins = [\"https://news.example\"]\nperiods = \".\"\ntill = \"till\"\n";
  const char *folder = argc == 2 ? argv[1] : ".";
  micromint_host host = {NULL, tell_time, NULL, NULL, NULL};
  micromint_policy policy = {1, 0, 0, 0, NULL}; /* pays one coin without asking */
  micromint_key secret, vendor_key;
  micromint_broker *broker;
  micromint_wallet *wallet;
  micromint_paywall *paywall;
  micromint_till *till;
  micromint_decision *refused, *served;
  micromint_buffer *sale, *payment, *batch, *result, *reason;
  micromint_received received;
  micromint_pay pay;
  micromint_batch paid;
  uint32_t coins, number;
  const uint8_t *offer, *outcome;
  size_t len;

  mint(folder);
  DO(micromint_secret_create(TEXT(path(folder, "secret")), NULL, &secret, &error));
  DO(micromint_broker_open(TEXT(path(folder, "2026-12.coins")), &secret, &host, &broker, &error));

  /* The broker sells a set; the client's wallet hashes every ball to check it. */
  DO(micromint_broker_sell(broker, TEXT("alice"), 1, 1, &sale, &reason, &error));
  DO(micromint_wallet_open(TEXT(path(folder, "wallet")), &host, &wallet, &error));
  DO(micromint_wallet_receive(wallet, BYTES(sale), &received, &coins, &reason, &error));
  printf("alice has %s\n", received == MICROMINT_RECEIVED_NEW && coins > 5 ? "coins" : "nothing");

  /* The vendor asks for a coin; the client pays; the page is served. */
  write_file(path(folder, "vendor.toml"), vendor, sizeof vendor - 1);
  DO(micromint_paywall_prepare(TEXT(path(folder, "vendor.toml")), &host, &error));
  DO(micromint_paywall_open(TEXT(path(folder, "vendor.toml")), &host, &paywall, &error));
  refused = ask(paywall, NULL);
  printf("without a payment: %u\n", (unsigned)micromint_decision_status(refused));
  DO(micromint_decision_body(refused, &offer, &len, &error));
  DO(micromint_wallet_pay(wallet, offer, len, TEXT("https://news.example/story"), TEXT("GET"), NULL, 0, &policy, &pay,
                          &number, &payment, &error));
  served = ask(paywall, payment);
  DO(micromint_wallet_record_outcome(wallet, number, micromint_decision_serves(served) ? 200 : 402, NULL, 0, &outcome, &len,
                             &error));
  printf("with a payment: %.*s\n", (int)len, (const char *)outcome);

  /* Ten minutes later the vendor sends its batch to the broker, and the broker pays. */
  now += 601;
  DO(micromint_broker_register(broker, TEXT("news.example"), &error));
  DO(micromint_vendor_key(&secret, TEXT("news.example"), &vendor_key, &error));
  DO(micromint_till_open(TEXT(path(folder, "vendor.toml")), &host, &till, &error));
  DO(micromint_till_make_batch(till, &vendor_key, NULL, 0, 0, &paid, &batch, &error));
  DO(micromint_broker_redeem(broker, BYTES(batch), &result, &reason, &error));
  DO(micromint_till_read_result(till, &vendor_key, BYTES(result), &paid, &error));
  printf("redeemed: %u of %u\n", (unsigned)paid.coins_paid, (unsigned)paid.coins);

  micromint_buffer_free(sale), micromint_buffer_free(payment), micromint_buffer_free(batch);
  micromint_buffer_free(result);
  micromint_decision_free(refused), micromint_decision_free(served);
  micromint_till_free(till);
  micromint_paywall_free(paywall);
  micromint_wallet_free(wallet);
  micromint_broker_free(broker);
  return 0;
}
