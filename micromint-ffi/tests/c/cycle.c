/* The whole cycle: mint, sell, pay for a page, redeem, return the other coins, settle. argv[1]
   is a folder with the configurations of a mint and of a vendor. */
#include "check.h"

static micromint_error *error;
static int64_t now = 1796904000; /* 2026-12-10T12:00:00Z */
static const micromint_key SECRET = {{1, 2, 3, 4, 5, 6, 7, 8}};

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
static int header_is(const micromint_buffer *printed, const char *name, const char *value) {
  micromint_message *message = NULL;
  const uint8_t *found;
  size_t len;
  int same;
  good(micromint_message_parse(micromint_buffer_data(printed), micromint_buffer_len(printed), &message, &error),
       error);
  good(micromint_message_header(message, TEXT(name), &found, &len, &error), error);
  same = equal(found, len, value);
  if (!same) fprintf(stderr, "%s: %.*s\n", name, (int)len, (const char *)found);
  micromint_message_free(message);
  return same;
}

static micromint_buffer *sell(micromint_broker *broker, micromint_wallet *wallet) {
  micromint_buffer *sale = NULL, *again = NULL, *reason = NULL;
  micromint_received received = MICROMINT_RECEIVED_REFUSED;
  uint32_t coins = 0;
  uint64_t left = micromint_broker_sets_left(broker);
  good(micromint_broker_sell(broker, TEXT("alice"), 0, 7, &sale, &reason, &error), error);
  CHECK(sale == NULL && reason_is(reason, "sets"));
  good(micromint_broker_sell(broker, TEXT("alice"), 1, 7, &sale, &reason, &error), error);
  CHECK(sale != NULL && reason == NULL && micromint_broker_sets_left(broker) == left - 1);
  good(micromint_broker_sell(broker, TEXT("alice"), 1, 7, &again, &reason, &error), error);
  CHECK(micromint_buffer_len(again) == micromint_buffer_len(sale) && micromint_broker_sets_left(broker) == left - 1);
  micromint_buffer_free(again);
  good(micromint_broker_sell_again(broker, TEXT("alice"), 7, &again, &reason, &error), error);
  CHECK(micromint_buffer_len(again) == micromint_buffer_len(sale) && reason == NULL);
  micromint_buffer_free(again);
  good(micromint_broker_sell_again(broker, TEXT("bob"), 7, &again, &reason, &error), error);
  CHECK(again == NULL && reason_is(reason, "transaction 7 is not a sale to bob"));
  CHECK(micromint_broker_sell(broker, TEXT("a b"), 1, 8, &again, &reason, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "User-ID"));
  good(micromint_wallet_receive(wallet, micromint_buffer_data(sale), micromint_buffer_len(sale), &received, &coins,
                                &reason, &error), error);
  CHECK(received == MICROMINT_RECEIVED_NEW && coins > 2);
  return sale;
}

/* Pays one coin for a page. Returns the Payment message. */
static micromint_buffer *pay(micromint_wallet *wallet, const micromint_paywall *paywall) {
  micromint_request request;
  micromint_header header;
  micromint_policy policy;
  micromint_decision *decision = NULL;
  micromint_buffer *payment = NULL;
  micromint_pay what = MICROMINT_PAY_REFUSE;
  uint32_t number;
  const uint8_t *offer, *outcome;
  size_t len;
  memset(&request, 0, sizeof request);
  memset(&policy, 0, sizeof policy);
  request.method = (const uint8_t *)"GET";
  request.method_len = 3;
  request.target = (const uint8_t *)"/";
  request.target_len = 1;
  request.is_https = 1;
  request.price = 1;
  good(micromint_paywall_decide(paywall, &request, &decision, &error), error);
  good(micromint_decision_body(decision, &offer, &len, &error), error);
  good(micromint_wallet_pay(wallet, offer, len, TEXT("https://elsewhere.example/"), TEXT("GET"), NULL, 0, &policy,
                            &what, &number, &payment, &error), error);
  CHECK(what == MICROMINT_PAY_REFUSE && micromint_buffer_len(payment) > 0);
  micromint_buffer_free(payment);
  policy.autopay = 1;
  policy.has_daily_limit = 1;
  good(micromint_wallet_pay(wallet, offer, len, TEXT("https://news.example/"), TEXT("GET"), NULL, 0, &policy, &what,
                            &number, &payment, &error), error);
  CHECK(what == MICROMINT_PAY_REFUSE && reason_is(payment, "limit"));
  policy.has_daily_limit = 0;
  good(micromint_wallet_pay(wallet, offer, len, TEXT("https://news.example/"), TEXT("GET"), NULL, 0, &policy, &what,
                            &number, &payment, &error), error);
  CHECK(what == MICROMINT_PAY_SEND);
  micromint_decision_free(decision);

  header.name = (const uint8_t *)"Content-Type";
  header.name_len = 12;
  header.value = (const uint8_t *)"application/x-micromint";
  header.value_len = 23;
  request.headers = &header;
  request.headers_len = 1;
  request.method = (const uint8_t *)"POST";
  request.method_len = 4;
  request.body = micromint_buffer_data(payment);
  request.body_len = micromint_buffer_len(payment);
  request.is_body_read = 1;
  good(micromint_paywall_decide(paywall, &request, &decision, &error), error);
  CHECK(micromint_decision_serves(decision) && micromint_decision_coins(decision) == 1);
  good(micromint_wallet_record_outcome(wallet, number, 200, TEXT("paid"), &outcome, &len, &error), error);
  CHECK(equal(outcome, len, "paid"));
  micromint_decision_free(decision);
  return payment;
}

/* Whether a text is as expected; frees it. */
static int text_is(micromint_buffer *text, const char *expected) {
  int same = equal(BYTES(text), expected);
  micromint_buffer_free(text);
  return same;
}

/* Whether a text has this beginning and end; frees it. */
static int text_between(micromint_buffer *text, const char *first, const char *last) {
  const char *bytes = (const char *)micromint_buffer_data(text);
  size_t len = micromint_buffer_len(text), first_len = strlen(first), last_len = strlen(last);
  int is = len >= first_len + last_len && memcmp(bytes, first, first_len) == 0
           && memcmp(bytes + len - last_len, last, last_len) == 0;
  if (!is) fprintf(stderr, "%.*s\n", (int)len, bytes);
  micromint_buffer_free(text);
  return is;
}

/* The till lists its one batch, which was paid. */
static void list_batches(const micromint_till *till, const micromint_buffer *result) {
  micromint_batch_list *list = NULL;
  micromint_batch batch;
  const uint8_t *id, *period;
  size_t id_len, period_len;
  char name[128];
  good(micromint_till_batches(till, &list, &error), error);
  CHECK(micromint_batch_list_count(list) == 1);
  good(micromint_batch_list_batch(list, 0, &id, &id_len, &period, &period_len, &batch, &error), error);
  CHECK(equal(period, period_len, "2026-12") && batch.is_answered && batch.coins_paid == 1);
  snprintf(name, sizeof name, "%.*s", (int)id_len, (const char *)id);
  CHECK(header_is(result, "Batch-ID", name));
  CHECK(micromint_batch_list_batch(list, 1, &id, &id_len, &period, &period_len, &batch, &error)
        == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no batch 1: there are 1"));
  micromint_batch_list_free(list);
}

/* The broker redeems the vendor's batch, and the till reads the result. */
static void redeem(micromint_broker *broker, const micromint_till *till) {
  micromint_buffer *batch = NULL, *again = NULL, *result = NULL, *reason = NULL;
  micromint_batch what;
  micromint_key key;
  uint64_t payments, coins, young, removed;
  good(micromint_vendor_key(&SECRET, TEXT("news.example"), &key, &error), error);
  good(micromint_till_make_batch(till, &key, NULL, 0, 0, &what, &batch, &error), error);
  CHECK(batch == NULL && what.coins == 0);
  good(micromint_till_unbatched(till, TEXT("2026-12"), &payments, &coins, &young, &error), error);
  CHECK(payments == 0 && coins == 0 && young == 1);
  now += 601; /* a payment can be reversed for ten minutes */
  good(micromint_till_unbatched(till, TEXT("2026-12"), &payments, &coins, &young, &error), error);
  CHECK(payments == 1 && coins == 1 && young == 0);
  good(micromint_till_periods(till, &again, &error), error);
  CHECK(text_is(again, "2026-12\n"));
  good(micromint_till_make_batch(till, &key, TEXT("2027-01"), 0, &what, &batch, &error), error);
  CHECK(batch == NULL);
  good(micromint_till_make_batch(till, &key, TEXT("2026-12"), 1, &what, &batch, &error), error);
  CHECK(batch != NULL && what.payments == 1 && what.coins == 1 && what.made_at == now && !what.is_answered);
  CHECK(what.redeem_until == 1799366400);
  good(micromint_till_make_batch(till, &key, NULL, 0, 0, &what, &again, &error), error);
  CHECK(micromint_buffer_len(again) == micromint_buffer_len(batch));
  micromint_buffer_free(again);

  CHECK(micromint_broker_redeem(broker, TEXT("x"), &result, &reason, &error) == MICROMINT_ERROR_MESSAGE);
  CHECK(says(error, MICROMINT_ERROR_MESSAGE, ""));
  good(micromint_broker_redeem(broker, BYTES(batch), &result, &reason, &error), error);
  CHECK(result == NULL && reason_is(reason, "news.example is not registered"));
  good(micromint_broker_register(broker, TEXT("news.example"), &error), error);
  good(micromint_broker_redeem(broker, BYTES(batch), &result, &reason, &error), error);
  CHECK(result != NULL && reason == NULL);
  CHECK(header_is(result, "Accepted", "1") && header_is(result, "Rejected", "0"));

  CHECK(micromint_till_read_result(till, &key, BYTES(batch), &what, &error) == MICROMINT_ERROR_MESSAGE);
  micromint_error_free(error);
  /* Only who has the vendor key can answer. */
  key.bytes[0] ^= 1;
  CHECK(micromint_till_read_result(till, &key, BYTES(result), &what, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "not the broker's answer to this batch"));
  key.bytes[0] ^= 1;
  good(micromint_till_read_result(till, &key, BYTES(result), &what, &error), error);
  CHECK(what.is_answered && what.coins_paid == 1 && what.coins_waiting == 0);
  good(micromint_till_make_batch(till, &key, NULL, 0, 0, &what, &again, &error), error);
  CHECK(again == NULL);
  list_batches(till, result);
  good(micromint_till_periods(till, &again, &error), error);
  CHECK(text_is(again, ""));
  good(micromint_broker_rejected_coins(broker, BYTES(batch), BYTES(result), &again, &error), error);
  CHECK(text_is(again, "")); /* all coins were paid */
  good(micromint_till_prune(till, &removed, &error), error);
  CHECK(removed == 0);
  micromint_buffer_free(batch);
  micromint_buffer_free(result);
}

static void read_books(micromint_broker *broker) {
  micromint_user_account user;
  micromint_vendor_account vendor;
  micromint_broker_counts counts;
  micromint_buffer *text = NULL;
  CHECK(micromint_broker_user_account(broker, TEXT("nobody"), &user, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "nobody"));
  good(micromint_broker_user_account(broker, TEXT("alice"), &user, &error), error);
  CHECK(user.sales == 1 && user.coins_sold > 2 && user.returns == 0 && user.coins_credited == 0 && !user.is_revoked);
  CHECK(micromint_broker_vendor_account(broker, TEXT("shop.example"), &vendor, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "shop.example"));
  good(micromint_broker_vendor_account(broker, TEXT("news.example"), &vendor, &error), error);
  CHECK(vendor.batches == 1 && vendor.coins_paid == 1 && vendor.coins_waiting == 0 && vendor.registered_at == now);
  good(micromint_broker_count(broker, &counts, &error), error);
  CHECK(counts.sales == 1 && counts.sets_sold == 1 && counts.sets_left == 31 && counts.vendors == 1);
  CHECK(counts.batches == 1 && counts.coins_paid == 1 && counts.forged == 0 && !counts.is_settled);
  good(micromint_broker_vendors(broker, &text, &error), error);
  CHECK(text_is(text, "news.example\n"));
  good(micromint_broker_offenders(broker, &text, &error), error);
  CHECK(text_is(text, ""));
  good(micromint_broker_owners(broker, TEXT("news.example"), &text, &error), error);
  CHECK(micromint_buffer_len(text) == 256 + 8 * 1);
  micromint_buffer_free(text);
  good(micromint_broker_revoke(broker, TEXT("mallory"), &text, &error), error);
  CHECK(text_is(text, "mallory\n"));
  good(micromint_broker_user_records(broker, TEXT("alice"), &text, &error), error);
  CHECK(text_is(text, "sale 2026-12-10T12:00:00Z 7 1\n"));
  CHECK(micromint_broker_user_records(broker, TEXT("bob"), &text, NULL) == MICROMINT_ERROR_ABSENT);
  good(micromint_broker_vendor_records(broker, TEXT("news.example"), &text, &error), error);
  CHECK(text_between(text, "batch 2026-12-10T12:10:01Z ", " 1 1 0 0\n"));
  CHECK(micromint_broker_vendor_records(broker, TEXT("a.example"), &text, NULL) == MICROMINT_ERROR_ABSENT);
}

/* Compromised balls are not sold, and a sale that was made stays the same message. */
static void compromise(micromint_broker *broker) {
  uint64_t balls = 7;
  micromint_buffer *sale = NULL, *again = NULL, *smaller = NULL, *reason = NULL;
  CHECK(micromint_broker_compromise(broker, 64, 0, 1, &balls, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "superbins 0 to 63 with sub-bins 0 to 15, found 64:0-0"));
  CHECK(micromint_broker_compromise(broker, 2, 0, 17, &balls, NULL) == MICROMINT_ERROR_ARGUMENT && balls == 7);
  CHECK(micromint_broker_compromise(broker, 2, 0, 0, &balls, NULL) == MICROMINT_ERROR_ARGUMENT && balls == 7);
  good(micromint_broker_sell(broker, TEXT("bob"), 1, 21, &sale, &reason, &error), error);
  good(micromint_broker_compromise(broker, 2, 0, 8, &balls, &error), error);
  CHECK(balls > 0 && balls <= 8);
  good(micromint_broker_compromise(broker, 2, 0, 8, &balls, &error), error);
  CHECK(balls == 0);
  good(micromint_broker_sell_again(broker, TEXT("bob"), 21, &again, &reason, &error), error);
  CHECK(micromint_buffer_len(again) == micromint_buffer_len(sale));
  CHECK(memcmp(micromint_buffer_data(again), micromint_buffer_data(sale), micromint_buffer_len(sale)) == 0);
  good(micromint_broker_compromise(broker, 4, 0, 12, &balls, &error), error);
  CHECK(balls > 0 && balls <= 12);
  good(micromint_broker_sell(broker, TEXT("bob"), 1, 22, &smaller, &reason, &error), error);
  CHECK(micromint_buffer_len(smaller) < micromint_buffer_len(sale));
  micromint_buffer_free(again);
  micromint_buffer_free(sale);
  micromint_buffer_free(smaller);
}

/* The broker invites the user to a return. The wallet accepts that only from the broker that
   sold the coins. */
static void invite(const micromint_wallet *wallet, const micromint_broker *broker) {
  micromint_buffer *message = NULL;
  size_t holding = 7;
  good(micromint_broker_send_expired(broker, TEXT("alice"), TEXT("https://broker.example/return"), &message, &error),
       error);
  CHECK(header_is(message, "Return-URL", "https://broker.example/return"));
  good(micromint_wallet_invited(wallet, BYTES(message), &holding, &error), error);
  CHECK(holding == 0);
  micromint_buffer_free(message);
  good(micromint_broker_send_expired(broker, TEXT("alice"), TEXT("https://elsewhere.example/"), &message, &error),
       error);
  CHECK(micromint_wallet_invited(wallet, BYTES(message), &holding, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "https://elsewhere.example"));
  micromint_buffer_free(message);
  CHECK(micromint_wallet_invited(wallet, TEXT("x"), &holding, NULL) == MICROMINT_ERROR_MESSAGE);
}

static void give_back(micromint_wallet *wallet, micromint_broker *broker) {
  uint8_t *forged;
  char *digit;
  micromint_buffer *request = NULL, *credit = NULL, *reason = NULL;
  micromint_past_return back;
  good(micromint_wallet_return(wallet, 0, &request, &error), error);
  good(micromint_broker_take_back(broker, micromint_buffer_data(request), micromint_buffer_len(request), 11, &credit,
                                  &reason, &error), error);
  CHECK(credit != NULL && reason == NULL && header_is(credit, "User-ID", "alice"));
  good(micromint_wallet_past_return(wallet, 0, &back, &error), error);
  CHECK(back.coins > 0 && back.waiting == back.coins && !back.is_answered && header_is(request, "User-ID", "alice"));
  forged = malloc(micromint_buffer_len(credit));
  memcpy(forged, micromint_buffer_data(credit), micromint_buffer_len(credit));
  /* One digit of the Authenticator. */
  digit = strstr((char *)forged, "Authenticator: ") + strlen("Authenticator: ");
  *digit = *digit == '0' ? '1' : '0';
  CHECK(micromint_wallet_credit(wallet, forged, micromint_buffer_len(credit), &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "the message is not the answer of https://broker.example/"));
  free(forged);
  good(micromint_wallet_credit(wallet, BYTES(credit), &error), error);
  good(micromint_wallet_past_return(wallet, 0, &back, &error), error);
  CHECK(back.is_answered && back.transaction == 11 && back.waiting == back.coins && back.credited == 0);
  good(micromint_wallet_credit(wallet, BYTES(credit), &error), error);
  micromint_buffer_free(request);
  micromint_buffer_free(credit);
}

int main(int argc, char **argv) {
  micromint_host host;
  micromint_mint *mint = NULL;
  micromint_broker *broker = NULL;
  micromint_wallet *wallet = NULL;
  micromint_paywall *paywall = NULL;
  micromint_till *till = NULL;
  micromint_buffer *payment, *sale, *early = NULL;
  uint64_t balls = 0;
  bool settled = true;
  CHECK(argc == 2);
  memset(&host, 0, sizeof host);
  host.now = tell_time;
  CHECK(micromint_broker_open(TEXT(path(argv[1], "2026-12.coins")), &SECRET, &host, &broker, &error)
        == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "2026-12.coins") && broker == NULL);
  good(micromint_mint_open(TEXT(path(argv[1], "mint.toml")), &mint, &error), error);
  good(micromint_mint_run(mint, 1, 0, NULL, NULL, &balls, &error), error);
  good(micromint_broker_open(TEXT(path(argv[1], "2026-12.coins")), &SECRET, &host, &broker, &error), error);
  good(micromint_wallet_open(TEXT(path(argv[1], "wallet")), &host, &wallet, &error), error);
  CHECK(micromint_till_open(TEXT(path(argv[1], "vendor.toml")), &host, &till, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "till") && till == NULL);
  good(micromint_paywall_prepare(TEXT(path(argv[1], "vendor.toml")), &host, &error), error);
  good(micromint_paywall_open(TEXT(path(argv[1], "vendor.toml")), &host, &paywall, &error), error);

  sale = sell(broker, wallet);
  payment = pay(wallet, paywall);
  good(micromint_till_open(TEXT(path(argv[1], "vendor.toml")), &host, &till, &error), error);
  redeem(broker, till);
  read_books(broker);
  good(micromint_broker_settle(broker, &settled, &error), error);
  CHECK(!settled);
  compromise(broker);
  CHECK(micromint_broker_send_expired(broker, TEXT("alice"), TEXT("https://broker.example/"), &early, &error)
        == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "from 2027-01-01T00:00:00Z; until") && early == NULL);
  now = 1798848000; /* 2027-01-02T00:00:00Z: the period has ended */
  invite(wallet, broker);
  give_back(wallet, broker);
  now = 1799452800; /* 2027-01-09T00:00:00Z: redeem-until is over */
  good(micromint_broker_settle(broker, &settled, &error), error);
  CHECK(settled);

  micromint_buffer_free(payment);
  micromint_buffer_free(sale);
  micromint_till_free(till);
  micromint_paywall_free(paywall);
  micromint_wallet_free(wallet);
  micromint_broker_free(broker);
  micromint_mint_free(mint);
  return 0;
}
