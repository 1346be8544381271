/*
 * MicroMint: micropayments whose coins are hash collisions.
 *
 * Read docs/c-conventions.md once before the first call: what is owned by whom, what NULL does, how
 * errors are told, and what threads may do. Texts and bytes are given with their length everywhere.
 */

#ifndef MICROMINT_H
#define MICROMINT_H

/* Generated from micromint-ffi/src by cbindgen; change it there. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/**
 * The major version that the header describes. A program built against one major version runs with
 * every library of that major version that is not older.
 */
#define MICROMINT_VERSION_MAJOR 0

/**
 * The minor version that the header describes.
 */
#define MICROMINT_VERSION_MINOR 1

/**
 * The patch version that the header describes.
 */
#define MICROMINT_VERSION_PATCH 0

/**
 * The size of keys and of the broker's secret, in bytes.
 */
#define MICROMINT_KEY_SIZE 32

/**
 * The size of an authenticator, in bytes.
 */
#define MICROMINT_AUTHENTICATOR_SIZE 16

/**
 * The most balls in a coin, and so one more than the differences of a vector.
 */
#define MICROMINT_COIN_SIZE_MAX 8

/**
 * The memory that minting takes where 0 is given, in bytes: 512 MiB.
 */
#define MICROMINT_MINT_MEMORY_DEFAULT ((512 * 1024) * 1024)

/**
 * The result of a function. Numbers are never reused; a retired one stays reserved.
 *
 * A refusal (a coin is spent, a payment is too small) is an answer and has its own numbers; these here
 * say that no answer could be given.
 */
typedef enum {
  /**
   * Done; the outputs are written.
   */
  MICROMINT_OK = 0,
  /**
   * A pointer that must not be NULL is NULL.
   */
  MICROMINT_ERROR_NULL = 1,
  /**
   * The library has a fault: it panicked. The objects of the call must only be freed now.
   */
  MICROMINT_ERROR_PANIC = 2,
  /**
   * A text is not UTF-8.
   */
  MICROMINT_ERROR_TEXT = 3,
  /**
   * A number, name, time or URL is not what it must be.
   */
  MICROMINT_ERROR_ARGUMENT = 4,
  /**
   * Parameters of a period are missing, unreadable or inconsistent.
   */
  MICROMINT_ERROR_PARAMS = 5,
  /**
   * A message cannot be read.
   */
  MICROMINT_ERROR_MESSAGE = 6,
  /**
   * A file cannot be read or written, or is damaged.
   */
  MICROMINT_ERROR_FILE = 7,
  /**
   * A configuration is missing, unreadable or inconsistent.
   */
  MICROMINT_ERROR_CONFIG = 8,
  /**
   * There is nothing of what was asked for: no such header, place or name.
   */
  MICROMINT_ERROR_ABSENT = 9,
  /**
   * Refused in the state that the object is in: sold out, not complete, not yet, too late.
   */
  MICROMINT_ERROR_STATE = 10,
  /**
   * Stopped because a callback of the caller asked for it.
   */
  MICROMINT_ERROR_STOPPED = 11,
  /**
   * A callback of the caller failed.
   */
  MICROMINT_ERROR_CALLBACK = 12,
} micromint_status;

/**
 * What is wrong with coins. In order of precedence: of several faults the first of this list is the
 * answer.
 */
typedef enum {
  /**
   * Nothing is wrong.
   */
  MICROMINT_COIN_GOOD = 0,
  /**
   * An x is out of range.
   */
  MICROMINT_COIN_OUT_OF_RANGE = 1,
  /**
   * One x stands twice in one coin.
   */
  MICROMINT_COIN_REPEATED_BALL = 2,
  /**
   * The fixed bits of a ball are wrong.
   */
  MICROMINT_COIN_FIXED_BITS = 3,
  /**
   * The superbins are not a set of this user.
   */
  MICROMINT_COIN_USER_DIFFERENCES = 4,
  /**
   * The sub-bins are not this vendor's.
   */
  MICROMINT_COIN_VENDOR_DIFFERENCES = 5,
  /**
   * One coin stands twice.
   */
  MICROMINT_COIN_REPEATED_COIN = 6,
} micromint_coin_fault;

/**
 * What minting does.
 */
typedef enum {
  /**
   * Balls are tossed; the unit is a toss.
   */
  MICROMINT_MINT_TOSSING = 0,
  /**
   * Balls are counted; the unit is a superbin.
   */
  MICROMINT_MINT_COUNTING = 1,
  /**
   * Balls are hashed again; the unit is a superbin.
   */
  MICROMINT_MINT_VERIFYING = 2,
  /**
   * Hits are brought into the order of their bins; the unit is a hit. Only for shards.
   */
  MICROMINT_MINT_SORTING = 3,
  /**
   * Run files become a coin file; the unit is a superbin. Only for shards.
   */
  MICROMINT_MINT_MERGING = 4,
} micromint_mint_stage;

/**
 * What became of sets that were to come in.
 */
typedef enum {
  /**
   * They are in the wallet now.
   */
  MICROMINT_RECEIVED_NEW = 0,
  /**
   * They were in the wallet already, with this very message.
   */
  MICROMINT_RECEIVED_ALREADY = 1,
  /**
   * The message is not believed; nothing was kept.
   */
  MICROMINT_RECEIVED_REFUSED = 2,
} micromint_received;

/**
 * What to do about a Request-Payment.
 */
typedef enum {
  /**
   * Send the message to the very URL, then call `micromint_wallet_settle()` with the answer.
   */
  MICROMINT_PAY_SEND = 0,
  /**
   * The same, with a message that was sent before and costs no further coins.
   */
  MICROMINT_PAY_SEND_AGAIN = 1,
  /**
   * Ask the owner, and on a yes call again with an `autopay` of the price.
   */
  MICROMINT_PAY_ASK = 2,
  /**
   * Do not pay; the text says why.
   */
  MICROMINT_PAY_REFUSE = 3,
} micromint_pay;

/**
 * What to do next, once a request's head is read.
 */
typedef enum {
  /**
   * It is decided; no disk was touched.
   */
  MICROMINT_STEP_DECIDED = 0,
  /**
   * Read the body, then call `micromint_paywall_decide()` with it; if it is larger than the size given,
   * with `is_body_read` 0. Unless the decision is to serve as a GET, the content gets the body too.
   */
  MICROMINT_STEP_READ_BODY = 1,
  /**
   * Call `micromint_paywall_decide()`, which may wait for the disk.
   */
  MICROMINT_STEP_WORK = 2,
} micromint_step;

/**
 * The broker of one complete coin file. Free it with `micromint_broker_free()`. One thread at a time;
 * other processes may open the same coin file at once. Open it after `fork()`. After
 * MICROMINT_ERROR_FILE free it and open it again.
 *
 * Whatever it answers is on disk before the function returns.
 */
typedef struct micromint_broker micromint_broker;

/**
 * Bytes made by the library, such as a printed message. Free it with `micromint_buffer_free()`. It is
 * never changed, so threads may share it.
 */
typedef struct micromint_buffer micromint_buffer;

/**
 * Checks the coins of one period for one vendor. Free it with `micromint_checker_free()`. It is never
 * changed, so threads may share it.
 */
typedef struct micromint_checker micromint_checker;

/**
 * What to do with a request: serve the content, or send an answer instead. Free it with
 * `micromint_decision_free()`. It is never changed, so threads may share it.
 *
 * Serve: make the content as asked for, without the header fields of
 * `micromint_decision_strip_header()`; give the status of its answer to `micromint_paywall_settle()`;
 * add the headers of the decision if that status is 2xx or 304.
 *
 * Answer: send its status, headers and body.
 */
typedef struct micromint_decision micromint_decision;

/**
 * What went wrong: a status and a text that says what was expected, what was found and where.
 *
 * Made by functions that take a `micromint_error **`; free it with `micromint_error_free()`. It is
 * never changed, so threads may share it.
 */
typedef struct micromint_error micromint_error;

/**
 * A message of one of the types of docs/protocol.md, every field well formed. Free it with
 * `micromint_message_free()`. It is never changed, so threads may share it.
 */
typedef struct micromint_message micromint_message;

/**
 * A period to mint: its configuration, with the secret input key, and where its coin file is. Free it
 * with `micromint_mint_free()`. It is never changed, so threads may share it; of several that mint into
 * one file, one goes on and the others fail.
 */
typedef struct micromint_mint micromint_mint;

/**
 * The public parameters of a period. Free it with `micromint_params_free()`. It is never changed, so
 * threads may share it.
 */
typedef struct micromint_params micromint_params;

/**
 * The gate before a vendor's pages. Free it with `micromint_paywall_free()`. Any number of threads may
 * use one at once. Open it after `fork()`, in every process that serves.
 */
typedef struct micromint_paywall micromint_paywall;

/**
 * An open wallet file. Free it with `micromint_wallet_free()`. One thread at a time; other processes
 * may use the same file at once. Open it after `fork()`.
 *
 * Its holdings, the coins of one user at one broker for one period, are numbered from 0 and never
 * renumbered.
 */
typedef struct micromint_wallet micromint_wallet;

/**
 * The place of a ball.
 */
typedef struct {
  /**
   * The superbin index, u bits.
   */
  uint32_t superbin;
  /**
   * The sub-bin index, v bits.
   */
  uint32_t subbin;
} micromint_bin;

/**
 * A key: the broker's secret, a user's key of one period, or a vendor's key. Whoever holds it can
 * write in its owner's name: wipe it when it is no longer needed.
 */
typedef struct {
  /**
   * The key.
   */
  uint8_t bytes[MICROMINT_KEY_SIZE];
} micromint_key;

/**
 * What proves who sent a message.
 */
typedef struct {
  /**
   * The head of the HMAC-SHA256.
   */
  uint8_t bytes[MICROMINT_AUTHENTICATOR_SIZE];
} micromint_authenticator;

/**
 * What the caller provides. A callback that is NULL leaves it to the system; NULL for the whole struct
 * leaves everything. Set what you do not use to 0: `micromint_host host = {0};`.
 *
 * The callbacks may be called from every thread that calls a function of the object made with it,
 * several at once, until the object is freed. They must return (no longjmp, no exception) and must not
 * call functions with the same object. The struct itself is copied.
 */
typedef struct {
  /**
   * Handed to every callback.
   */
  void *userdata;
  /**
   * The time: seconds since 1970-01-01 00:00 UTC.
   */
  int64_t (*now)(void *userdata);
  /**
   * Fills `bytes` with `len` unpredictable bytes and gives 0; another number if it cannot.
   */
  int32_t (*random)(void *userdata, uint8_t *bytes, size_t len);
  /**
   * Takes a line for the error log, UTF-8 without a final NUL or line end, valid during the call. It
   * never holds a key or an authenticator. NULL: lines are dropped.
   */
  void (*log)(void *userdata, const uint8_t *text, size_t len);
  /**
   * NULL.
   */
  const void *reserved;
} micromint_host;

/**
 * Is told how far minting is, often and from several threads at once. Gives 0 to go on; another number
 * stops it at the next unit.
 */
typedef int32_t (*micromint_mint_progress)(void *userdata,
                                           micromint_mint_stage stage,
                                           uint64_t done,
                                           uint64_t total);

/**
 * The coins of a holding by where they are. How many are good at one vendor is some less.
 */
typedef struct {
  /**
   * Sets.
   */
  uint32_t sets;
  /**
   * Coins that never left and may be spent.
   */
  uint32_t unspent;
  /**
   * Coins of a restored backup, which may have been spent since: for a return only.
   */
  uint32_t in_doubt;
  /**
   * Coins paid, the content came.
   */
  uint32_t paid;
  /**
   * Coins that left and are bound to a vendor, which did not say that it kept them.
   */
  uint32_t bound;
  /**
   * Coins sent back to the broker.
   */
  uint32_t returned;
} micromint_balance;

/**
 * What the wallet's owner allows. Clear it before you fill it.
 */
typedef struct {
  /**
   * The highest price, in coins, that is paid without asking.
   */
  uint32_t autopay;
  /**
   * Not 0 if `daily_limit` holds.
   */
  uint32_t has_daily_limit;
  /**
   * The most coins that may leave for the first time in one UTC day.
   */
  uint32_t daily_limit;
  /**
   * Not 0 to pay over http too, where others can read along.
   */
  uint32_t allow_http;
  /**
   * NULL.
   */
  const void *reserved;
} micromint_policy;

/**
 * A header field of a request.
 */
typedef struct {
  /**
   * The name, in any case.
   */
  const uint8_t *name;
  /**
   * Its length.
   */
  size_t name_len;
  /**
   * The value.
   */
  const uint8_t *value;
  /**
   * Its length.
   */
  size_t value_len;
} micromint_header;

/**
 * What the paywall sees of an HTTP request. Clear it before you fill it: `micromint_request r = {0};`.
 * Its bytes are read during the call only.
 */
typedef struct {
  /**
   * The method as received, such as GET.
   */
  const uint8_t *method;
  /**
   * Its length.
   */
  size_t method_len;
  /**
   * The request target exactly as received: path and query, not decoded, not normalised.
   */
  const uint8_t *target;
  /**
   * Its length.
   */
  size_t target_len;
  /**
   * The host asked for, with its port if one was sent; NULL if there is none. It only picks one of the
   * configured origins.
   */
  const uint8_t *host;
  /**
   * Its length.
   */
  size_t host_len;
  /**
   * The header fields in order. Only accept, content-type, cookie, idempotency-key and
   * micromint-payment are looked at.
   */
  const micromint_header *headers;
  /**
   * How many.
   */
  size_t headers_len;
  /**
   * The whole body, where `is_body_read`.
   */
  const uint8_t *body;
  /**
   * Its length; 0 if there is none.
   */
  size_t body_len;
  /**
   * Not 0 if the body was read whole; 0 if it was not read, or is larger than allowed.
   */
  uint32_t is_body_read;
  /**
   * Not 0 if the request came over TLS.
   */
  uint32_t is_https;
  /**
   * The price of what is asked for, in coins; 0 is free.
   */
  uint32_t price;
  /**
   * NULL.
   */
  const void *reserved;
} micromint_request;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The bytes of a buffer; they are valid until it is freed. NULL gives NULL.
 */
const uint8_t *micromint_buffer_data(const micromint_buffer *buffer);

/**
 * The number of bytes in a buffer. NULL gives 0.
 */
size_t micromint_buffer_len(const micromint_buffer *buffer);

/**
 * Frees a buffer. NULL is allowed.
 */
void micromint_buffer_free(micromint_buffer *buffer);

/**
 * The status of an error.
 *
 * error: NULL gives MICROMINT_OK.
 */
micromint_status micromint_error_status(const micromint_error *error);

/**
 * The text of an error, UTF-8, without a final NUL.
 *
 * error:        NULL gives an empty text.
 * text_out:     points into the error and is valid until it is freed; NULL is ignored.
 * text_len_out: its length in bytes; NULL is ignored.
 */
void micromint_error_message(const micromint_error *error,
                             const uint8_t **text_out,
                             size_t *text_len_out);

/**
 * Frees an error. NULL is allowed.
 */
void micromint_error_free(micromint_error *error);

/**
 * The version of the library that is loaded: major * 10000 + minor * 100 + patch.
 */
uint32_t micromint_version_number(void);

/**
 * The version of the library that is loaded, such as "0.1.0". Static and NUL-terminated: never freed.
 */
const char *micromint_version(void);

/**
 * Makes a checker.
 *
 * params:             copied.
 * vendor, vendor_len: the Vendor-ID whose coins are checked.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID.
 */
micromint_status micromint_checker_new(const micromint_params *params,
                                       const uint8_t *vendor,
                                       size_t vendor_len,
                                       micromint_checker **checker_out,
                                       micromint_error **error_out);

/**
 * Checks coins: range, fixed bits, the user's and the vendor's differences, no coin twice. Whether
 * they were spent before is not decided here.
 *
 * user, user_len: the User-ID of the payer.
 * x, x_len:       the inputs: k a coin, in the order of the set, one coin after the other.
 * fault_out:      MICROMINT_COIN_GOOD, or what is wrong with them.
 * first_bins_out: an array of x_len / k places; the first bins, which name the coins, are written to
 *                 it if the coins are good. NULL if they are not wanted.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no User-ID, or where x_len is 0. Inputs left over at the
 * end, fewer than k, are no set of anyone: MICROMINT_COIN_USER_DIFFERENCES.
 */
micromint_status micromint_checker_check(const micromint_checker *checker,
                                         const uint8_t *user,
                                         size_t user_len,
                                         const uint64_t *x,
                                         size_t x_len,
                                         micromint_coin_fault *fault_out,
                                         micromint_bin *first_bins_out,
                                         micromint_error **error_out);

/**
 * Frees a checker. NULL is allowed.
 */
void micromint_checker_free(micromint_checker *checker);

/**
 * K_U, the key of a user in a period.
 *
 * secret:             the broker's secret.
 * period, period_len: the period's name.
 * user, user_len:     the User-ID.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no name of a period or no User-ID.
 */
micromint_status micromint_user_key(const micromint_key *secret,
                                    const uint8_t *period,
                                    size_t period_len,
                                    const uint8_t *user,
                                    size_t user_len,
                                    micromint_key *key_out,
                                    micromint_error **error_out);

/**
 * K_V, the key of a vendor.
 *
 * secret:             the broker's secret.
 * vendor, vendor_len: the Vendor-ID.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID.
 */
micromint_status micromint_vendor_key(const micromint_key *secret,
                                      const uint8_t *vendor,
                                      size_t vendor_len,
                                      micromint_key *key_out,
                                      micromint_error **error_out);

/**
 * The authenticator of a Payment.
 *
 * key:                K_U.
 * vendor, vendor_len: the Vendor-ID.
 * url, url_len:       the URL that is paid for.
 * data, data_len:     the decoded coins of the message.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID.
 */
micromint_status micromint_authenticate_payment(const micromint_key *key,
                                                const uint8_t *vendor,
                                                size_t vendor_len,
                                                const uint8_t *url,
                                                size_t url_len,
                                                const uint8_t *data,
                                                size_t data_len,
                                                micromint_authenticator *authenticator_out,
                                                micromint_error **error_out);

/**
 * The authenticator of a Request-Credit.
 *
 * key:                        K_U.
 * request_id, request_id_len: the Request-ID.
 * data, data_len:             the decoded balls of the message.
 */
micromint_status micromint_authenticate_credit(const micromint_key *key,
                                               const uint8_t *request_id,
                                               size_t request_id_len,
                                               const uint8_t *data,
                                               size_t data_len,
                                               micromint_authenticator *authenticator_out,
                                               micromint_error **error_out);

/**
 * The authenticator of a Request-Redemption.
 *
 * key:                    K_V.
 * batch_id, batch_id_len: the Batch-ID.
 * data, data_len:         the decoded records of the message.
 */
micromint_status micromint_authenticate_redemption(const micromint_key *key,
                                                   const uint8_t *batch_id,
                                                   size_t batch_id_len,
                                                   const uint8_t *data,
                                                   size_t data_len,
                                                   micromint_authenticator *authenticator_out,
                                                   micromint_error **error_out);

/**
 * Reads a message of any type and checks the form of every field of it.
 *
 * bytes, bytes_len: the message; copied.
 * message_out:      the message.
 *
 * Errors: MICROMINT_ERROR_MESSAGE with the line or header that is wrong.
 */
micromint_status micromint_message_parse(const uint8_t *bytes,
                                         size_t bytes_len,
                                         micromint_message **message_out,
                                         micromint_error **error_out);

/**
 * The type of a message, such as "Payment".
 *
 * text_out, text_len_out: the text, valid until the message is freed; no final NUL.
 */
micromint_status micromint_message_type(const micromint_message *message,
                                        const uint8_t **text_out,
                                        size_t *text_len_out,
                                        micromint_error **error_out);

/**
 * The value of a header of a message.
 *
 * name, name_len:         the header's name in any case, such as "User-ID".
 * text_out, text_len_out: the value, valid until the message is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_ABSENT if messages of this type have no such header.
 */
micromint_status micromint_message_header(const micromint_message *message,
                                          const uint8_t *name,
                                          size_t name_len,
                                          const uint8_t **text_out,
                                          size_t *text_len_out,
                                          micromint_error **error_out);

/**
 * The decoded data of a message; empty for a type without data.
 *
 * data_out, data_len_out: the bytes, valid until the message is freed.
 */
micromint_status micromint_message_data(const micromint_message *message,
                                        const uint8_t **data_out,
                                        size_t *data_len_out,
                                        micromint_error **error_out);

/**
 * Prints a message in its canonical form, lines ending in CRLF.
 *
 * bytes_out: a buffer with the text.
 */
micromint_status micromint_message_print(const micromint_message *message,
                                         micromint_buffer **bytes_out,
                                         micromint_error **error_out);

/**
 * Frees a message. NULL is allowed.
 */
void micromint_message_free(micromint_message *message);

/**
 * Reads a PERIOD.params file (TOML).
 *
 * toml, toml_len: the text, UTF-8; copied.
 * params_out:     the parameters.
 *
 * Errors: MICROMINT_ERROR_TEXT, MICROMINT_ERROR_PARAMS with the key and what was expected.
 */
micromint_status micromint_params_from_toml(const uint8_t *toml,
                                            size_t toml_len,
                                            micromint_params **params_out,
                                            micromint_error **error_out);

/**
 * Writes a PERIOD.params file (TOML).
 *
 * toml_out: a buffer with the text.
 */
micromint_status micromint_params_to_toml(const micromint_params *params,
                                          micromint_buffer **toml_out,
                                          micromint_error **error_out);

/**
 * k, the balls in a coin, 2 to MICROMINT_COIN_SIZE_MAX. NULL gives 0.
 */
size_t micromint_params_coin_size(const micromint_params *params);

/**
 * The hash of an input: the 64-bit output, of which the leading n bits are y.
 *
 * x: below 2^56 for des, 2^60 for sha256; higher bits are an error.
 */
micromint_status micromint_hash(const micromint_params *params,
                                uint64_t x,
                                uint64_t *hash_out,
                                micromint_error **error_out);

/**
 * The vector of a user, h'(User-ID): k-1 differences of superbins.
 *
 * user, user_len:  the User-ID.
 * differences_out: an array of MICROMINT_COIN_SIZE_MAX numbers, of which k-1 are written.
 * count_out:       k-1.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no User-ID, or one that has no vector.
 */
micromint_status micromint_user_vector(const micromint_params *params,
                                       const uint8_t *user,
                                       size_t user_len,
                                       uint32_t *differences_out,
                                       size_t *count_out,
                                       micromint_error **error_out);

/**
 * The vector of a vendor, h''(Vendor-ID): k-1 differences of sub-bins.
 *
 * vendor, vendor_len: the Vendor-ID.
 * differences_out:    an array of MICROMINT_COIN_SIZE_MAX numbers, of which k-1 are written.
 * count_out:          k-1.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID.
 */
micromint_status micromint_vendor_vector(const micromint_params *params,
                                         const uint8_t *vendor,
                                         size_t vendor_len,
                                         uint32_t *differences_out,
                                         size_t *count_out,
                                         micromint_error **error_out);

/**
 * Frees parameters. NULL is allowed.
 */
void micromint_params_free(micromint_params *params);

/**
 * Opens the broker of a complete coin file, making its journal if there is none.
 *
 * path, path_len: the coin file.
 * secret:         the broker's secret, from which all keys derive; copied.
 * host:           clock and randomness; NULL for the system's.
 *
 * Errors: MICROMINT_ERROR_FILE where a file is incomplete, damaged, or lies on a network file system.
 */
micromint_status micromint_broker_open(const uint8_t *path,
                                       size_t path_len,
                                       const micromint_key *secret,
                                       const micromint_host *host,
                                       micromint_broker **broker_out,
                                       micromint_error **error_out);

/**
 * How many sets can still be sold, as far as this handle has read. NULL gives 0.
 */
uint64_t micromint_broker_sets_left(const micromint_broker *broker);

/**
 * Sells sets to a user.
 *
 * user, user_len: the User-ID.
 * sets:           how many, 1 to 10000.
 * transaction:    names the sale: a fresh random number, or the one of a sale whose answer was lost, which
 *                 is answered again and sells nothing.
 * message_out:    a buffer with the Funds-Withdrawn message for the user; NULL if refused.
 * reason_out:     a buffer with the reason of a refusal; else NULL.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no User-ID, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_sell(micromint_broker *broker,
                                       const uint8_t *user,
                                       size_t user_len,
                                       uint32_t sets,
                                       uint64_t transaction,
                                       micromint_buffer **message_out,
                                       micromint_buffer **reason_out,
                                       micromint_error **error_out);

/**
 * Takes unspent coins back.
 *
 * request, request_len: the Request-Credit message.
 * transaction:          names the return at the broker: a fresh random number.
 * message_out:          a buffer with the Funds-Credited message for the user; NULL if refused.
 * reason_out:           a buffer with the reason of a refusal; else NULL.
 *
 * Errors: MICROMINT_ERROR_MESSAGE for what is no Request-Credit, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_take_back(micromint_broker *broker,
                                            const uint8_t *request,
                                            size_t request_len,
                                            uint64_t transaction,
                                            micromint_buffer **message_out,
                                            micromint_buffer **reason_out,
                                            micromint_error **error_out);

/**
 * Registers a vendor, so that its batches are taken. Harmless for one that is registered. Its key is
 * `micromint_vendor_key()`.
 *
 * vendor, vendor_len: the Vendor-ID.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID, MICROMINT_ERROR_STATE where no more can be
 * registered, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_register(micromint_broker *broker,
                                           const uint8_t *vendor,
                                           size_t vendor_len,
                                           micromint_error **error_out);

/**
 * Judges a vendor's batch of payments coin by coin. A batch that was judged before is answered again and
 * pays nothing.
 *
 * batch, batch_len: the Request-Redemption message.
 * message_out:      a buffer with the Redemption-Result message for the vendor; NULL if refused as a whole.
 * reason_out:       a buffer with the reason of a refusal; else NULL.
 *
 * Errors: MICROMINT_ERROR_MESSAGE for what is no Request-Redemption, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_redeem(micromint_broker *broker,
                                         const uint8_t *batch,
                                         size_t batch_len,
                                         micromint_buffer **message_out,
                                         micromint_buffer **reason_out,
                                         micromint_error **error_out);

/**
 * Decides the claims that waited, once redeem-until is reached; every other function does it too.
 *
 * settled_out: whether the period is settled.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_settle(micromint_broker *broker,
                                         bool *settled_out,
                                         micromint_error **error_out);

/**
 * Frees a broker. NULL is allowed.
 */
void micromint_broker_free(micromint_broker *broker);

/**
 * Reads the configuration of a mint, as `coinmint init` writes it.
 *
 * config, config_len: the path of mint.toml.
 * mint_out:           the mint; nothing is made on disk yet.
 *
 * Errors: MICROMINT_ERROR_FILE where it cannot be read, MICROMINT_ERROR_CONFIG with the key, also for a
 * weak choice that the configuration does not allow.
 */
micromint_status micromint_mint_open(const uint8_t *config,
                                     size_t config_len,
                                     micromint_mint **mint_out,
                                     micromint_error **error_out);

/**
 * The public parameters, for vendors and clients.
 *
 * params_out: a copy.
 */
micromint_status micromint_mint_params(const micromint_mint *mint,
                                       micromint_params **params_out,
                                       micromint_error **error_out);

/**
 * Makes the coin file, or goes on with it, until it is complete. It can be stopped at any time, by
 * `progress` or by killing the process, and run again.
 *
 * threads:   1 to 1024; 0 is one for each core.
 * memory:    about how much it may take, in bytes, at least 16 MiB; 0 is
 *            MICROMINT_MINT_MEMORY_DEFAULT.
 * progress:  NULL if nobody wants to know.
 * userdata:  handed to `progress`.
 * balls_out: the balls in the complete file.
 *
 * Errors: MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if the file is in use,
 * was begun with other parameters, is damaged or does not fit.
 */
micromint_status micromint_mint_run(const micromint_mint *mint,
                                    size_t threads,
                                    uint64_t memory,
                                    micromint_mint_progress progress,
                                    void *userdata,
                                    uint64_t *balls_out,
                                    micromint_error **error_out);

/**
 * Frees a mint. NULL is allowed.
 */
void micromint_mint_free(micromint_mint *mint);

/**
 * Opens a wallet file, making it with mode 0600 if it is absent.
 *
 * path, path_len: where it is.
 * host:           clock and randomness; NULL for the system's.
 *
 * Errors: MICROMINT_ERROR_FILE where it cannot be opened, is damaged, or is no wallet.
 */
micromint_status micromint_wallet_open(const uint8_t *path,
                                       size_t path_len,
                                       const micromint_host *host,
                                       micromint_wallet **wallet_out,
                                       micromint_error **error_out);

/**
 * Takes sets in, if every ball of them is genuine. They are on disk when this returns.
 *
 * message, message_len: a Funds-Withdrawn message.
 * received_out:         what became of it; a message that is not believed is no error.
 * coins_out:            the coins that came in; 0 unless they are new.
 * reason_out:           with MICROMINT_RECEIVED_REFUSED a buffer with the reason; else NULL.
 *
 * Errors: MICROMINT_ERROR_MESSAGE for what is no Funds-Withdrawn; MICROMINT_ERROR_FILE: receive it again.
 */
micromint_status micromint_wallet_receive(micromint_wallet *wallet,
                                          const uint8_t *message,
                                          size_t message_len,
                                          micromint_received *received_out,
                                          uint32_t *coins_out,
                                          micromint_buffer **reason_out,
                                          micromint_error **error_out);

/**
 * Reads what other processes wrote meanwhile; every function that writes does so by itself.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_refresh(micromint_wallet *wallet, micromint_error **error_out);

/**
 * How many holdings there are. NULL gives 0.
 */
size_t micromint_wallet_holding_count(const micromint_wallet *wallet);

/**
 * Whose a holding is, of which period, and where its coins are.
 *
 * holding:                    its number, from 0.
 * user_out, user_len_out:     the User-ID, valid until the next call that changes or refreshes the wallet.
 * period_out, period_len_out: the period, likewise.
 * balance_out:                the coins.
 *
 * Errors: MICROMINT_ERROR_ABSENT where there are not so many.
 */
micromint_status micromint_wallet_holding(const micromint_wallet *wallet,
                                          size_t holding,
                                          const uint8_t **user_out,
                                          size_t *user_len_out,
                                          const uint8_t **period_out,
                                          size_t *period_len_out,
                                          micromint_balance *balance_out,
                                          micromint_error **error_out);

/**
 * Decides about a Request-Payment that answered a fetch. Coins that are to be sent are marked as gone, on
 * disk, when this returns.
 *
 * request, request_len: the Request-Payment message.
 * url, url_len:         the URL that was asked for, after the redirects of the unpaid request.
 * method, method_len:   the method of the fetch, such as GET.
 * body, body_len:       the body that went with it.
 * policy:               what the owner allows.
 * pay_out:              what to do.
 * payment_out:          the payment's number, for `micromint_wallet_settle()`; 0 unless there is one.
 * message_out:          a buffer: the Payment message to send; the price to ask for, with
 *                       MICROMINT_PAY_ASK; the reason, with MICROMINT_PAY_REFUSE.
 *
 * Errors: MICROMINT_ERROR_MESSAGE for what is no Request-Payment, MICROMINT_ERROR_ARGUMENT for what is no
 * URL, MICROMINT_ERROR_FILE: then nothing may be sent; MICROMINT_ERROR_STATE where the file is a backup.
 */
micromint_status micromint_wallet_pay(micromint_wallet *wallet,
                                      const uint8_t *request,
                                      size_t request_len,
                                      const uint8_t *url,
                                      size_t url_len,
                                      const uint8_t *method,
                                      size_t method_len,
                                      const uint8_t *body,
                                      size_t body_len,
                                      const micromint_policy *policy,
                                      micromint_pay *pay_out,
                                      uint32_t *payment_out,
                                      micromint_buffer **message_out,
                                      micromint_error **error_out);

/**
 * Writes down what became of a payment. Where no whole answer came, do not call it: the payment stays
 * unknown, and `micromint_wallet_pay()` sends it again without further coins.
 *
 * payment:            its number.
 * status:             the status of the vendor's answer.
 * word, word_len:     the value of its header MicroMint-Status; empty if there is none.
 * outcome_out, outcome_len_out: `paid`, `refused`, `not-kept`, or `unknown` where the answer leaves it
 *                     open; static, no final NUL.
 *
 * Errors: MICROMINT_ERROR_ABSENT where there is no such payment; MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_settle(micromint_wallet *wallet,
                                         uint32_t payment,
                                         uint32_t status,
                                         const uint8_t *word,
                                         size_t word_len,
                                         const uint8_t **outcome_out,
                                         size_t *outcome_len_out,
                                         micromint_error **error_out);

/**
 * Takes the returnable coins of a holding out of the wallet and makes the message that gives them back to
 * the broker for a credit. Send it until an answer comes, then call `micromint_wallet_credit()`. As long
 * as no answer was written down, the function makes the same message again.
 *
 * holding:     its number.
 * message_out: a buffer with the Request-Credit message.
 *
 * Errors: MICROMINT_ERROR_ABSENT where there is no such holding or nothing to return;
 * MICROMINT_ERROR_FILE: then nothing may be sent; MICROMINT_ERROR_STATE where the file is a backup.
 */
micromint_status micromint_wallet_return(micromint_wallet *wallet,
                                         size_t holding,
                                         micromint_buffer **message_out,
                                         micromint_error **error_out);

/**
 * Writes down the broker's answer to a return.
 *
 * message, message_len: the Funds-Credited message.
 *
 * Errors: MICROMINT_ERROR_MESSAGE for what is none, MICROMINT_ERROR_STATE where it fits no return or the
 * file is a backup, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_credit(micromint_wallet *wallet,
                                         const uint8_t *message,
                                         size_t message_len,
                                         micromint_error **error_out);

/**
 * Frees a wallet. NULL is allowed.
 */
void micromint_wallet_free(micromint_wallet *wallet);

/**
 * Whether to serve the content; false for an answer, and for NULL.
 */
bool micromint_decision_serves(const micromint_decision *decision);

/**
 * The status of the answer: 402, 400, 503, 204 and others. 0 where the content is served, and for NULL.
 */
uint32_t micromint_decision_status(const micromint_decision *decision);

/**
 * How many header fields the decision adds to the answer. NULL gives 0.
 */
size_t micromint_decision_header_count(const micromint_decision *decision);

/**
 * A header field of the answer, `Content-Type` among them, `Content-Length` not.
 *
 * index:                    from 0.
 * name_out, name_len_out:   the name, valid until the decision is freed; no final NUL.
 * value_out, value_len_out: the value, likewise.
 *
 * Errors: MICROMINT_ERROR_ABSENT where there are not so many.
 */
micromint_status micromint_decision_header(const micromint_decision *decision,
                                           size_t index,
                                           const uint8_t **name_out,
                                           size_t *name_len_out,
                                           const uint8_t **value_out,
                                           size_t *value_len_out,
                                           micromint_error **error_out);

/**
 * The body of the answer, also for HEAD (leave it out there); empty where the content is served.
 *
 * body_out, body_len_out: the bytes, valid until the decision is freed.
 */
micromint_status micromint_decision_body(const micromint_decision *decision,
                                         const uint8_t **body_out,
                                         size_t *body_len_out,
                                         micromint_error **error_out);

/**
 * What became of the payment, a word for logs: free, unpaid, paid, receipt, retry, spent and the others
 * of docs/http.md.
 *
 * word_out, word_len_out: the word; static, no final NUL.
 */
micromint_status micromint_decision_outcome(const micromint_decision *decision,
                                            const uint8_t **word_out,
                                            size_t *word_len_out,
                                            micromint_error **error_out);

/**
 * The user who paid or tried to, for logs; empty if there is none.
 *
 * user_out, user_len_out: the User-ID, valid until the decision is freed; no final NUL.
 */
micromint_status micromint_decision_user(const micromint_decision *decision,
                                         const uint8_t **user_out,
                                         size_t *user_len_out,
                                         micromint_error **error_out);

/**
 * The coins that this request recorded, for logs. NULL gives 0.
 */
uint32_t micromint_decision_coins(const micromint_decision *decision);

/**
 * Whether to serve as a GET without a body, whatever was sent: the request was a payment in a POST.
 * NULL gives false.
 */
bool micromint_decision_is_as_get(const micromint_decision *decision);

/**
 * Whether to answer in full even if the client holds a fresh copy: no 304. NULL gives false.
 */
bool micromint_decision_ignores_conditions(const micromint_decision *decision);

/**
 * Whether to keep the answer out of shared caches: `private` in Cache-Control, and `public`, `s-maxage`
 * and CDN-Cache-Control taken out. NULL gives false.
 */
bool micromint_decision_is_private(const micromint_decision *decision);

/**
 * How many request header fields to take out before the content is made. NULL gives 0.
 */
size_t micromint_decision_strip_header_count(const micromint_decision *decision);

/**
 * The name of a request header field to take out before the content is made.
 *
 * index:                  from 0.
 * name_out, name_len_out: the name, to be compared in any case; static, no final NUL.
 *
 * Errors: MICROMINT_ERROR_ABSENT where there are not so many.
 */
micromint_status micromint_decision_strip_header(const micromint_decision *decision,
                                                 size_t index,
                                                 const uint8_t **name_out,
                                                 size_t *name_len_out,
                                                 micromint_error **error_out);

/**
 * Frees a decision. NULL is allowed.
 */
void micromint_decision_free(micromint_decision *decision);

/**
 * Makes what a first start needs: the till's directory and the secret of receipts, readable by this
 * process's user alone. Harmless where they exist.
 *
 * config, config_len: the path of the configuration file (docs/vendor.md).
 * host:               randomness; NULL for the system's.
 *
 * Errors: MICROMINT_ERROR_CONFIG with file, line and key; MICROMINT_ERROR_FILE.
 */
micromint_status micromint_paywall_prepare(const uint8_t *config,
                                           size_t config_len,
                                           const micromint_host *host,
                                           micromint_error **error_out);

/**
 * Opens a paywall.
 *
 * config, config_len: the path of the configuration file (docs/vendor.md).
 * host:               clock, randomness and log; NULL for the system's and no log.
 *
 * Errors: MICROMINT_ERROR_CONFIG with file, line and key, also for a period's parameters;
 * MICROMINT_ERROR_FILE for the till and the secret of receipts.
 */
micromint_status micromint_paywall_open(const uint8_t *config,
                                        size_t config_len,
                                        const micromint_host *host,
                                        micromint_paywall **paywall_out,
                                        micromint_error **error_out);

/**
 * Says what to do with a request whose head is read. Never waits. A free page without a payment costs
 * a look at the header names and nothing else.
 *
 * step_out:      what to do next.
 * body_max_out:  the largest body of use in bytes, with MICROMINT_STEP_READ_BODY; else 0.
 * decision_out:  the decision, with MICROMINT_STEP_DECIDED; else NULL.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT where `reserved` is not NULL.
 */
micromint_status micromint_paywall_classify(const micromint_paywall *paywall,
                                            const micromint_request *request,
                                            micromint_step *step_out,
                                            size_t *body_max_out,
                                            micromint_decision **decision_out,
                                            micromint_error **error_out);

/**
 * Decides about a request, its body read where `micromint_paywall_classify()` asked for it; a program
 * that may wait need not classify first. A payment that is accepted is recorded. May wait for the disk.
 *
 * decision_out: the decision.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT where `reserved` is not NULL. A till that cannot be written is no
 * error but an answer: 503.
 */
micromint_status micromint_paywall_decide(const micromint_paywall *paywall,
                                          const micromint_request *request,
                                          micromint_decision **decision_out,
                                          micromint_error **error_out);

/**
 * Tells the status of the content's answer, and takes back the payment that this request recorded if
 * it is no success (not 2xx). Call it once, when the head of the answer is made and before it is sent.
 *
 * decision:     the decision to serve; one that recorded no payment is left alone.
 * status:       the status of the content's answer.
 * reversed_out: true if the payment was taken back: answer with `MicroMint-Status: reversed` in place
 *               of the decision's headers.
 */
micromint_status micromint_paywall_settle(const micromint_paywall *paywall,
                                          const micromint_decision *decision,
                                          uint32_t status,
                                          bool *reversed_out,
                                          micromint_error **error_out);

/**
 * Frees a paywall: closes its till. NULL is allowed. Decisions may outlive it.
 */
void micromint_paywall_free(micromint_paywall *paywall);

/**
 * Reads a price: the content of a price file, or the value of a setting (docs/vendor.md, Prices).
 *
 * text, text_len: one line with a number from 0 to 500.
 * price_out:      the price in coins.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for anything else. Then answer 500: an unreadable price is not free.
 */
micromint_status micromint_price_parse(const uint8_t *text,
                                       size_t text_len,
                                       uint32_t *price_out,
                                       micromint_error **error_out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MICROMINT_H */
