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

static micromint_balance balance(const micromint_wallet *wallet) {
  micromint_balance found;
  const uint8_t *user, *period;
  size_t user_len, period_len;
  good(micromint_wallet_holding(wallet, 0, &user, &user_len, &period, &period_len, &found, &error), error);
  CHECK(equal(user, user_len, "alice") && equal(period, period_len, "2026-12"));
  return found;
}

static micromint_decision *fetch(const micromint_paywall *paywall, const micromint_buffer *payment) {
  micromint_request request;
  micromint_decision *decision = NULL;
  static const char type[] = "application/x-micromint";
  micromint_header header = {(const uint8_t *)"content-type", 12, (const uint8_t *)type, sizeof type - 1};
  memset(&request, 0, sizeof request);
  request.method = (const uint8_t *)(payment ? "POST" : "GET");
  request.method_len = payment ? 4 : 3;
  request.target = (const uint8_t *)"/story";
  request.target_len = 6;
  request.is_https = 1;
  request.price = 2;
  request.is_body_read = 1;
  if (payment) {
    request.headers = &header;
    request.headers_len = 1;
    request.body = micromint_buffer_data(payment);
    request.body_len = micromint_buffer_len(payment);
  }
  good(micromint_paywall_decide(paywall, &request, &decision, &error), error);
  return decision;
}

static micromint_pay pay(micromint_wallet *wallet, const micromint_decision *offer, uint32_t autopay,
                         uint32_t *payment, micromint_buffer **message) {
  micromint_policy policy;
  micromint_pay what = MICROMINT_PAY_REFUSE;
  const uint8_t *request;
  size_t len;
  memset(&policy, 0, sizeof policy);
  policy.autopay = autopay;
  good(micromint_decision_body(offer, &request, &len, &error), error);
  good(micromint_wallet_pay(wallet, request, len, TEXT("https://news.example/story"), TEXT("GET"), NULL, 0, &policy,
                            &what, payment, message, &error), error);
  return what;
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

/* The wallet lists the sale and the payment, and describes its holding. */
static void remember(const micromint_wallet *wallet) {
  micromint_past_sale sale;
  micromint_past_payment payment;
  micromint_past_return back;
  micromint_params *params = NULL;
  micromint_buffer *toml = NULL;
  uint32_t coins = 0;
  CHECK(micromint_wallet_past_sale_count(wallet) == 1 && micromint_wallet_past_payment_count(wallet) == 1);
  CHECK(micromint_wallet_past_return_count(wallet) == 0 && !micromint_wallet_is_backup(wallet));
  good(micromint_wallet_past_sale(wallet, 0, &sale, &error), error);
  CHECK(sale.at == now && sale.holding == 0 && sale.sets == 2 && sale.transaction != 0);
  CHECK(micromint_wallet_past_sale(wallet, 1, &sale, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no sale 1: there are 1"));
  good(micromint_wallet_past_payment(wallet, 0, &payment, &error), error);
  CHECK(payment.at == now && payment.outcome_at == now && payment.holding == 0);
  CHECK(payment.coins == 2 && payment.fresh == 2);
  CHECK(is(payment.vendor, payment.vendor_len, "news.example") && is(payment.url, payment.url_len, PAGE));
  CHECK(is(payment.method, payment.method_len, "GET") && is(payment.outcome, payment.outcome_len, "paid"));
  CHECK(is(payment.description, payment.description_len, "") && is(payment.reason, payment.reason_len, ""));
  CHECK(micromint_wallet_past_payment(wallet, 1, &payment, NULL) == MICROMINT_ERROR_ABSENT);
  CHECK(micromint_wallet_past_return(wallet, 0, &back, NULL) == MICROMINT_ERROR_ABSENT);
  good(micromint_wallet_coins_at(wallet, 0, TEXT("news.example"), &coins, &error), error);
  CHECK(coins > 0 && coins < 29);
  CHECK(micromint_wallet_coins_at(wallet, 1, TEXT("news.example"), &coins, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no holding 1: there are 1"));
  good(micromint_wallet_holding_params(wallet, 0, &params, &error), error);
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
  micromint_request paid;
  micromint_header header = {(const uint8_t *)"micromint-payment", 17, NULL, 0};
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
  memset(&paid, 0, sizeof paid);
  header.value = micromint_buffer_data(value);
  header.value_len = micromint_buffer_len(value);
  paid.method = (const uint8_t *)"GET";
  paid.method_len = 3;
  paid.target = (const uint8_t *)"/story";
  paid.target_len = 6;
  paid.is_https = 1;
  paid.price = 2;
  paid.headers = &header;
  paid.headers_len = 1;
  good(micromint_paywall_decide(paywall, &paid, &opened, &error), error);
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
  micromint_policy policy;
  micromint_pay what = MICROMINT_PAY_REFUSE;
  micromint_buffer *message = NULL, *reason = NULL;
  const uint8_t *request;
  size_t len, tail;
  uint32_t payment;
  bool is_given = true;
  memset(&policy, 0, sizeof policy);
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
  good(micromint_wallet_pay(wallet, TEXT(asked), TEXT("https://shop.news.example/story"), TEXT("GET"), NULL, 0, &policy,
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
  good(micromint_wallet_pay(wallet, TEXT(asked), TEXT("https://shop.news.example/story"), TEXT("GET"), NULL, 0, &policy,
                            &what, &payment, &message, &error), error);
  CHECK(what == MICROMINT_PAY_ASK);
  micromint_buffer_free(message);
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
  micromint_host host;
  CHECK(argc == 3);
  memset(&host, 0, sizeof host);
  host.now = tell_time;
  snprintf(path, sizeof path, "%s/vendor.toml", argv[1]);
  good(micromint_paywall_prepare(TEXT(path), &host, &error), error);
  good(micromint_paywall_open(TEXT(path), &host, &paywall, &error), error);
  snprintf(path, sizeof path, "%s/wallet", argv[1]);
  good(micromint_wallet_open(TEXT(path), &host, &wallet, &error), error);
  good(micromint_wallet_open(TEXT(path), &host, &other, &error), error);
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
  backups(wallet, &host, argv[1]);
  now = 1798848000; /* 2027-01-02T00:00:00Z */
  give_back(wallet);
  micromint_wallet_free(wallet);
  micromint_paywall_free(paywall);

  snprintf(path, sizeof path, "%s/vendor.toml", argv[1]);
  CHECK(micromint_wallet_open(TEXT(path), &host, &wallet, &error) == MICROMINT_ERROR_FILE);
  CHECK(says(error, MICROMINT_ERROR_FILE, "vendor.toml"));
  return 0;
}
