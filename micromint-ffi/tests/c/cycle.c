/* The whole cycle: mint, sell, pay a page, redeem it, return what is left, settle. argv[1] is a folder with the
   configurations of a mint and of a vendor. */
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
  CHECK(micromint_broker_sell(broker, TEXT("a b"), 1, 8, &again, &reason, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "User-ID"));
  good(micromint_wallet_receive(wallet, micromint_buffer_data(sale), micromint_buffer_len(sale), &received, &coins,
                                &reason, &error), error);
  CHECK(received == MICROMINT_RECEIVED_NEW && coins > 2);
  return sale;
}

/* Pays one coin for a page; gives the Payment message. */
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
  good(micromint_wallet_settle(wallet, number, 200, TEXT("paid"), &outcome, &len, &error), error);
  CHECK(equal(outcome, len, "paid"));
  micromint_decision_free(decision);
  return payment;
}

static size_t base64(const uint8_t *bytes, size_t len, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t i, n = 0, column = 0;
  for (i = 0; i < len; i += 3) {
    uint32_t group = (uint32_t)bytes[i] << 16;
    if (i + 1 < len) group |= (uint32_t)bytes[i + 1] << 8;
    if (i + 2 < len) group |= bytes[i + 2];
    out[n++] = digits[group >> 18];
    out[n++] = digits[group >> 12 & 63];
    out[n++] = i + 1 < len ? digits[group >> 6 & 63] : '=';
    out[n++] = i + 2 < len ? digits[group & 63] : '=';
    column += 4;
    if (column == 76 && i + 3 < len) {
      out[n++] = '\n';
      column = 0;
    }
  }
  out[n] = 0;
  return n;
}

/* A batch of one payment, written as docs/protocol.md says. */
static size_t batch_of(const micromint_buffer *payment, char *batch, size_t size) {
  static uint8_t data[8192];
  static char encoded[16384];
  char hex[2 * MICROMINT_AUTHENTICATOR_SIZE + 1];
  micromint_key key;
  micromint_authenticator proof;
  size_t i, len = micromint_buffer_len(payment);
  CHECK(len + 4 <= sizeof data);
  data[0] = data[1] = 0;
  data[2] = (uint8_t)(len >> 8);
  data[3] = (uint8_t)len;
  memcpy(data + 4, micromint_buffer_data(payment), len);
  good(micromint_vendor_key(&SECRET, TEXT("news.example"), &key, &error), error);
  good(micromint_authenticate_redemption(&key, TEXT("b-1"), data, len + 4, &proof, &error), error);
  for (i = 0; i < sizeof proof.bytes; i++) snprintf(hex + 2 * i, 3, "%02x", proof.bytes[i]);
  base64(data, len + 4, encoded);
  return (size_t)snprintf(batch, size,
                          "MicroMint-1.0\nRequest-Redemption\nVendor-ID: news.example\nBatch-ID: b-1\n"
                          "Period: 2026-12\nPayments: 1\nAuthenticator: %s\nData-Size: %d\n%s\nEnd-MicroMint\n",
                          hex, (int)(len + 4), encoded);
}

static void redeem(micromint_broker *broker, const micromint_buffer *payment) {
  static char batch[32768];
  const uint8_t *bytes = (const uint8_t *)batch;
  size_t len = batch_of(payment, batch, sizeof batch);
  micromint_buffer *result = NULL, *reason = NULL;
  CHECK(micromint_broker_redeem(broker, TEXT("x"), &result, &reason, &error) == MICROMINT_ERROR_MESSAGE);
  CHECK(says(error, MICROMINT_ERROR_MESSAGE, ""));
  good(micromint_broker_redeem(broker, bytes, len, &result, &reason, &error), error);
  CHECK(result == NULL && reason_is(reason, "news.example is not registered"));
  good(micromint_broker_register(broker, TEXT("news.example"), &error), error);
  good(micromint_broker_redeem(broker, bytes, len, &result, &reason, &error), error);
  CHECK(result != NULL && reason == NULL);
  CHECK(header_is(result, "Accepted", "1") && header_is(result, "Rejected", "0"));
  micromint_buffer_free(result);
}

static void give_back(micromint_wallet *wallet, micromint_broker *broker) {
  micromint_buffer *request = NULL, *credit = NULL, *reason = NULL;
  good(micromint_wallet_return(wallet, 0, &request, &error), error);
  good(micromint_broker_take_back(broker, micromint_buffer_data(request), micromint_buffer_len(request), 11, &credit,
                                  &reason, &error), error);
  CHECK(credit != NULL && reason == NULL && header_is(credit, "User-ID", "alice"));
  good(micromint_wallet_credit(wallet, micromint_buffer_data(credit), micromint_buffer_len(credit), &error), error);
  micromint_buffer_free(request);
  micromint_buffer_free(credit);
}

int main(int argc, char **argv) {
  micromint_host host;
  micromint_mint *mint = NULL;
  micromint_broker *broker = NULL;
  micromint_wallet *wallet = NULL;
  micromint_paywall *paywall = NULL;
  micromint_buffer *payment, *sale;
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
  good(micromint_paywall_prepare(TEXT(path(argv[1], "vendor.toml")), &host, &error), error);
  good(micromint_paywall_open(TEXT(path(argv[1], "vendor.toml")), &host, &paywall, &error), error);

  sale = sell(broker, wallet);
  payment = pay(wallet, paywall);
  redeem(broker, payment);
  good(micromint_broker_settle(broker, &settled, &error), error);
  CHECK(!settled);
  now = 1798848000; /* 2027-01-02T00:00:00Z: the period has ended */
  give_back(wallet, broker);
  now = 1799452800; /* 2027-01-09T00:00:00Z: and been redeemed */
  good(micromint_broker_settle(broker, &settled, &error), error);
  CHECK(settled);

  micromint_buffer_free(payment);
  micromint_buffer_free(sale);
  micromint_paywall_free(paywall);
  micromint_wallet_free(wallet);
  micromint_broker_free(broker);
  micromint_mint_free(mint);
  return 0;
}
