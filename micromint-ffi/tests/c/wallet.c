/* A wallet receives a sale, pays for a page at a paywall, and returns the other coins after the
   end of the period. argv[1] is a folder with a vendor's configuration, argv[2] a Funds-Withdrawn
   message. */
#include "check.h"

#define PAGE "https://news.example/story"

static micromint_error *error;
static int64_t now = 1796904000; /* 2026-12-10T12:00:00Z */

static int64_t tell_time(void *userdata) {
  (void)userdata;
  return now;
}

/* The coins of the wallet's holding by state. */
typedef struct {
  uint32_t sets, unspent, in_doubt, paid, bound, returned;
} coins_held;

static coins_held balance(const micromint_wallet *wallet) {
  micromint_holding *holding = NULL;
  coins_held found;
  const uint8_t *user, *period;
  size_t user_len, period_len;
  good(micromint_wallet_holding(wallet, 0, &holding, &error), error);
  good(micromint_holding_user(holding, &user, &user_len, &error), error);
  good(micromint_holding_period(holding, &period, &period_len, &error), error);
  CHECK(equal(user, user_len, "alice") && equal(period, period_len, "2026-12"));
  found.sets = micromint_holding_sets(holding);
  found.unspent = micromint_holding_unspent(holding);
  found.in_doubt = micromint_holding_in_doubt(holding);
  found.paid = micromint_holding_paid(holding);
  found.bound = micromint_holding_bound(holding);
  found.returned = micromint_holding_returned(holding);
  micromint_holding_free(holding);
  return found;
}

/* The page, with a header field unless `name` is NULL. */
static micromint_request *story(const char *name, const uint8_t *value, size_t value_len) {
  micromint_request *request = request_for("/story");
  micromint_request_set_price(request, 2);
  if (name != NULL) micromint_request_add_header(request, TEXT(name), value, value_len);
  return request;
}

static micromint_decision *fetch(const micromint_paywall *paywall, const micromint_buffer *payment) {
  micromint_decision *decision = NULL;
  micromint_request *request = payment ? story("content-type", TEXT("application/x-micromint")) : story(NULL, NULL, 0);
  micromint_request_set_body(request, NULL, 0);
  if (payment) {
    micromint_request_set_method(request, TEXT("POST"));
    micromint_request_set_body(request, micromint_buffer_data(payment), micromint_buffer_len(payment));
  }
  good(micromint_paywall_decide(paywall, request, &decision, &error), error);
  micromint_request_free(request);
  return decision;
}

static micromint_pay pay(micromint_wallet *wallet, const micromint_decision *offer, int64_t autopay,
                         uint32_t *payment, micromint_buffer **message) {
  micromint_policy *policy = micromint_policy_new();
  micromint_pay what = MICROMINT_PAY_REFUSE;
  const uint8_t *request;
  size_t len;
  micromint_policy_set_autopay(policy, autopay);
  good(micromint_decision_body(offer, &request, &len, &error), error);
  good(micromint_wallet_pay(wallet, request, len, TEXT("https://news.example/story"), TEXT("GET"), NULL, 0, policy,
                            &what, payment, message, &error), error);
  micromint_policy_free(policy);
  return what;
}

/* A number that no price has is an error, not a small number. */
static void wrong_policies(micromint_wallet *wallet, const micromint_decision *offer) {
  static const int64_t wrong[] = {-1, (int64_t)1 << 32, INT64_MIN};
  micromint_pay what = MICROMINT_PAY_REFUSE;
  micromint_buffer *message = NULL;
  const uint8_t *request;
  size_t len, i, limits;
  uint32_t payment = 7;
  good(micromint_decision_body(offer, &request, &len, &error), error);
  for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    for (limits = 0; limits < 2; limits++) {
      micromint_policy *policy = micromint_policy_new();
      (limits ? micromint_policy_set_daily_limit : micromint_policy_set_autopay)(policy, wrong[i]);
      CHECK(micromint_wallet_pay(wallet, request, len, TEXT(PAGE), TEXT("GET"), NULL, 0, policy, &what, &payment,
                                 &message, &error) == MICROMINT_ERROR_ARGUMENT);
      CHECK(says(error, MICROMINT_ERROR_ARGUMENT, limits ? "policy.daily_limit" : "policy.autopay"));
      CHECK(payment == 7 && message == NULL);
      micromint_policy_free(policy);
    }
  }
}

static int is(const uint8_t *text, size_t len, const char *expected) {
  int same = equal(text, len, expected);
  if (!same) fprintf(stderr, "%.*s\n", (int)len, (const char *)text);
  return same;
}

static void take_in(micromint_wallet *wallet, const char *path) {
  static uint8_t sale[65536];
  size_t len;
  micromint_received received = MICROMINT_RECEIVED_REFUSED;
  uint32_t coins = 0;
  micromint_buffer *reason = NULL;
  FILE *file = fopen(path, "rb");
  CHECK(file != NULL);
  len = fread(sale, 1, sizeof sale, file);
  fclose(file);
  CHECK(micromint_wallet_receive(wallet, TEXT("x"), &received, &coins, &reason, &error) == MICROMINT_ERROR_MESSAGE);
  CHECK(says(error, MICROMINT_ERROR_MESSAGE, ""));
  /* A page that sends coins of another broker is refused; then they come from a file. */
  CHECK(micromint_wallet_receive_from(wallet, TEXT("broker.example"), sale, len, &received, &coins, &reason, &error) ==
        MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "expected http:// or https://"));
  good(micromint_wallet_receive_from(wallet, TEXT("https://other.example/coins"), sale, len, &received, &coins, &reason,
                                     &error), error);
  CHECK(received == MICROMINT_RECEIVED_REFUSED && coins == 0);
  CHECK(is((const uint8_t *)micromint_buffer_data(reason), micromint_buffer_len(reason),
           "it names the broker https://broker.example/, but a page of https://other.example sent it"));
  micromint_buffer_free(reason);
  good(micromint_wallet_receive(wallet, sale, len, &received, &coins, &reason, &error), error);
  if (reason) fprintf(stderr, "%.*s\n", (int)micromint_buffer_len(reason), (const char *)micromint_buffer_data(reason));
  CHECK(received == MICROMINT_RECEIVED_NEW && coins == 31 && reason == NULL);
  good(micromint_wallet_receive(wallet, sale, len, &received, &coins, &reason, &error), error);
  CHECK(received == MICROMINT_RECEIVED_ALREADY && coins == 0 && reason == NULL);
  /* The broker's own page sends the same message: that confirms the coins. */
  good(micromint_wallet_receive_from(wallet, TEXT("https://broker.example/buy"), sale, len, &received, &coins, &reason,
                                     &error), error);
  CHECK(received == MICROMINT_RECEIVED_ALREADY && coins == 0 && reason == NULL);
}

typedef micromint_status text_getter(const micromint_past_payment *, const uint8_t **, size_t *, micromint_error **);

static void text_of(const micromint_past_payment *payment, text_getter *get, const char *expected) {
  const uint8_t *text;
  size_t len;
  good(get(payment, &text, &len, &error), error);
  CHECK(is(text, len, expected));
}

/* The wallet lists the sale and the payment, and describes its holding. */
static void remember(const micromint_wallet *wallet) {
  micromint_past_sale *sale = NULL;
  micromint_past_payment *payment = NULL;
  micromint_past_return *back = NULL;
  micromint_holding *holding = NULL;
  micromint_params *params = NULL;
  micromint_buffer *toml = NULL;
  uint32_t coins = 0;
  CHECK(micromint_wallet_past_sale_count(wallet) == 1 && micromint_wallet_past_payment_count(wallet) == 1);
  CHECK(micromint_wallet_past_return_count(wallet) == 0 && !micromint_wallet_is_backup(wallet));
  CHECK(micromint_wallet_past_sale(wallet, 1, &sale, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no sale 1: there are 1") && sale == NULL);
  good(micromint_wallet_past_sale(wallet, 0, &sale, &error), error);
  CHECK(micromint_past_sale_at(sale) == now && micromint_past_sale_holding(sale) == 0);
  CHECK(micromint_past_sale_sets(sale) == 2 && micromint_past_sale_transaction(sale) != 0);
  micromint_past_sale_free(sale);
  CHECK(micromint_wallet_past_payment(wallet, 1, &payment, NULL) == MICROMINT_ERROR_ABSENT && payment == NULL);
  good(micromint_wallet_past_payment(wallet, 0, &payment, &error), error);
  CHECK(micromint_past_payment_at(payment) == now && micromint_past_payment_outcome_at(payment) == now);
  CHECK(micromint_past_payment_holding(payment) == 0);
  CHECK(micromint_past_payment_coins(payment) == 2 && micromint_past_payment_fresh(payment) == 2);
  text_of(payment, micromint_past_payment_vendor, "news.example");
  text_of(payment, micromint_past_payment_url, PAGE);
  text_of(payment, micromint_past_payment_method, "GET");
  text_of(payment, micromint_past_payment_outcome, "paid");
  text_of(payment, micromint_past_payment_description, "");
  text_of(payment, micromint_past_payment_reason, "");
  micromint_past_payment_free(payment);
  CHECK(micromint_wallet_past_return(wallet, 0, &back, NULL) == MICROMINT_ERROR_ABSENT && back == NULL);
  good(micromint_wallet_coins_at(wallet, 0, TEXT("news.example"), &coins, &error), error);
  CHECK(coins > 0 && coins < 29);
  CHECK(micromint_wallet_coins_at(wallet, 1, TEXT("news.example"), &coins, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no holding 1"));
  CHECK(micromint_wallet_holding(wallet, 1, &holding, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no holding 1") && holding == NULL);
  good(micromint_wallet_holding(wallet, 0, &holding, &error), error);
  good(micromint_holding_params(holding, &params, &error), error);
  micromint_holding_free(holding);
  good(micromint_params_to_toml(params, &toml, &error), error);
  CHECK(strstr((const char *)micromint_buffer_data(toml), "2027-01-01T00:00:00Z") != NULL);
  micromint_buffer_free(toml);
  micromint_params_free(params);
}

/* The value of a header of a decision. */
static void field(const micromint_decision *decision, const char *name, const uint8_t **value, size_t *len) {
  const uint8_t *found;
  size_t found_len, i;
  for (i = 0; i < micromint_decision_header_count(decision); i++) {
    good(micromint_decision_header(decision, i, &found, &found_len, value, len, &error), error);
    if (equal(found, found_len, name)) return;
  }
  CHECK(!"there is such a field");
}

/* The request for payment is in a header of the 402, the payment in a header of the next
   request. */
static void headers(const micromint_paywall *paywall, const micromint_buffer *message) {
  micromint_decision *offer = fetch(paywall, NULL), *opened = NULL;
  micromint_message *request = NULL, *payment = NULL;
  micromint_buffer *printed = NULL, *value = NULL;
  micromint_request *paid;
  const uint8_t *text, *body;
  size_t len, body_len;
  field(offer, "MicroMint-Request", &text, &len);
  CHECK(micromint_message_from_header(text, len - 1, &request, &error) == MICROMINT_ERROR_MESSAGE);
  CHECK(says(error, MICROMINT_ERROR_MESSAGE, "MicroMint-Request") && request == NULL);
  good(micromint_message_from_header(text, len, &request, &error), error);
  good(micromint_message_print(request, &printed, &error), error);
  good(micromint_decision_body(offer, &body, &body_len, &error), error);
  CHECK(body_len == micromint_buffer_len(printed) && memcmp(body, micromint_buffer_data(printed), body_len) == 0);

  good(micromint_message_parse(micromint_buffer_data(message), micromint_buffer_len(message), &payment, &error), error);
  good(micromint_message_to_header(payment, &value, &error), error);
  paid = story("micromint-payment", micromint_buffer_data(value), micromint_buffer_len(value));
  good(micromint_paywall_decide(paywall, paid, &opened, &error), error);
  micromint_request_free(paid);
  good(micromint_decision_outcome(opened, &text, &len, &error), error);
  CHECK(micromint_decision_serves(opened) && is(text, len, "retry"));
  micromint_decision_free(offer);
  micromint_decision_free(opened);
  micromint_message_free(request);
  micromint_message_free(payment);
  micromint_buffer_free(printed);
  micromint_buffer_free(value);
}

/* A page of another host needs the vendor's consent. */
static void consent(micromint_wallet *wallet, const micromint_decision *offer) {
  static const char to[] = "URL: https://shop.news.example/story\r\n";
  char asked[4096], *at;
  micromint_policy *policy = micromint_policy_new();
  micromint_pay what = MICROMINT_PAY_REFUSE;
  micromint_buffer *message = NULL, *reason = NULL;
  const uint8_t *request;
  size_t len, tail;
  uint32_t payment;
  bool is_given = true;
  CHECK(micromint_wallet_take_consent(wallet, TEXT("{}"), &is_given, &reason, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "consent"));
  /* The same request, for a page of a host below. */
  good(micromint_decision_body(offer, &request, &len, &error), error);
  CHECK(len + sizeof to < sizeof asked);
  memcpy(asked, request, len);
  asked[len] = 0;
  at = strstr(asked, "URL: " PAGE "\r\n");
  CHECK(at != NULL);
  tail = strlen("URL: " PAGE "\r\n");
  memmove(at + sizeof to - 1, at + tail, strlen(at + tail) + 1);
  memcpy(at, to, sizeof to - 1);
  good(micromint_wallet_pay(wallet, TEXT(asked), TEXT("https://shop.news.example/story"), TEXT("GET"), NULL, 0, policy,
                            &what, &payment, &message, &error), error);
  CHECK(what == MICROMINT_PAY_NEEDS_CONSENT);
  CHECK(equal(micromint_buffer_data(message), micromint_buffer_len(message),
              "https://news.example/.well-known/micromint"));
  micromint_buffer_free(message);
  good(micromint_wallet_take_consent(wallet, TEXT("{\"vendor-id\":\"news.example\",\"origins\":[]}"), &is_given,
                                     &reason, &error), error);
  CHECK(!is_given && strstr((const char *)micromint_buffer_data(reason), "does not name") != NULL);
  micromint_buffer_free(reason);
  good(micromint_wallet_take_consent(
         wallet, TEXT("{\"vendor-id\":\"news.example\",\"origins\":[\"https://shop.news.example\"]}"), &is_given,
         &reason, &error), error);
  CHECK(is_given && reason == NULL);
  good(micromint_wallet_pay(wallet, TEXT(asked), TEXT("https://shop.news.example/story"), TEXT("GET"), NULL, 0, policy,
                            &what, &payment, &message, &error), error);
  CHECK(what == MICROMINT_PAY_ASK);
  micromint_buffer_free(message);
  micromint_policy_free(policy);
}

/* A payment of coins that the vendor does not know yet is sent again for two minutes. */
static void resend(const micromint_wallet *wallet) {
  uint32_t seconds = 7;
  good(micromint_wallet_resend_after(wallet, 402, TEXT("not-yet-known"), TEXT("9"), now, &seconds, &error), error);
  CHECK(seconds == 9);
  good(micromint_wallet_resend_after(wallet, 402, TEXT("not-yet-known"), NULL, 0, now - 115, &seconds, &error), error);
  CHECK(seconds == 5);
  good(micromint_wallet_resend_after(wallet, 402, TEXT("not-yet-known"), NULL, 0, now - 116, &seconds, &error), error);
  CHECK(seconds == 0);
  good(micromint_wallet_resend_after(wallet, 402, TEXT("spent"), TEXT("9"), now, &seconds, &error), error);
  CHECK(seconds == 0);
}

static void buy(micromint_wallet *wallet, const micromint_paywall *paywall) {
  micromint_decision *offer = fetch(paywall, NULL), *opened;
  micromint_buffer *message = NULL, *same = NULL;
  uint32_t payment = 7, again = 7;
  const uint8_t *word, *outcome;
  size_t len, outcome_len;
  CHECK(micromint_decision_status(offer) == 402);
  consent(wallet, offer);
  resend(wallet);
  wrong_policies(wallet, offer);
  CHECK(pay(wallet, offer, 1, &payment, &message) == MICROMINT_PAY_ASK);
  CHECK(equal(micromint_buffer_data(message), micromint_buffer_len(message), "2"));
  micromint_buffer_free(message);

  CHECK(pay(wallet, offer, 2, &payment, &message) == MICROMINT_PAY_SEND);
  CHECK(balance(wallet).unspent == 29 && balance(wallet).bound == 2);
  /* No answer came: the same message is sent again. */
  CHECK(pay(wallet, offer, 2, &again, &same) == MICROMINT_PAY_SEND_AGAIN && again == payment);
  CHECK(micromint_buffer_len(same) == micromint_buffer_len(message));
  CHECK(memcmp(micromint_buffer_data(same), micromint_buffer_data(message), micromint_buffer_len(same)) == 0);
  opened = fetch(paywall, same);
  CHECK(micromint_decision_serves(opened) && micromint_decision_coins(opened) == 2);
  good(micromint_decision_outcome(opened, &word, &len, &error), error);
  good(micromint_wallet_record_outcome(wallet, payment, 200, word, len, &outcome, &outcome_len, &error), error);
  CHECK(equal(outcome, outcome_len, "paid"));
  CHECK(balance(wallet).paid == 2 && balance(wallet).bound == 0);
  CHECK(micromint_wallet_record_outcome(wallet, 99, 200, word, len, &outcome, &outcome_len, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no payment 99"));
  headers(paywall, message);
  micromint_decision_free(opened);
  micromint_decision_free(offer);
  micromint_buffer_free(message);
  micromint_buffer_free(same);
}

/* Receipts are stored for exactly one page; other cookies are not stored. */
static void receipts(micromint_wallet *wallet) {
  micromint_buffer *cookie = NULL;
  bool is_receipt = true;
  good(micromint_wallet_keep_receipt(wallet, 0, TEXT("session=1; Max-Age=60"), &is_receipt, &error), error);
  CHECK(!is_receipt);
  CHECK(micromint_wallet_keep_receipt(wallet, 99, TEXT("micromint-a=b; Max-Age=60"), &is_receipt, &error)
        == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no payment 99") && !is_receipt);
  CHECK(micromint_wallet_receipt(wallet, TEXT(PAGE), &cookie, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, PAGE));
  good(micromint_wallet_keep_receipt(wallet, 0, TEXT("micromint-a=b; Max-Age=60"), &is_receipt, &error), error);
  CHECK(is_receipt);
  good(micromint_wallet_receipt(wallet, TEXT(PAGE), &cookie, &error), error);
  CHECK(equal(micromint_buffer_data(cookie), micromint_buffer_len(cookie), "micromint-a=b"));
  micromint_buffer_free(cookie);
  CHECK(micromint_wallet_receipt(wallet, TEXT("https://news.example/other"), &cookie, NULL) == MICROMINT_ERROR_ABSENT);
  now += 60;
  CHECK(micromint_wallet_receipt(wallet, TEXT(PAGE), &cookie, NULL) == MICROMINT_ERROR_ABSENT);
}

/* A backup cannot be spent from. The coins of a restored wallet can only be returned, unless the
   caller says that none were spent. */
static void backups(micromint_wallet *wallet, const micromint_host *host, const char *folder) {
  char backup[4096], restored[4096];
  micromint_wallet *copy = NULL;
  micromint_buffer *message = NULL;
  uint32_t unspent = balance(wallet).unspent;
  snprintf(backup, sizeof backup, "%s/backup", folder);
  good(micromint_wallet_backup(wallet, TEXT(backup), &error), error);
  CHECK(micromint_wallet_backup(wallet, TEXT(backup), &error) != MICROMINT_OK);
  micromint_error_free(error);
  good(micromint_wallet_open(TEXT(backup), host, &copy, &error), error);
  CHECK(micromint_wallet_is_backup(copy));
  CHECK(micromint_wallet_return(copy, 0, &message, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "backup") && message == NULL);
  micromint_wallet_free(copy);
  snprintf(restored, sizeof restored, "%s/doubted", folder);
  good(micromint_wallet_restore(TEXT(backup), TEXT(restored), false, host, &copy, &error), error);
  CHECK(balance(copy).unspent == 0 && balance(copy).in_doubt == unspent);
  micromint_wallet_free(copy);
  CHECK(micromint_wallet_restore(TEXT(restored), TEXT(backup), true, host, &copy, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "backup"));
  snprintf(restored, sizeof restored, "%s/whole", folder);
  good(micromint_wallet_restore(TEXT(backup), TEXT(restored), true, host, &copy, &error), error);
  CHECK(balance(copy).unspent == unspent);
  micromint_wallet_free(copy);
}

static void give_back(micromint_wallet *wallet) {
  micromint_buffer *message = NULL, *same = NULL;
  micromint_message *request = NULL;
  const uint8_t *coins;
  size_t len;
  good(micromint_wallet_return(wallet, 0, &message, &error), error);
  good(micromint_message_parse(micromint_buffer_data(message), micromint_buffer_len(message), &request, &error), error);
  good(micromint_message_header(request, TEXT("Coins"), &coins, &len, &error), error);
  CHECK(equal(coins, len, "29") && balance(wallet).returned == 29 && balance(wallet).unspent == 0);
  good(micromint_wallet_return(wallet, 0, &same, &error), error);
  CHECK(micromint_buffer_len(same) == micromint_buffer_len(message));
  CHECK(memcmp(micromint_buffer_data(same), micromint_buffer_data(message), micromint_buffer_len(same)) == 0);
  CHECK(micromint_wallet_return(wallet, 1, &same, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no holding 1"));
  micromint_message_free(request);
  micromint_buffer_free(message);
  micromint_buffer_free(same);
}

int main(int argc, char **argv) {
  char path[4096];
  micromint_wallet *wallet = NULL, *other = NULL;
  micromint_paywall *paywall = NULL;
  micromint_host *host = micromint_host_new();
  CHECK(argc == 3);
  micromint_host_set_now(host, tell_time, NULL);
  snprintf(path, sizeof path, "%s/vendor.toml", argv[1]);
  good(micromint_paywall_prepare(TEXT(path), host, &error), error);
  good(micromint_paywall_open(TEXT(path), host, &paywall, &error), error);
  snprintf(path, sizeof path, "%s/wallet", argv[1]);
  good(micromint_wallet_open(TEXT(path), host, &wallet, &error), error);
  good(micromint_wallet_open(TEXT(path), host, &other, &error), error);
  CHECK(micromint_wallet_holding_count(wallet) == 0);
  take_in(wallet, argv[2]);
  CHECK(balance(wallet).unspent == 31 && balance(wallet).sets == 2);
  CHECK(micromint_wallet_holding_count(other) == 0);
  good(micromint_wallet_refresh(other, &error), error);
  CHECK(micromint_wallet_holding_count(other) == 1);
  micromint_wallet_free(other);
  buy(wallet, paywall);
  remember(wallet);
  receipts(wallet);
  backups(wallet, host, argv[1]);
  now = 1798848000; /* 2027-01-02T00:00:00Z */
  give_back(wallet);
  micromint_wallet_free(wallet);
  micromint_paywall_free(paywall);

  snprintf(path, sizeof path, "%s/vendor.toml", argv[1]);
  CHECK(micromint_wallet_open(TEXT(path), host, &wallet, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "vendor.toml"));
  micromint_host_free(host);
  return 0;
}
