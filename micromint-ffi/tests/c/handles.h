/* One valid object of every opaque type, for the program that tests/c/nulls.rs generates. */
#ifndef HANDLES_H
#define HANDLES_H
#include "check.h"

static micromint_params *h_micromint_params;
static micromint_checker *h_micromint_checker;
static micromint_message *h_micromint_message;
static micromint_buffer *h_micromint_buffer;
static micromint_error *h_micromint_error;
static const micromint_key some_key, *h_micromint_key = &some_key;
static const micromint_owner_token some_token, *h_micromint_owner_token = &some_token;

static micromint_paywall *h_micromint_paywall;
static micromint_decision *h_micromint_decision;
static micromint_request request, *h_micromint_request = &request;
static micromint_host host, *h_micromint_host = &host;

static micromint_header one_header, *h_micromint_header = &one_header;
static micromint_head *h_micromint_head;
static micromint_challenge *h_micromint_challenge;
static micromint_till *h_micromint_till;
static micromint_batch_list *h_micromint_batch_list;
static micromint_new_period new_period, *h_micromint_new_period = &new_period;

static micromint_mint *h_micromint_mint;
static micromint_wallet *h_micromint_wallet;
static micromint_broker *h_micromint_broker;
static micromint_policy policy, *h_micromint_policy = &policy;

/* folder: contains a mint.toml and a vendor.toml. */
static void make_handles(const char *folder) {
  char config[4096];
  micromint_error *error = NULL;
  uint64_t hash;
  h_micromint_params = period();
  h_micromint_checker = checker();
  good(micromint_params_to_toml(h_micromint_params, &h_micromint_buffer, &error), error);
  good(micromint_message_parse(
           TEXT("MicroMint-1.0\nRequest-Payment\nURL: https://news.example/\nPrice: 2\nVendor-ID: news.example\n"
                "Period: 2026-12\nBroker: https://broker.example/\nCoin-Value: 0.01 USD\nEnd-MicroMint\n"),
           &h_micromint_message, &error), error);
  snprintf(config, sizeof config, "%s/vendor.toml", folder);
  good(micromint_paywall_prepare(TEXT(config), &host, &error), error);
  good(micromint_paywall_open(TEXT(config), &host, &h_micromint_paywall, &error), error);
  good(micromint_till_open(TEXT(config), &host, &h_micromint_till, &error), error);
  good(micromint_till_batches(h_micromint_till, &h_micromint_batch_list, &error), error);
  good(micromint_challenge_parse(
           TEXT("Payment id=\"i\", realm=\"news.example\", method=\"micromint\", intent=\"charge\", "
                "request=\"" CHARGE_REQUEST "\""), &h_micromint_challenge, &error), error);
  good(micromint_paywall_decide(h_micromint_paywall, &request, &h_micromint_decision, &error), error);
  good(micromint_decision_head(h_micromint_decision, 200, false, NULL, 0, &h_micromint_head, &error), error);
  snprintf(config, sizeof config, "%s/mint.toml", folder);
  good(micromint_mint_open(TEXT(config), &h_micromint_mint, &error), error);
  good(micromint_mint_run(h_micromint_mint, 1, 0, NULL, NULL, &hash, &error), error);
  snprintf(config, sizeof config, "%s/2026-12.coins", folder);
  good(micromint_broker_open(TEXT(config), &some_key, &host, &h_micromint_broker, &error), error);
  snprintf(config, sizeof config, "%s/wallet", folder);
  good(micromint_wallet_open(TEXT(config), &host, &h_micromint_wallet, &error), error);
  CHECK(micromint_hash(h_micromint_params, UINT64_MAX, &hash, &h_micromint_error) == MICROMINT_ERROR_ARGUMENT);
}

static void free_handles(void) {
  /* Not every program uses all. */
  (void)h_micromint_key, (void)h_micromint_owner_token, (void)h_micromint_request, (void)h_micromint_host;
  (void)h_micromint_header, (void)h_micromint_new_period, (void)h_micromint_policy;
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
  micromint_mint_free(h_micromint_mint);
  micromint_wallet_free(h_micromint_wallet);
  micromint_broker_free(h_micromint_broker);
  micromint_error_free(h_micromint_error);
}
#endif
