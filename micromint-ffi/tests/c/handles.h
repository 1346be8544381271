/* One valid object of every opaque type, for the programs that tests/c/nulls.rs generates. */
#ifndef HANDLES_H
#define HANDLES_H
#include "check.h"

static micromint_params *h_micromint_params;
static micromint_checker *h_micromint_checker;
static micromint_message *h_micromint_message;
static micromint_buffer *h_micromint_buffer;
static micromint_error *h_micromint_error;
static const uint8_t some_key[MICROMINT_KEY_SIZE];

static micromint_host *h_micromint_host;
static micromint_request *h_micromint_request;
static micromint_fields *h_micromint_fields;
static micromint_policy *h_micromint_policy;
static micromint_period_options *h_micromint_period_options;

static micromint_paywall *h_micromint_paywall;
static micromint_decision *h_micromint_decision;
static micromint_head *h_micromint_head;
static micromint_challenge *h_micromint_challenge;
static micromint_till *h_micromint_till;
static micromint_batch_list *h_micromint_batch_list;
static micromint_batch *h_micromint_batch;

static micromint_mint *h_micromint_mint;
static micromint_mint_state *h_micromint_mint_state;
static micromint_plan *h_micromint_plan;

static micromint_wallet *h_micromint_wallet;
static micromint_holding *h_micromint_holding;
static micromint_past_sale *h_micromint_past_sale;
static micromint_past_payment *h_micromint_past_payment;
static micromint_past_return *h_micromint_past_return;

/* The time of the objects. */
static int64_t h_now;

static int64_t h_tell_time(void *userdata) {
  (void)userdata;
  return h_now;
}

static const uint8_t *read_file(const char *path, size_t *len) {
  static uint8_t bytes[65536];
  FILE *file = fopen(path, "rb");
  CHECK(file != NULL);
  *len = fread(bytes, 1, sizeof bytes, file);
  CHECK(fclose(file) == 0 && *len < sizeof bytes);
  return bytes;
}

/* A wallet that bought sets, paid with some coins and returned the others. */
static void make_wallet(const char *folder) {
  char path[4096];
  micromint_error *error = NULL;
  micromint_received received = MICROMINT_RECEIVED_REFUSED;
  micromint_pay what = MICROMINT_PAY_REFUSE;
  micromint_buffer *offer = NULL, *message = NULL;
  const uint8_t *sale;
  size_t len;
  uint32_t number;
  snprintf(path, sizeof path, "%s/wallet", folder);
  good(micromint_wallet_open(TEXT(path), h_micromint_host, &h_micromint_wallet, &error), error);
  snprintf(path, sizeof path, "%s/sale", folder);
  sale = read_file(path, &len);
  good(micromint_wallet_receive(h_micromint_wallet, sale, len, &received, &number, &message, &error), error);
  CHECK(received == MICROMINT_RECEIVED_NEW && message == NULL);
  good(micromint_message_print(h_micromint_message, &offer, &error), error);
  good(micromint_wallet_pay(h_micromint_wallet, micromint_buffer_data(offer), micromint_buffer_len(offer),
                            TEXT("https://news.example/"), TEXT("GET"), NULL, 0, h_micromint_policy, &what, &number,
                            &message, &error), error);
  CHECK(what == MICROMINT_PAY_SEND);
  micromint_buffer_free(offer);
  micromint_buffer_free(message);
  h_now = 1798848000; /* 2027-01-02T00:00:00Z */
  good(micromint_wallet_return(h_micromint_wallet, 0, &message, &error), error);
  micromint_buffer_free(message);
  h_now = 1796904000;
  good(micromint_wallet_holding(h_micromint_wallet, 0, &h_micromint_holding, &error), error);
  good(micromint_wallet_past_sale(h_micromint_wallet, 0, &h_micromint_past_sale, &error), error);
  good(micromint_wallet_past_payment(h_micromint_wallet, 0, &h_micromint_past_payment, &error), error);
  good(micromint_wallet_past_return(h_micromint_wallet, 0, &h_micromint_past_return, &error), error);
}

/* A till with a batch: a payment that can no longer be reversed. `payment` is the value of its header
   field. */
static void make_batch(const char *target, const char *payment) {
  micromint_request *request = request_for(target);
  micromint_decision *decision = NULL;
  micromint_error *error = NULL;
  micromint_buffer *message = NULL;
  micromint_request_add_header(request, TEXT("MicroMint-Payment"), TEXT(payment));
  good(micromint_paywall_decide(h_micromint_paywall, request, &decision, &error), error);
  CHECK(micromint_decision_coins(decision) == 1);
  micromint_decision_free(decision);
  micromint_request_free(request);
  h_now += 601;
  good(micromint_till_make_batch(h_micromint_till, some_key, sizeof some_key, NULL, 0, 0, &h_micromint_batch, &message,
                                 &error), error);
  CHECK(h_micromint_batch != NULL);
  micromint_buffer_free(message);
  h_now -= 601;
}

/* folder: contains a mint.toml, a vendor.toml and a sale. */
static void make_handles(const char *folder) {
  char config[4096];
  micromint_error *error = NULL;
  micromint_buffer *warnings = NULL;
  uint64_t hash;
  h_now = 1796904000; /* 2026-12-10T12:00:00Z */
  h_micromint_host = micromint_host_new();
  micromint_host_set_now(h_micromint_host, h_tell_time, NULL);
  h_micromint_request = micromint_request_new();
  h_micromint_fields = micromint_fields_new();
  micromint_fields_add(h_micromint_fields, TEXT("Vary"), TEXT("Accept"));
  h_micromint_policy = micromint_policy_new();
  micromint_policy_set_autopay(h_micromint_policy, 2);
  h_micromint_period_options = micromint_period_options_new();
  h_micromint_params = period();
  h_micromint_checker = checker();
  good(micromint_params_to_toml(h_micromint_params, &h_micromint_buffer, &error), error);
  good(micromint_message_parse(
           TEXT("MicroMint-1.0\nRequest-Payment\nURL: https://news.example/\nPrice: 2\nVendor-ID: news.example\n"
                "Period: 2026-12\nBroker: https://broker.example/\nCoin-Value: 0.01 USD\nEnd-MicroMint\n"),
           &h_micromint_message, &error), error);
  snprintf(config, sizeof config, "%s/vendor.toml", folder);
  good(micromint_paywall_prepare(TEXT(config), h_micromint_host, &error), error);
  good(micromint_paywall_open(TEXT(config), h_micromint_host, &h_micromint_paywall, &error), error);
  good(micromint_till_open(TEXT(config), h_micromint_host, &h_micromint_till, &error), error);
  good(micromint_till_batches(h_micromint_till, &h_micromint_batch_list, &error), error);
  good(micromint_challenge_parse(
           TEXT("Payment id=\"i\", realm=\"news.example\", method=\"micromint\", intent=\"charge\", "
                "request=\"" CHARGE_REQUEST "\""), &h_micromint_challenge, &error), error);
  good(micromint_paywall_decide(h_micromint_paywall, h_micromint_request, &h_micromint_decision, &error), error);
  good(micromint_decision_head(h_micromint_decision, 200, false, NULL, &h_micromint_head, &error), error);
  snprintf(config, sizeof config, "%s/mint.toml", folder);
  good(micromint_mint_open(TEXT(config), &h_micromint_mint, &error), error);
  good(micromint_mint_run(h_micromint_mint, 1, 0, NULL, NULL, &hash, &error), error);
  good(micromint_mint_inspect(h_micromint_mint, &h_micromint_mint_state, &error), error);
  good(micromint_mint_plan(h_micromint_mint, &h_micromint_plan, &warnings, &error), error);
  micromint_buffer_free(warnings);
  make_wallet(folder);
  CHECK(micromint_hash(h_micromint_params, UINT64_MAX, &hash, &h_micromint_error) == MICROMINT_ERROR_ARGUMENT);
}

static void free_handles(void) {
  /* Not every program uses all. */
  (void)make_batch;
  micromint_host_free(h_micromint_host);
  micromint_request_free(h_micromint_request);
  micromint_fields_free(h_micromint_fields);
  micromint_policy_free(h_micromint_policy);
  micromint_period_options_free(h_micromint_period_options);
  micromint_params_free(h_micromint_params);
  micromint_checker_free(h_micromint_checker);
  micromint_buffer_free(h_micromint_buffer);
  micromint_message_free(h_micromint_message);
  micromint_challenge_free(h_micromint_challenge);
  micromint_decision_free(h_micromint_decision);
  micromint_paywall_free(h_micromint_paywall);
  micromint_head_free(h_micromint_head);
  micromint_till_free(h_micromint_till);
  micromint_batch_list_free(h_micromint_batch_list);
  micromint_batch_free(h_micromint_batch);
  micromint_mint_free(h_micromint_mint);
  micromint_mint_state_free(h_micromint_mint_state);
  micromint_plan_free(h_micromint_plan);
  micromint_wallet_free(h_micromint_wallet);
  micromint_holding_free(h_micromint_holding);
  micromint_past_sale_free(h_micromint_past_sale);
  micromint_past_payment_free(h_micromint_past_payment);
  micromint_past_return_free(h_micromint_past_return);
  micromint_error_free(h_micromint_error);
}
#endif
