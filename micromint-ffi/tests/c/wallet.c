/* A wallet takes in a sale, pays for a page at a paywall, and returns what is left once the period has ended.
   argv[1] is a folder with a vendor's configuration, argv[2] a Funds-Withdrawn message. */
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
  good(micromint_wallet_receive(wallet, sale, len, &received, &coins, &reason, &error), error);
  if (reason) fprintf(stderr, "%.*s\n", (int)micromint_buffer_len(reason), (const char *)micromint_buffer_data(reason));
  CHECK(received == MICROMINT_RECEIVED_NEW && coins == 31 && reason == NULL);
  good(micromint_wallet_receive(wallet, sale, len, &received, &coins, &reason, &error), error);
  CHECK(received == MICROMINT_RECEIVED_ALREADY && coins == 0 && reason == NULL);
}

static void buy(micromint_wallet *wallet, const micromint_paywall *paywall) {
  micromint_decision *offer = fetch(paywall, NULL), *opened;
  micromint_buffer *message = NULL, *same = NULL;
  uint32_t payment = 7, again = 7;
  const uint8_t *word, *outcome;
  size_t len, outcome_len;
  CHECK(micromint_decision_status(offer) == 402);
  CHECK(pay(wallet, offer, 1, &payment, &message) == MICROMINT_PAY_ASK);
  CHECK(equal(micromint_buffer_data(message), micromint_buffer_len(message), "2"));
  micromint_buffer_free(message);

  CHECK(pay(wallet, offer, 2, &payment, &message) == MICROMINT_PAY_SEND);
  CHECK(balance(wallet).unspent == 29 && balance(wallet).bound == 2);
  /* No answer came: the very message goes again. */
  CHECK(pay(wallet, offer, 2, &again, &same) == MICROMINT_PAY_SEND_AGAIN && again == payment);
  CHECK(micromint_buffer_len(same) == micromint_buffer_len(message));
  CHECK(memcmp(micromint_buffer_data(same), micromint_buffer_data(message), micromint_buffer_len(same)) == 0);
  opened = fetch(paywall, same);
  CHECK(micromint_decision_serves(opened) && micromint_decision_coins(opened) == 2);
  good(micromint_decision_outcome(opened, &word, &len, &error), error);
  good(micromint_wallet_settle(wallet, payment, 200, word, len, &outcome, &outcome_len, &error), error);
  CHECK(equal(outcome, outcome_len, "paid"));
  CHECK(balance(wallet).paid == 2 && balance(wallet).bound == 0);
  CHECK(micromint_wallet_settle(wallet, 99, 200, word, len, &outcome, &outcome_len, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no payment 99"));
  micromint_decision_free(opened);
  micromint_decision_free(offer);
  micromint_buffer_free(message);
  micromint_buffer_free(same);
}

/* Receipts are kept for the very page; other cookies are not. */
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

/* A backup is not spent from; a wallet made of one has its coins for a return only, unless they are said to be whole. */
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
