/* Checks every vector of testdata/ with the library. tests/c/vectors.rs makes vectors.h from the
   JSON files. */
#include "check.h"
#include "vectors.h"

static micromint_error *error;

static micromint_params *params_of(bytes toml) {
  micromint_params *params = NULL;
  good(micromint_params_from_toml(toml.data, toml.len, &params, &error), error);
  return params;
}

static int same(bytes expected, const uint8_t *data, size_t len) {
  return expected.len == len && (len == 0 || memcmp(expected.data, data, len) == 0);
}

static void hashes(const hash_vector *rows, size_t count) {
  size_t i;
  for (i = 0; i < count; i++) {
    micromint_params *params = params_of(rows[i].params);
    uint64_t hash = 0;
    good(micromint_hash(params, rows[i].x, &hash, &error), error);
    CHECK(hash == rows[i].output);
    micromint_params_free(params);
  }
}

static void identities(void) {
  size_t i, count;
  uint32_t found[MICROMINT_COIN_SIZE_MAX];
  for (i = 0; i < sizeof IDENTITIES / sizeof *IDENTITIES; i++) {
    const identity_vector *row = &IDENTITIES[i];
    micromint_params *params = params_of(row->params);
    good((row->is_user ? micromint_user_vector : micromint_vendor_vector)(
             params, row->id.data, row->id.len, found, &count, &error), error);
    CHECK(count == row->count && count + 1 == micromint_params_coin_size(params));
    CHECK(memcmp(found, row->differences, count * sizeof *found) == 0);
    micromint_params_free(params);
  }
}

static void coins(void) {
  size_t i;
  for (i = 0; i < sizeof COINS / sizeof *COINS; i++) {
    const coin_vector *row = &COINS[i];
    micromint_params *params = params_of(row->params);
    micromint_checker *check = NULL;
    micromint_coin_fault fault = MICROMINT_COIN_GOOD;
    uint32_t *bins = calloc(row->x_len, sizeof *bins);
    good(micromint_checker_new(params, row->vendor.data, row->vendor.len, &check, &error), error);
    good(micromint_checker_check(check, row->user.data, row->user.len, row->x, row->x_len, &fault, bins, &error),
         error);
    if (fault != row->fault) fprintf(stderr, "coins.json, vector %d: fault %d\n", (int)i, (int)fault);
    CHECK(fault == row->fault);
    if (fault == MICROMINT_COIN_GOOD) {
      CHECK(row->bins_len == row->x_len / micromint_params_coin_size(params));
      CHECK(memcmp(bins, row->bins, row->bins_len * 2 * sizeof *bins) == 0);
    }
    free(bins);
    micromint_checker_free(check);
    micromint_params_free(params);
  }
}

static void authenticators(void) {
  size_t i;
  for (i = 0; i < sizeof AUTHENTICATORS / sizeof *AUTHENTICATORS; i++) {
    const authenticator_vector *row = &AUTHENTICATORS[i];
    uint8_t key[MICROMINT_KEY_SIZE], found[MICROMINT_AUTHENTICATOR_SIZE];
    const uint8_t *with = row->key;
    bytes a = row->parts[0], b = row->parts[1], data = row->data;
    if (row->kind == USER_KEY) {
      good(micromint_user_key(with, sizeof key, a.data, a.len, b.data, b.len, key, &error), error);
      CHECK(same(row->result, key, sizeof key));
      continue;
    }
    if (row->kind == VENDOR_KEY) {
      good(micromint_vendor_key(with, sizeof key, a.data, a.len, key, &error), error);
      CHECK(same(row->result, key, sizeof key));
      continue;
    }
    if (row->kind == PAYMENT)
      good(micromint_authenticate_payment(with, sizeof key, a.data, a.len, b.data, b.len, row->tokens.data,
                                          row->tokens.len, data.data, data.len, found, &error), error);
    else if (row->kind == CREDIT)
      good(micromint_authenticate_credit(with, sizeof key, a.data, a.len, data.data, data.len, found, &error), error);
    else
      good(micromint_authenticate_redemption(with, sizeof key, a.data, a.len, b.data, b.len, row->parts[2].data,
                                             row->parts[2].len, data.data, data.len, found, &error), error);
    CHECK(same(row->result, found, sizeof found));
  }
}

static void messages(void) {
  size_t i, j, len;
  const uint8_t *found;
  for (i = 0; i < sizeof MESSAGES / sizeof *MESSAGES; i++) {
    const message_vector *row = &MESSAGES[i];
    micromint_message *message = NULL;
    micromint_buffer *printed = NULL;
    good(micromint_message_parse(row->text.data, row->text.len, &message, &error), error);
    good(micromint_message_type(message, &found, &len, &error), error);
    CHECK(same(row->type, found, len));
    for (j = 0; j < row->headers_len; j++) {
      good(micromint_message_header(message, row->headers[j].name.data, row->headers[j].name.len, &found, &len,
                                    &error), error);
      CHECK(same(row->headers[j].value, found, len));
    }
    good(micromint_message_data(message, &found, &len, &error), error);
    CHECK(same(row->data, found, len));
    good(micromint_message_print(message, &printed, &error), error);
    CHECK(same(row->text, micromint_buffer_data(printed), micromint_buffer_len(printed)));
    micromint_buffer_free(printed);
    micromint_message_free(message);
  }
}

static void refused_messages(void) {
  size_t i, len;
  const uint8_t *type;
  for (i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
    const refused_vector *row = &REFUSED[i];
    micromint_message *message = NULL;
    micromint_status status = micromint_message_parse(row->text.data, row->text.len, &message, NULL);
    if (status == MICROMINT_OK) {
      /* A valid message, but not of the requested type. */
      good(micromint_message_type(message, &type, &len, &error), error);
      if (same(row->type, type, len)) fprintf(stderr, "taken: %.*s\n", (int)row->why.len, row->why.data);
      CHECK(!same(row->type, type, len));
      micromint_message_free(message);
    } else {
      CHECK(status == MICROMINT_ERROR_MESSAGE && message == NULL);
    }
  }
}

/* A client reads the challenge, writes the credential and reads the receipt. (Only the paywall
   uses the id under the vendor's key; the cases test it.) */
static void scheme(void) {
  size_t i, j, len;
  const uint8_t *name;
  for (i = 0; i < sizeof SCHEME / sizeof *SCHEME; i++) {
    const scheme_vector *row = &SCHEME[i];
    const scheme_vector *other = row;
    micromint_challenge *challenge = NULL;
    micromint_message *request = NULL;
    micromint_buffer *value = NULL;
    bytes header = row->www_authenticate, payment = row->payment;
    /* The next vector with another payment. */
    for (j = i + 1; same(payment, other->payment.data, other->payment.len); j++) {
      other = &SCHEME[j % (sizeof SCHEME / sizeof *SCHEME)];
    }
    good(micromint_challenge_parse(header.data, header.len, &challenge, &error), error);
    CHECK(!micromint_challenge_has_ended(challenge, 1796904899) && micromint_challenge_has_ended(challenge, 1796904900));
    good(micromint_challenge_request(challenge, &request, &error), error);
    good(micromint_message_print(request, &value, &error), error);
    CHECK(same(row->request, micromint_buffer_data(value), micromint_buffer_len(value)));
    micromint_buffer_free(value);
    good(micromint_challenge_answer(challenge, payment.data, payment.len, &name, &len, &value, &error), error);
    CHECK(same(row->name, name, len));
    CHECK(same(row->credential, micromint_buffer_data(value), micromint_buffer_len(value)));
    micromint_buffer_free(value);
    micromint_message_free(request);
    micromint_challenge_free(challenge);
    for (j = 0; j < 2; j++) {
      bool is_ours = false;
      bytes receipt = row->receipts[j];
      good(micromint_payment_receipt_check(receipt.data, receipt.len, payment.data, payment.len, &is_ours, &error),
           error);
      CHECK(is_ours);
      good(micromint_payment_receipt_check(receipt.data, receipt.len, other->payment.data, other->payment.len, &is_ours,
                                           &error), error);
      CHECK(!is_ours);
    }
  }
}

int main(void) {
  hashes(HASHES, sizeof HASHES / sizeof *HASHES);
  hashes(DES, sizeof DES / sizeof *DES);
  identities();
  coins();
  authenticators();
  messages();
  refused_messages();
  scheme();
  return 0;
}
