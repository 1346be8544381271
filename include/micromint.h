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
 * The public parameters of a period. Free it with `micromint_params_free()`. It is never changed, so
 * threads may share it.
 */
typedef struct micromint_params micromint_params;

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MICROMINT_H */
