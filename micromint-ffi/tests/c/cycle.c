/* The whole cycle: mint, buy, pay for a page, redeem, return the other coins. argv[1] is a folder
   with the configurations of a mint and of a vendor. */
#include "broker.h"

static micromint_error *error;
static int64_t now = 1796904000; /* 2026-12-10T12:00:00Z */
static const uint8_t SECRET[MICROMINT_KEY_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};

static int64_t tell_time(void *userdata) {
  (void)userdata;
  return now;
}

static char *path(const char *folder, const char *name) {
  static char made[4096];
  snprintf(made, sizeof made, "%s/%s", folder, name);
  return made;
}

#define BYTES(buffer) micromint_buffer_data(buffer), micromint_buffer_len(buffer)

static int reason_is(micromint_buffer *reason, const char *piece) {
  char text[512];
  if (reason == NULL) return 0;
  snprintf(text, sizeof text, "%.*s", (int)micromint_buffer_len(reason), (const char *)micromint_buffer_data(reason));
  micromint_buffer_free(reason);
  if (strstr(text, piece) == NULL) fprintf(stderr, "reason: %s\n", text);
  return strstr(text, piece) != NULL;
}

/* The value of a header of a printed message. */
static int header_is(const uint8_t *printed, size_t printed_len, const char *name, const char *value) {
  micromint_message *message = NULL;
  const uint8_t *found;
  size_t len;
  int same;
  good(micromint_message_parse(printed, printed_len, &message, &error), error);
  good(micromint_message_header(message, TEXT(name), &found, &len, &error), error);
  same = equal(found, len, value);
  if (!same) fprintf(stderr, "%s: %.*s\n", name, (int)len, (const char *)found);
  micromint_message_free(message);
  return same;
}

static void buy(micromint_wallet *wallet) {
  micromint_received received = MICROMINT_RECEIVED_REFUSED;
  micromint_buffer *reason = NULL;
  uint32_t coins = 0;
  answer sale = broker_says("sell", now, "alice 7", NULL, 0);
  good(micromint_wallet_receive(wallet, sale.bytes, sale.len, &received, &coins, &reason, &error), error);
  CHECK(received == MICROMINT_RECEIVED_NEW && coins > 2 && reason == NULL);
  free(sale.bytes);
}

/* Pays one coin for a page. Returns the Payment message. */
static micromint_buffer *pay(micromint_wallet *wallet, const micromint_paywall *paywall) {
  micromint_request *request = request_for("/");
  micromint_policy *policy = micromint_policy_new(), *limited = micromint_policy_new();
  micromint_decision *decision = NULL;
  micromint_buffer *payment = NULL;
  micromint_pay what = MICROMINT_PAY_REFUSE;
  uint32_t number;
  const uint8_t *offer, *outcome;
  size_t len;
  good(micromint_paywall_decide(paywall, request, &decision, &error), error);
  good(micromint_decision_body(decision, &offer, &len, &error), error);
  good(micromint_wallet_pay(wallet, offer, len, TEXT("https://elsewhere.example/"), TEXT("GET"), NULL, 0, policy,
                            &what, &number, &payment, &error), error);
  CHECK(what == MICROMINT_PAY_REFUSE && micromint_buffer_len(payment) > 0);
  micromint_buffer_free(payment);
  micromint_policy_set_autopay(policy, 1);
  micromint_policy_set_autopay(limited, 1);
  micromint_policy_set_daily_limit(limited, 0);
  good(micromint_wallet_pay(wallet, offer, len, TEXT("https://news.example/"), TEXT("GET"), NULL, 0, limited, &what,
                            &number, &payment, &error), error);
  CHECK(what == MICROMINT_PAY_REFUSE && reason_is(payment, "limit"));
  good(micromint_wallet_pay(wallet, offer, len, TEXT("https://news.example/"), TEXT("GET"), NULL, 0, policy, &what,
                            &number, &payment, &error), error);
  CHECK(what == MICROMINT_PAY_SEND);
  micromint_decision_free(decision);

  micromint_request_set_method(request, TEXT("POST"));
  micromint_request_add_header(request, TEXT("Content-Type"), TEXT("application/x-micromint"));
  micromint_request_set_body(request, BYTES(payment));
  good(micromint_paywall_decide(paywall, request, &decision, &error), error);
  CHECK(micromint_decision_serves(decision) && micromint_decision_coins(decision) == 1);
  good(micromint_wallet_record_outcome(wallet, number, 200, TEXT("paid"), &outcome, &len, &error), error);
  CHECK(equal(outcome, len, "paid"));
  micromint_decision_free(decision);
  micromint_request_free(request);
  micromint_policy_free(policy);
  micromint_policy_free(limited);
  return payment;
}

/* Whether a text is as expected; frees it. */
static int text_is(micromint_buffer *text, const char *expected) {
  int same = equal(BYTES(text), expected);
  micromint_buffer_free(text);
  return same;
}

/* The till lists its one batch, which was paid. */
static void list_batches(const micromint_till *till, answer result) {
  micromint_batch_list *list = NULL;
  micromint_batch *batch = NULL, *none = NULL;
  const uint8_t *id, *period;
  size_t id_len, period_len;
  char name[128];
  good(micromint_till_batches(till, &list, &error), error);
  CHECK(micromint_batch_list_count(list) == 1);
  CHECK(micromint_batch_list_batch(list, 1, &none, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no batch 1: there are 1") && none == NULL);
  good(micromint_batch_list_batch(list, 0, &batch, &error), error);
  micromint_batch_list_free(list);
  good(micromint_batch_id(batch, &id, &id_len, &error), error);
  good(micromint_batch_period(batch, &period, &period_len, &error), error);
  CHECK(equal(period, period_len, "2026-12") && micromint_batch_is_answered(batch));
  CHECK(micromint_batch_coins_paid(batch) == 1);
  snprintf(name, sizeof name, "%.*s", (int)id_len, (const char *)id);
  CHECK(header_is(result.bytes, result.len, "Batch-ID", name));
  micromint_batch_free(batch);
}

/* The next batch, and its message; NULL if there is nothing to redeem. */
static micromint_batch *next_batch(const micromint_till *till, const uint8_t *key, const char *period, uint32_t max,
                                   micromint_buffer **message) {
  micromint_batch *batch = NULL;
  good(micromint_till_make_batch(till, key, MICROMINT_KEY_SIZE, TEXT(period), max, &batch, message, &error), error);
  CHECK((batch == NULL) == (*message == NULL));
  return batch;
}

/* The broker redeems the vendor's batch, and the till reads the result. */
static void redeem(const micromint_till *till) {
  micromint_buffer *message = NULL, *again = NULL;
  micromint_batch *batch, *same, *answered = NULL;
  answer refused, result;
  uint8_t key[MICROMINT_KEY_SIZE];
  uint64_t payments, coins, young, removed;
  good(micromint_vendor_key(SECRET, sizeof SECRET, TEXT("news.example"), key, &error), error);
  CHECK(next_batch(till, key, "", 0, &message) == NULL);
  good(micromint_till_unbatched(till, TEXT("2026-12"), &payments, &coins, &young, &error), error);
  CHECK(payments == 0 && coins == 0 && young == 1);
  now += 601; /* a payment can be reversed for ten minutes */
  good(micromint_till_unbatched(till, TEXT("2026-12"), &payments, &coins, &young, &error), error);
  CHECK(payments == 1 && coins == 1 && young == 0);
  good(micromint_till_periods(till, &again, &error), error);
  CHECK(text_is(again, "2026-12\n"));
  CHECK(next_batch(till, key, "2027-01", 0, &message) == NULL);
  batch = next_batch(till, key, "2026-12", 1, &message);
  CHECK(batch != NULL && micromint_batch_payments(batch) == 1 && micromint_batch_coins(batch) == 1);
  CHECK(micromint_batch_made_at(batch) == now && !micromint_batch_is_answered(batch));
  CHECK(micromint_batch_redeem_until(batch) == 1799366400);
  same = next_batch(till, key, "", 0, &again);
  CHECK(micromint_buffer_len(again) == micromint_buffer_len(message));
  micromint_batch_free(same);
  micromint_buffer_free(again);

  refused = ask_broker("redeem", now, "", BYTES(message));
  CHECK(strcmp(refused.kind, "refused") == 0 && strstr((char *)refused.bytes, "news.example is not registered") != NULL);
  free(refused.bytes);
  free(broker_says("register", now, "news.example", NULL, 0).bytes);
  result = broker_says("redeem", now, "", BYTES(message));
  CHECK(header_is(result.bytes, result.len, "Accepted", "1") && header_is(result.bytes, result.len, "Rejected", "0"));

  CHECK(micromint_till_read_result(till, key, sizeof key, BYTES(message), &answered, &error) == MICROMINT_ERROR_MESSAGE);
  micromint_error_free(error);
  /* Only who has the vendor key can answer. */
  key[0] ^= 1;
  CHECK(micromint_till_read_result(till, key, sizeof key, result.bytes, result.len, &answered, &error)
        == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "not the broker's answer to this batch") && answered == NULL);
  key[0] ^= 1;
  good(micromint_till_read_result(till, key, sizeof key, result.bytes, result.len, &answered, &error), error);
  CHECK(micromint_batch_is_answered(answered) && micromint_batch_coins_paid(answered) == 1);
  CHECK(micromint_batch_coins_waiting(answered) == 0);
  /* What was read before stays as it was. */
  CHECK(!micromint_batch_is_answered(batch) && micromint_batch_coins_paid(batch) == 0);
  CHECK(next_batch(till, key, "", 0, &again) == NULL);
  list_batches(till, result);
  good(micromint_till_periods(till, &again, &error), error);
  CHECK(text_is(again, ""));
  good(micromint_till_prune(till, &removed, &error), error);
  CHECK(removed == 0);
  micromint_batch_free(batch);
  micromint_batch_free(answered);
  micromint_buffer_free(message);
  free(result.bytes);
}

/* The broker invites the user to a return. The wallet accepts that only from the broker that
   sold the coins. */
static void invite(const micromint_wallet *wallet) {
  answer message = broker_says("invite", now, "alice https://broker.example/return", NULL, 0);
  size_t holding = 7;
  good(micromint_wallet_invited(wallet, message.bytes, message.len, &holding, &error), error);
  CHECK(holding == 0);
  free(message.bytes);
  message = broker_says("invite", now, "alice https://elsewhere.example/", NULL, 0);
  CHECK(micromint_wallet_invited(wallet, message.bytes, message.len, &holding, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "https://elsewhere.example"));
  free(message.bytes);
  CHECK(micromint_wallet_invited(wallet, TEXT("x"), &holding, NULL) == MICROMINT_ERROR_MESSAGE);
}

/* The first return of a wallet. */
static micromint_past_return *first_return(const micromint_wallet *wallet) {
  micromint_past_return *back = NULL;
  good(micromint_wallet_past_return(wallet, 0, &back, &error), error);
  return back;
}

static void give_back(micromint_wallet *wallet) {
  answer credit;
  uint8_t *forged;
  char *digit, id[128];
  const uint8_t *text;
  size_t len;
  micromint_buffer *request = NULL;
  micromint_past_return *back;
  good(micromint_wallet_return(wallet, 0, &request, &error), error);
  credit = broker_says("take-back", now, "11", BYTES(request));
  CHECK(header_is(credit.bytes, credit.len, "User-ID", "alice") && header_is(BYTES(request), "User-ID", "alice"));
  back = first_return(wallet);
  CHECK(micromint_past_return_coins(back) > 0 && !micromint_past_return_is_answered(back));
  CHECK(micromint_past_return_waiting(back) == micromint_past_return_coins(back));
  CHECK(micromint_past_return_at(back) == now && micromint_past_return_holding(back) == 0);
  good(micromint_past_return_request(back, &text, &len, &error), error);
  snprintf(id, sizeof id, "%.*s", (int)len, (const char *)text);
  CHECK(header_is(BYTES(request), "Request-ID", id));
  micromint_past_return_free(back);
  forged = malloc(credit.len + 1);
  memcpy(forged, credit.bytes, credit.len + 1);
  /* One digit of the Authenticator. */
  digit = strstr((char *)forged, "Authenticator: ") + strlen("Authenticator: ");
  *digit = *digit == '0' ? '1' : '0';
  CHECK(micromint_wallet_credit(wallet, forged, credit.len, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "the message is not the answer of https://broker.example/"));
  free(forged);
  good(micromint_wallet_credit(wallet, credit.bytes, credit.len, &error), error);
  back = first_return(wallet);
  CHECK(micromint_past_return_is_answered(back) && micromint_past_return_transaction(back) == 11);
  CHECK(micromint_past_return_waiting(back) == micromint_past_return_coins(back));
  CHECK(micromint_past_return_credited(back) == 0);
  micromint_past_return_free(back);
  good(micromint_wallet_credit(wallet, credit.bytes, credit.len, &error), error);
  micromint_buffer_free(request);
  free(credit.bytes);
}

int main(int argc, char **argv) {
  micromint_host *host = micromint_host_new();
  micromint_mint *mint = NULL;
  micromint_wallet *wallet = NULL;
  micromint_paywall *paywall = NULL;
  micromint_till *till = NULL;
  micromint_buffer *payment;
  uint64_t balls = 0;
  CHECK(argc == 2);
  micromint_host_set_now(host, tell_time, NULL);
  good(micromint_mint_open(TEXT(path(argv[1], "mint.toml")), &mint, &error), error);
  good(micromint_mint_run(mint, 1, 0, NULL, NULL, &balls, &error), error);
  good(micromint_wallet_open(TEXT(path(argv[1], "wallet")), host, &wallet, &error), error);
  CHECK(micromint_till_open(TEXT(path(argv[1], "vendor.toml")), host, &till, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "till") && till == NULL);
  good(micromint_paywall_prepare(TEXT(path(argv[1], "vendor.toml")), host, &error), error);
  good(micromint_paywall_open(TEXT(path(argv[1], "vendor.toml")), host, &paywall, &error), error);

  buy(wallet);
  payment = pay(wallet, paywall);
  good(micromint_till_open(TEXT(path(argv[1], "vendor.toml")), host, &till, &error), error);
  /* What was opened with the host keeps its clock. */
  micromint_host_free(host);
  redeem(till);
  now = 1798848000; /* 2027-01-02T00:00:00Z: the period has ended */
  invite(wallet);
  give_back(wallet);

  micromint_buffer_free(payment);
  micromint_till_free(till);
  micromint_paywall_free(paywall);
  micromint_wallet_free(wallet);
  micromint_mint_free(mint);
  return 0;
}
