/* Each failure has its status and a text that says what was expected and where; outputs are not
   changed. */
#include "check.h"

static micromint_error *error;

static void texts(void) {
  static const uint8_t no_utf8[] = {'a', 0xff, 'b'};
  micromint_params *params = (micromint_params *)&error;
  CHECK(micromint_params_from_toml(no_utf8, sizeof no_utf8, &params, &error) == MICROMINT_ERROR_TEXT);
  CHECK(says(error, MICROMINT_ERROR_TEXT, "toml is not UTF-8"));
  CHECK(micromint_params_from_toml(TEXT("period = 7"), &params, &error) == MICROMINT_ERROR_PARAMS);
  CHECK(says(error, MICROMINT_ERROR_PARAMS, "line 1, column 10: period: invalid type: integer `7`, expected a string"));
  CHECK(micromint_params_from_toml(NULL, 0, &params, &error) == MICROMINT_ERROR_PARAMS);
  CHECK(says(error, MICROMINT_ERROR_PARAMS, "missing"));
  CHECK(micromint_params_from_toml(NULL, 0, &params, NULL) == MICROMINT_ERROR_PARAMS);
  CHECK(params == (micromint_params *)&error);
}

static void arguments(void) {
  micromint_params *params = period();
  micromint_checker *check = checker(), *none = NULL;
  uint64_t hash = 7;
  size_t count = 7;
  uint32_t differences[MICROMINT_COIN_SIZE_MAX] = {0};
  micromint_coin_fault fault = MICROMINT_COIN_REPEATED_COIN;
  const uint64_t *wild = (const uint64_t *)((uintptr_t)GOOD_COIN + 1);

  CHECK(micromint_hash(params, (uint64_t)1 << 56, &hash, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "x: expected a number below 0x100000000000000"));
  CHECK(micromint_hash(params, ((uint64_t)1 << 56) - 1, &hash, NULL) == MICROMINT_OK && hash != 7);
  CHECK(micromint_user_vector(params, TEXT("a b"), differences, &count, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "User-ID") && count == 7);
  CHECK(micromint_vendor_vector(params, TEXT("News"), differences, &count, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "Vendor-ID") && count == 7);
  CHECK(micromint_checker_new(params, TEXT("News"), &none, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "Vendor-ID") && none == NULL);

  /* An impossible array is reported and not read. */
  CHECK(micromint_checker_check(check, TEXT("alice"), NULL, 0, &fault, NULL, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "expected a coin, found none"));
  CHECK(micromint_checker_check(check, TEXT("alice"), GOOD_COIN, SIZE_MAX / 4, &fault, NULL, NULL)
        == MICROMINT_ERROR_ARGUMENT);
  CHECK(micromint_checker_check(check, TEXT("alice"), wild, 4, &fault, NULL, NULL) == MICROMINT_ERROR_ARGUMENT);
  CHECK(fault == MICROMINT_COIN_REPEATED_COIN);

  /* A refusal is not an error. */
  CHECK(micromint_checker_check(check, TEXT("bob"), GOOD_COIN, 4, &fault, NULL, NULL) == MICROMINT_OK);
  CHECK(fault == MICROMINT_COIN_USER_DIFFERENCES);
  /* Without a place for the error, the status is returned and nothing leaks. */
  CHECK(micromint_hash(params, UINT64_MAX, &hash, NULL) == MICROMINT_ERROR_ARGUMENT);
  micromint_checker_free(check);
  micromint_params_free(params);
}

/* A key of another size, and owner tokens in pieces. */
static void keys(void) {
  static const uint8_t key[MICROMINT_KEY_SIZE + 1];
  static const uint8_t tokens[257 * MICROMINT_OWNER_TOKEN_SIZE];
  uint8_t made[MICROMINT_KEY_SIZE] = {7}, head[MICROMINT_AUTHENTICATOR_SIZE] = {7};
  size_t size;
  for (size = MICROMINT_KEY_SIZE - 1; size <= MICROMINT_KEY_SIZE + 1; size += 2) {
    CHECK(micromint_vendor_key(key, size, TEXT("news.example"), made, &error) == MICROMINT_ERROR_ARGUMENT);
    CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "secret: expected 32 bytes, found 3") && made[0] == 7);
  }
  CHECK(micromint_vendor_key(NULL, 0, TEXT("news.example"), made, NULL) == MICROMINT_ERROR_ARGUMENT);
  for (size = 7; size <= 257 * 8; size = size == 7 ? 257 * 8 : 9999) {
    CHECK(micromint_authenticate_payment(key, MICROMINT_KEY_SIZE, TEXT("news.example"), TEXT("https://news.example/"),
                                         tokens, size, NULL, 0, head, &error) == MICROMINT_ERROR_ARGUMENT);
    CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "tokens: expected at most 256 of 8 bytes each") && head[0] == 7);
  }
  good(micromint_authenticate_payment(key, MICROMINT_KEY_SIZE, TEXT("news.example"), TEXT("https://news.example/"),
                                      tokens, 256 * 8, NULL, 0, head, &error), error);
}

static void messages(void) {
  static const char plain[] =
      "MicroMint-1.0\nRequest-Payment\nURL: https://news.example/\nPrice: 2\nVendor-ID: news.example\n"
      "Period: 2026-12\nBroker: https://broker.example/\nCoin-Value: 0.01 USD\nEnd-MicroMint\n";
  micromint_message *message = NULL;
  const uint8_t *text;
  size_t len;
  CHECK(micromint_message_parse(TEXT("no message"), &message, &error) == MICROMINT_ERROR_MESSAGE);
  CHECK(says(error, MICROMINT_ERROR_MESSAGE, "") && message == NULL);
  good(micromint_message_parse(TEXT(plain), &message, &error), error);
  good(micromint_message_header(message, TEXT("pRiCe"), &text, &len, &error), error);
  CHECK(equal(text, len, "2"));
  CHECK(micromint_message_header(message, TEXT("Coins"), &text, &len, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no header Coins in Request-Payment"));
  good(micromint_message_data(message, &text, &len, &error), error);
  CHECK(len == 0);
  micromint_message_free(message);
}

static void challenges(void) {
  micromint_challenge *challenge = NULL;
  const uint8_t *name;
  size_t len;
  bool is_ours = true;
  micromint_buffer *value = NULL;
  CHECK(micromint_challenge_parse(TEXT("Basic realm=\"x\""), &challenge, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "no challenge of the scheme Payment") && challenge == NULL);
  CHECK(micromint_challenge_has_ended(NULL, 0));
  good(micromint_challenge_parse(
           TEXT("Basic realm=\"x\", Payment id=\"i\", realm=\"news.example\", method=\"micromint\", "
                "intent=\"charge\", request=\"" CHARGE_REQUEST "\""), &challenge, &error), error);
  CHECK(!micromint_challenge_has_ended(challenge, INT64_MAX));
  CHECK(micromint_challenge_answer(challenge, TEXT("x"), &name, &len, &value, &error) == MICROMINT_ERROR_MESSAGE);
  CHECK(says(error, MICROMINT_ERROR_MESSAGE, "") && value == NULL);
  CHECK(micromint_payment_receipt_check(TEXT("e30"), TEXT("x"), &is_ours, NULL) == MICROMINT_ERROR_MESSAGE && is_ours);
  micromint_challenge_free(challenge);
}

static void parameters_survive_writing(void) {
  micromint_params *params = period(), *again = NULL;
  micromint_buffer *first = NULL, *second = NULL;
  good(micromint_params_to_toml(params, &first, &error), error);
  good(micromint_params_from_toml(micromint_buffer_data(first), micromint_buffer_len(first), &again, &error), error);
  good(micromint_params_to_toml(again, &second, &error), error);
  CHECK(micromint_buffer_len(first) == micromint_buffer_len(second));
  CHECK(memcmp(micromint_buffer_data(first), micromint_buffer_data(second), micromint_buffer_len(first)) == 0);
  CHECK(micromint_params_coin_size(again) == 4);
  micromint_buffer_free(first);
  micromint_buffer_free(second);
  micromint_params_free(params);
  micromint_params_free(again);
}

int main(void) {
  texts();
  arguments();
  keys();
  messages();
  challenges();
  parameters_survive_writing();
  return 0;
}
