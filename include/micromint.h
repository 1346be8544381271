/*
 * MicroMint: micropayments whose coins are hash collisions.
 *
 * Read docs/reference/c-conventions.md before the first call: who owns what, what NULL means, how
 * errors are reported, and what threads may do. Texts and bytes are always passed with their
 * length.
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
 * The version that the header describes, as `micromint_version_number()` returns it: for `#if`.
 */
#define MICROMINT_VERSION_NUMBER 100

/**
 * The size of keys and of the broker's secret, in bytes.
 */
#define MICROMINT_KEY_SIZE 32

/**
 * The size of an authenticator, in bytes.
 */
#define MICROMINT_AUTHENTICATOR_SIZE 16

/**
 * The size of an owner token, in bytes.
 */
#define MICROMINT_OWNER_TOKEN_SIZE 8

/**
 * The largest number of balls in a coin, which is one more than the differences of a vector.
 */
#define MICROMINT_COIN_SIZE_MAX 8

/**
 * The memory that minting uses if 0 is given, in bytes: 512 MiB.
 */
#define MICROMINT_MINT_MEMORY_DEFAULT ((512 * 1024) * 1024)

/**
 * The result of a function. Numbers are never reused; a retired number stays reserved.
 *
 * A refusal (a coin is spent, a payment is too small) is an answer and has its own numbers. These
 * numbers say that no answer could be given.
 */
typedef enum micromint_status {
  /**
   * Done; the outputs are written.
   */
  MICROMINT_OK = 0,
  /**
   * A pointer that must not be NULL is NULL.
   */
  MICROMINT_ERROR_NULL = 1,
  /**
   * A fault in the library: it panicked. The objects of the call must now only be freed.
   */
  MICROMINT_ERROR_PANIC = 2,
  /**
   * A text is not UTF-8.
   */
  MICROMINT_ERROR_TEXT = 3,
  /**
   * A number, name, time or URL is invalid.
   */
  MICROMINT_ERROR_ARGUMENT = 4,
  /**
   * Parameters of a period are missing, unreadable or inconsistent.
   */
  MICROMINT_ERROR_PARAMS = 5,
  /**
   * A message cannot be parsed.
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
   * There is no such header, place or name.
   */
  MICROMINT_ERROR_ABSENT = 9,
  /**
   * Refused in the current state of the object: sold out, not complete, too early, too late, or
   * opened in another process.
   */
  MICROMINT_ERROR_STATE = 10,
  /**
   * Stopped on request of a callback of the caller.
   */
  MICROMINT_ERROR_STOPPED = 11,
  /**
   * A callback of the caller failed: `random` returned a number that is not 0.
   */
  MICROMINT_ERROR_CALLBACK = 12
} micromint_status;

/**
 * How serious a line of the log is. A program that does not know a number treats it as
 * MICROMINT_LOG_INFO.
 */
typedef enum micromint_log_level {
  /**
   * Something failed that a person must repair.
   */
  MICROMINT_LOG_ERROR = 1,
  /**
   * Something will fail, or is unwise.
   */
  MICROMINT_LOG_WARNING = 2,
  /**
   * A client sent something that was refused.
   */
  MICROMINT_LOG_INFO = 3
} micromint_log_level;

/**
 * What is wrong with coins, in order of precedence: the first fault of this list that applies is
 * the answer.
 */
typedef enum micromint_coin_fault {
  /**
   * Nothing is wrong.
   */
  MICROMINT_COIN_GOOD = 0,
  /**
   * An x is out of range.
   */
  MICROMINT_COIN_OUT_OF_RANGE = 1,
  /**
   * An x is repeated within a coin.
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
   * A coin is repeated.
   */
  MICROMINT_COIN_REPEATED_COIN = 6
} micromint_coin_fault;

/**
 * A stage of minting.
 */
typedef enum micromint_mint_stage {
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
   * Hits are sorted by bin; the unit is a hit. Only for shards.
   */
  MICROMINT_MINT_SORTING = 3,
  /**
   * Run files are merged into a coin file; the unit is a superbin. Only for shards.
   */
  MICROMINT_MINT_MERGING = 4
} micromint_mint_stage;

/**
 * The phase of a mint.
 */
typedef enum micromint_mint_phase {
  /**
   * There is no coin file.
   */
  MICROMINT_MINT_NOT_BEGUN = 0,
  /**
   * Balls are being tossed; the unit is a toss.
   */
  MICROMINT_MINT_BEGUN = 1,
  /**
   * All balls are tossed and are being counted; the unit is a superbin.
   */
  MICROMINT_MINT_TOSSED = 2,
  /**
   * Sets can be sold.
   */
  MICROMINT_MINT_COMPLETE = 3
} micromint_mint_phase;

/**
 * What became of received sets.
 */
typedef enum micromint_received {
  /**
   * They are in the wallet now.
   */
  MICROMINT_RECEIVED_NEW = 0,
  /**
   * They were already in the wallet, from this very message.
   */
  MICROMINT_RECEIVED_ALREADY = 1,
  /**
   * The message is not genuine; nothing was stored.
   */
  MICROMINT_RECEIVED_REFUSED = 2
} micromint_received;

/**
 * What to do about a Request-Payment.
 */
typedef enum micromint_pay {
  /**
   * Send the message to exactly this URL, then call `micromint_wallet_record_outcome()` with the
   * answer.
   */
  MICROMINT_PAY_SEND = 0,
  /**
   * The same, with a message that was already sent and costs no further coins.
   */
  MICROMINT_PAY_SEND_AGAIN = 1,
  /**
   * Ask the owner. If the answer is yes, call again with an `autopay` of the price.
   */
  MICROMINT_PAY_ASK = 2,
  /**
   * Do not pay; the text says why.
   */
  MICROMINT_PAY_REFUSE = 3,
  /**
   * The vendor is a parent of the page's host. Fetch the vendor's manifest, call
   * `micromint_wallet_take_consent()`, then this function again.
   */
  MICROMINT_PAY_NEEDS_CONSENT = 4
} micromint_pay;

/**
 * What to do next, once a request's head is read.
 */
typedef enum micromint_look {
  /**
   * It is decided; no disk was accessed.
   */
  MICROMINT_LOOK_DECIDED = 0,
  /**
   * Read the body, set it in the request unless it is larger than the given size, and call
   * `micromint_paywall_decide()`. Unless the decision is to serve as a GET, the content gets the
   * body too.
   */
  MICROMINT_LOOK_NEEDS_BODY = 1,
  /**
   * Call `micromint_paywall_decide()`, which may wait for the disk.
   */
  MICROMINT_LOOK_PENDING = 2
} micromint_look;

/**
 * A batch of payments, all of one period, when it was read. Free it with `micromint_batch_free()`.
 * It is immutable: threads may share it, and it may be used across a fork.
 */
typedef struct micromint_batch micromint_batch;

/**
 * The batches of a till at the time when the list was made. Free it with
 * `micromint_batch_list_free()`. It is immutable: threads may share it, and it may be used across
 * a fork.
 */
typedef struct micromint_batch_list micromint_batch_list;

/**
 * Bytes made by the library, such as a printed message. Free it with `micromint_buffer_free()`. It
 * is immutable: threads may share it, and it may be used across a fork.
 */
typedef struct micromint_buffer micromint_buffer;

/**
 * A challenge of the scheme "Payment" that coins can answer. Free it with
 * `micromint_challenge_free()`. It is immutable: threads may share it, and it may be used across a
 * fork.
 */
typedef struct micromint_challenge micromint_challenge;

/**
 * Checks the coins of one period for one vendor. Free it with `micromint_checker_free()`. It is
 * immutable: threads may share it, and it may be used across a fork.
 */
typedef struct micromint_checker micromint_checker;

/**
 * What to do with a request: serve the content, or send an answer instead. Free it with
 * `micromint_decision_free()`. It is immutable: threads may share it, and it may be used across a
 * fork, but the payment that it recorded is finished in the process that decided.
 *
 * Serve: make the content as requested, without the header fields of
 * `micromint_decision_strip_header()`; pass the status of its response to
 * `micromint_paywall_finish()`; then change its head as `micromint_decision_head()` says.
 *
 * Answer: send its status, header fields and body. If the site adds header fields to every
 * response, merge them with `micromint_decision_head()`.
 */
typedef struct micromint_decision micromint_decision;

/**
 * What went wrong: a status, and a text that says what was expected, what was found and where.
 *
 * Made by functions that take a `micromint_error **`; free it with `micromint_error_free()`. It is
 * immutable: threads may share it, and it may be used across a fork.
 */
typedef struct micromint_error micromint_error;

/**
 * The header fields of a response, for `micromint_decision_head()`. Free it with
 * `micromint_fields_free()`. One thread at a time while it is filled; any number of threads may
 * pass it to functions that take it `const`. It may be used across a fork.
 */
typedef struct micromint_fields micromint_fields;

/**
 * What to change in the head of a response: first remove fields, then add fields. Free it with
 * `micromint_head_free()`. It is immutable: threads may share it, and it may be used across a
 * fork.
 */
typedef struct micromint_head micromint_head;

/**
 * The owner and period of a holding, and the state of its coins, when it was read. Free it with
 * `micromint_holding_free()`. It is immutable: threads may share it, and it may be used across a
 * fork.
 */
typedef struct micromint_holding micromint_holding;

/**
 * A clock, a source of randomness and a log, for the functions that take it. Free it with
 * `micromint_host_free()`, as soon as no function is to be given it any more: they copy it. One
 * thread at a time while it is filled; any number of threads may pass it to functions that take it
 * `const`. It may be used across a fork.
 *
 * The callbacks may be called from every thread that calls a function of the object made with it,
 * from several at the same time, until the object is freed. They must return (no longjmp, no
 * exception) and must not call functions with the same object.
 */
typedef struct micromint_host micromint_host;

/**
 * A message of one of the types of docs/reference/protocol.md, with every field well formed. Free
 * it with `micromint_message_free()`. It is immutable: threads may share it, and it may be used
 * across a fork.
 */
typedef struct micromint_message micromint_message;

/**
 * A period to mint: its configuration, with the secret input key, and the place of its coin file.
 * Free it with `micromint_mint_free()`. It is immutable: threads may share it, and it may be used
 * across a fork. If several mint into one file, one continues and the others fail.
 */
typedef struct micromint_mint micromint_mint;

/**
 * The state of a coin file, when it was read. Free it with `micromint_mint_state_free()`. It is
 * immutable: threads may share it, and it may be used across a fork.
 */
typedef struct micromint_mint_state micromint_mint_state;

/**
 * The public parameters of a period. Free it with `micromint_params_free()`. It is immutable:
 * threads may share it, and it may be used across a fork.
 */
typedef struct micromint_params micromint_params;

/**
 * A payment, when it was read. Free it with `micromint_past_payment_free()`. It is immutable:
 * threads may share it, and it may be used across a fork.
 */
typedef struct micromint_past_payment micromint_past_payment;

/**
 * A return, when it was read. Free it with `micromint_past_return_free()`. It is immutable:
 * threads may share it, and it may be used across a fork.
 */
typedef struct micromint_past_return micromint_past_return;

/**
 * A received sale. Sales are numbered from 0 in their order and never renumbered, and so are
 * payments and returns. Free it with `micromint_past_sale_free()`. It is immutable: threads may
 * share it, and it may be used across a fork.
 */
typedef struct micromint_past_sale micromint_past_sale;

/**
 * The paywall of a vendor's pages. Free it with `micromint_paywall_free()`. Any number of threads
 * may use it at the same time. After a `fork()` the child opens its till again with the first
 * request that needs it; the configuration stays as it was read. A till that could not be written
 * is opened again after a second.
 */
typedef struct micromint_paywall micromint_paywall;

/**
 * What a broker chooses for a new period. Free it with `micromint_period_options_free()`. One
 * thread at a time while it is filled; any number of threads may pass it to functions that take it
 * `const`. It may be used across a fork. An invalid value is reported by the function that the
 * options are passed to.
 */
typedef struct micromint_period_options micromint_period_options;

/**
 * What a configuration will yield and cost. Expected numbers are means. Free it with
 * `micromint_plan_free()`. It is immutable: threads may share it, and it may be used across a
 * fork.
 */
typedef struct micromint_plan micromint_plan;

/**
 * What the wallet's owner allows. Free it with `micromint_policy_free()`. One thread at a time
 * while it is filled; any number of threads may pass it to functions that take it `const`. It may
 * be used across a fork. An invalid value is reported by the function that the policy is passed
 * to.
 */
typedef struct micromint_policy micromint_policy;

/**
 * What the paywall sees of an HTTP request. Free it with `micromint_request_free()`. Fill one, use
 * it, clear it, and fill it again for the next request: it keeps its memory. One thread at a time
 * while it is filled; any number of threads may pass it to functions that take it `const`. It may
 * be used across a fork.
 *
 * What is not set is empty, 0, false or not known. Everything that is set is copied. An invalid
 * value is reported by the function that the request is passed to.
 */
typedef struct micromint_request micromint_request;

/**
 * A vendor's till, opened to redeem its payments; the paywalls that fill it continue meanwhile.
 * Free it with `micromint_till_free()`. Any number of threads may use it at the same time. Open it
 * after `fork()`: in a process that was forked later its functions return MICROMINT_ERROR_STATE.
 */
typedef struct micromint_till micromint_till;

/**
 * An open wallet file. Free it with `micromint_wallet_free()`. One thread at a time; other
 * processes may use the same file at the same time. Open it after `fork()`: in a process that was
 * forked later its functions return MICROMINT_ERROR_STATE.
 *
 * Its holdings, the coins of one user at one broker for one period, are numbered from 0 and never
 * renumbered.
 */
typedef struct micromint_wallet micromint_wallet;

/**
 * Returns the time: seconds since 1970-01-01 00:00 UTC.
 */
typedef int64_t (*micromint_now)(void *userdata);

/**
 * Fills `bytes` with `len` unpredictable bytes and returns 0; another number if it cannot.
 */
typedef int32_t (*micromint_random)(void *userdata, uint8_t *bytes, size_t len);

/**
 * Takes a line for the log: UTF-8 without a final NUL or line end, valid during the call. It never
 * contains a key or an authenticator.
 */
typedef void (*micromint_log)(void *userdata,
                              micromint_log_level level,
                              const uint8_t *text,
                              size_t len);

/**
 * Receives the progress of minting, often and from several threads at the same time. Returns 0 to
 * continue; another number stops minting at the next unit.
 */
typedef int32_t (*micromint_mint_progress)(void *userdata,
                                           micromint_mint_stage stage,
                                           uint64_t done,
                                           uint64_t total);

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

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
 * The name of a status, such as "MICROMINT_ERROR_FILE". Static and NUL-terminated: never freed.
 *
 * status: a status; NULL is returned for a number that this library does not have.
 */
const char *micromint_status_name(uint32_t status);

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
 * Makes a host with the system's clock and randomness and without a log.
 */
micromint_host *micromint_host_new(void);

/**
 * Sets the clock.
 *
 * now:      NULL for the system's.
 * userdata: passed to it.
 */
void micromint_host_set_now(micromint_host *host, micromint_now now, void *userdata);

/**
 * Sets the source of randomness.
 *
 * random:   NULL for the system's.
 * userdata: passed to it.
 */
void micromint_host_set_random(micromint_host *host, micromint_random random, void *userdata);

/**
 * Sets the log.
 *
 * log:      NULL to drop the lines: the library writes nowhere else.
 * userdata: passed to it.
 */
void micromint_host_set_log(micromint_host *host, micromint_log log, void *userdata);

/**
 * Frees a host. NULL is allowed. Objects that were made with it keep its callbacks.
 */
void micromint_host_free(micromint_host *host);

/**
 * The version of the library that is loaded: major * 10000 + minor * 100 + patch.
 */
uint32_t micromint_version_number(void);

/**
 * The version of the library that is loaded, such as "0.1.0". Static and NUL-terminated: never
 * freed.
 */
const char *micromint_version(void);

/**
 * Makes a checker.
 *
 * params:             copied.
 * vendor, vendor_len: the Vendor-ID whose coins are checked.
 * checker_out:        the checker.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
 */
micromint_status micromint_checker_new(const micromint_params *params,
                                       const uint8_t *vendor,
                                       size_t vendor_len,
                                       micromint_checker **checker_out,
                                       micromint_error **error_out);

/**
 * Checks coins: range, fixed bits, the user's and the vendor's differences, no repeated coin. It
 * does not check whether they were already spent.
 *
 * user, user_len: the User-ID of the payer.
 * x, x_len:       the inputs: k for each coin, in the order of the set, one coin after the other.
 * fault_out:      MICROMINT_COIN_GOOD, or what is wrong with them.
 * first_bins_out: an array of 2 * (x_len / k) numbers. If the coins are good, the first bins,
 *                 which identify them, are written to it: the superbin and the sub-bin of each
 *                 coin's first ball. NULL if they are not wanted.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid or x_len is 0. If fewer than k inputs
 * remain at the end, the fault is MICROMINT_COIN_USER_DIFFERENCES.
 */
micromint_status micromint_checker_check(const micromint_checker *checker,
                                         const uint8_t *user,
                                         size_t user_len,
                                         const uint64_t *x,
                                         size_t x_len,
                                         micromint_coin_fault *fault_out,
                                         uint32_t *first_bins_out,
                                         micromint_error **error_out);

/**
 * Frees a checker. NULL is allowed.
 */
void micromint_checker_free(micromint_checker *checker);

/**
 * Overwrites a key with zeros, which a compiler may not leave out as it may a `memset`. NULL is
 * allowed. Anyone who has a key can write messages in its owner's name: wipe it when it is no
 * longer needed.
 *
 * key, key_len: a key that is no longer needed, and its size.
 */
void micromint_key_wipe(uint8_t *key, size_t key_len);

/**
 * K_U, the key of a user in a period.
 *
 * secret, secret_len: the broker's secret, MICROMINT_KEY_SIZE bytes.
 * period, period_len: the period's name.
 * user, user_len:     the User-ID.
 * key_out:            room for MICROMINT_KEY_SIZE bytes; the key.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the name of the period, the User-ID or the size of the
 * secret is invalid.
 */
micromint_status micromint_user_key(const uint8_t *secret,
                                    size_t secret_len,
                                    const uint8_t *period,
                                    size_t period_len,
                                    const uint8_t *user,
                                    size_t user_len,
                                    uint8_t *key_out,
                                    micromint_error **error_out);

/**
 * K_V, the key of a vendor, as long as the broker has not replaced it.
 *
 * secret, secret_len: the broker's secret, MICROMINT_KEY_SIZE bytes.
 * vendor, vendor_len: the Vendor-ID.
 * key_out:            room for MICROMINT_KEY_SIZE bytes; the key.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the size of the secret is invalid.
 */
micromint_status micromint_vendor_key(const uint8_t *secret,
                                      size_t secret_len,
                                      const uint8_t *vendor,
                                      size_t vendor_len,
                                      uint8_t *key_out,
                                      micromint_error **error_out);

/**
 * The authenticator of a Payment.
 *
 * key, key_len:       K_U, MICROMINT_KEY_SIZE bytes.
 * vendor, vendor_len: the Vendor-ID.
 * url, url_len:       the URL that is paid for.
 * tokens, tokens_len: the owner tokens in the order of the message, at most 256 of
 *                     MICROMINT_OWNER_TOKEN_SIZE bytes each, one after the other.
 * data, data_len:     the decoded coins of the message.
 * authenticator_out:  room for MICROMINT_AUTHENTICATOR_SIZE bytes; the authenticator.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or a size is invalid, or there are too many
 * tokens.
 */
micromint_status micromint_authenticate_payment(const uint8_t *key,
                                                size_t key_len,
                                                const uint8_t *vendor,
                                                size_t vendor_len,
                                                const uint8_t *url,
                                                size_t url_len,
                                                const uint8_t *tokens,
                                                size_t tokens_len,
                                                const uint8_t *data,
                                                size_t data_len,
                                                uint8_t *authenticator_out,
                                                micromint_error **error_out);

/**
 * The owner token of a set at a vendor.
 *
 * key, key_len:       K_U, MICROMINT_KEY_SIZE bytes.
 * vendor, vendor_len: the Vendor-ID.
 * first_superbin:     the first superbin of the set.
 * token_out:          room for MICROMINT_OWNER_TOKEN_SIZE bytes; the token.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the size of the key is invalid.
 */
micromint_status micromint_user_owner_token(const uint8_t *key,
                                            size_t key_len,
                                            const uint8_t *vendor,
                                            size_t vendor_len,
                                            uint32_t first_superbin,
                                            uint8_t *token_out,
                                            micromint_error **error_out);

/**
 * The authenticator of a Request-Credit.
 *
 * key, key_len:               K_U, MICROMINT_KEY_SIZE bytes.
 * request_id, request_id_len: the Request-ID.
 * data, data_len:             the decoded balls of the message.
 * authenticator_out:          room for MICROMINT_AUTHENTICATOR_SIZE bytes; the authenticator.
 *
 * Errors: MICROMINT_ERROR_TEXT; MICROMINT_ERROR_ARGUMENT if the size of the key is invalid.
 */
micromint_status micromint_authenticate_credit(const uint8_t *key,
                                               size_t key_len,
                                               const uint8_t *request_id,
                                               size_t request_id_len,
                                               const uint8_t *data,
                                               size_t data_len,
                                               uint8_t *authenticator_out,
                                               micromint_error **error_out);

/**
 * The authenticator of a Request-Redemption.
 *
 * key, key_len:           K_V, MICROMINT_KEY_SIZE bytes.
 * vendor, vendor_len:     the Vendor-ID.
 * period, period_len:     the period of the batch.
 * batch_id, batch_id_len: the Batch-ID.
 * data, data_len:         the decoded records of the message.
 * authenticator_out:      room for MICROMINT_AUTHENTICATOR_SIZE bytes; the authenticator.
 *
 * Errors: MICROMINT_ERROR_TEXT; MICROMINT_ERROR_ARGUMENT if the Vendor-ID, the period or the size
 * of the key is invalid.
 */
micromint_status micromint_authenticate_redemption(const uint8_t *key,
                                                   size_t key_len,
                                                   const uint8_t *vendor,
                                                   size_t vendor_len,
                                                   const uint8_t *period,
                                                   size_t period_len,
                                                   const uint8_t *batch_id,
                                                   size_t batch_id_len,
                                                   const uint8_t *data,
                                                   size_t data_len,
                                                   uint8_t *authenticator_out,
                                                   micromint_error **error_out);

/**
 * Parses a message of any type and checks the form of every field.
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
 * Parses a Request-Payment from the header field MicroMint-Request of a 402, whose body may be for
 * people.
 *
 * value, value_len: the value of the field.
 * message_out:      the message.
 *
 * Errors: MICROMINT_ERROR_MESSAGE.
 */
micromint_status micromint_message_from_header(const uint8_t *value,
                                               size_t value_len,
                                               micromint_message **message_out,
                                               micromint_error **error_out);

/**
 * Encodes a message as the value of a header field: a Payment for MicroMint-Payment, with a
 * request of any method and its own body. Servers accept header fields of 8 KB, which is about 60
 * coins.
 *
 * value_out: a buffer with the value.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_message_to_header(const micromint_message *message,
                                             micromint_buffer **value_out,
                                             micromint_error **error_out);

/**
 * The type of a message, such as "Payment".
 *
 * text_out, text_len_out: the text, valid until the message is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_message_type(const micromint_message *message,
                                        const uint8_t **text_out,
                                        size_t *text_len_out,
                                        micromint_error **error_out);

/**
 * The value of a header of a message.
 *
 * name, name_len:         the header's name, case-insensitive, such as "User-ID".
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
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_message_data(const micromint_message *message,
                                        const uint8_t **data_out,
                                        size_t *data_len_out,
                                        micromint_error **error_out);

/**
 * Prints a message in its canonical form, with lines ending in CRLF.
 *
 * bytes_out: a buffer with the text.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_message_print(const micromint_message *message,
                                         micromint_buffer **bytes_out,
                                         micromint_error **error_out);

/**
 * Frees a message. NULL is allowed.
 */
void micromint_message_free(micromint_message *message);

/**
 * Parses a PERIOD.params file (TOML).
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
 * Prints a PERIOD.params file (TOML).
 *
 * toml_out: a buffer with the text.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_params_to_toml(const micromint_params *params,
                                          micromint_buffer **toml_out,
                                          micromint_error **error_out);

/**
 * k, the balls in a coin, 2 to MICROMINT_COIN_SIZE_MAX. NULL gives 0.
 */
size_t micromint_params_coin_size(const micromint_params *params);

/**
 * What a coin of the period is worth.
 *
 * units_out:                      the amount in units of 10^-8 of the currency, 1 to 10^14. 0.01
 *                                 USD is 1000000 units.
 * currency_out, currency_len_out: the code of the currency (ISO 4217), three letters A-Z, valid
 *                                 until the parameters are freed; no final NUL. XTS is for tests.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_params_coin_value(const micromint_params *params,
                                             uint64_t *units_out,
                                             const uint8_t **currency_out,
                                             size_t *currency_len_out,
                                             micromint_error **error_out);

/**
 * The hash of an input: the 64-bit output, whose leading n bits are y.
 *
 * params:   the period, for its hash function and iv.
 * x:        below 2^56 for des, 2^60 for sha256.
 * hash_out: the output.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for a larger x.
 */
micromint_status micromint_hash(const micromint_params *params,
                                uint64_t x,
                                uint64_t *hash_out,
                                micromint_error **error_out);

/**
 * The vector of a user, h'(User-ID): k-1 differences of superbins.
 *
 * params:          the period, for its name and sizes.
 * user, user_len:  the User-ID.
 * differences_out: an array of MICROMINT_COIN_SIZE_MAX numbers, of which k-1 are written.
 * count_out:       k-1.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid or has no vector.
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
 * params:             the period, for its name and sizes.
 * vendor, vendor_len: the Vendor-ID.
 * differences_out:    an array of MICROMINT_COIN_SIZE_MAX numbers, of which k-1 are written.
 * count_out:          k-1.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
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
 * Reads the configuration of a mint, as `coinmint init` writes it.
 *
 * config, config_len: the path of mint.toml.
 * mint_out:           the mint; nothing is created on disk yet.
 *
 * Errors: MICROMINT_ERROR_FILE if it cannot be read, or if others can read it, because it contains
 * the input key; MICROMINT_ERROR_CONFIG with the name of the key, also for a weak choice that the
 * configuration does not allow.
 */
micromint_status micromint_mint_open(const uint8_t *config,
                                     size_t config_len,
                                     micromint_mint **mint_out,
                                     micromint_error **error_out);

/**
 * The public parameters, for vendors and clients.
 *
 * params_out: a copy.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_mint_params(const micromint_mint *mint,
                                       micromint_params **params_out,
                                       micromint_error **error_out);

/**
 * Makes the coin file, or continues making it, until it is complete. It can be stopped at any
 * time, by `progress` or by killing the process, and run again.
 *
 * threads:   1 to 1024; 0 is one for each core.
 * memory:    about how much memory it may use, in bytes, at least 16 MiB; 0 is
 *            MICROMINT_MINT_MEMORY_DEFAULT.
 * progress:  NULL if not wanted.
 * userdata:  passed to `progress`.
 * balls_out: the balls in the complete file.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for another number of threads or amount of memory,
 * MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if the file is in use,
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
 * Tosses one shard of a period, for minting on many machines, into the run file
 * COINFILE.run-INDEX-of-COUNT beside the coin file. It can be stopped at any time and run again.
 *
 * index:     which shard, 1 to `count`.
 * count:     the number of shards, at most 4096.
 * threads, memory, progress, userdata: as for `micromint_mint_run()`.
 * hits_out:  the balls in the complete run file.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if there is no such shard, MICROMINT_ERROR_STOPPED if
 * `progress` stopped it; MICROMINT_ERROR_FILE if the file is in use, was begun for something else,
 * is damaged or does not fit.
 */
micromint_status micromint_mint_run_shard(const micromint_mint *mint,
                                          uint32_t index,
                                          uint32_t count,
                                          size_t threads,
                                          uint64_t memory,
                                          micromint_mint_progress progress,
                                          void *userdata,
                                          uint64_t *hits_out,
                                          micromint_error **error_out);

/**
 * Hashes every ball of the coin file again, and those before it in its group.
 *
 * threads, progress, userdata: as for `micromint_mint_run()`.
 * faults_out:                  the number of faults: 0 for a valid file.
 * report_out:                  a buffer with the first of them, one sentence per line.
 *
 * Errors: MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if the file
 * cannot be read, or is of another period.
 */
micromint_status micromint_mint_verify(const micromint_mint *mint,
                                       size_t threads,
                                       micromint_mint_progress progress,
                                       void *userdata,
                                       uint64_t *faults_out,
                                       micromint_buffer **report_out,
                                       micromint_error **error_out);

/**
 * Frees a mint. NULL is allowed.
 */
void micromint_mint_free(micromint_mint *mint);

/**
 * Makes the coin file from the run files of all shards, which are beside it. It can be stopped at
 * any time and run again.
 *
 * memory, progress, userdata: as for `micromint_mint_run()`.
 * balls_out:                  the balls in the complete file.
 *
 * Errors: MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if a run file is
 * missing, damaged or of something else, or the coin file is in use, is of another period or does
 * not fit.
 */
micromint_status micromint_mint_merge(const micromint_mint *mint,
                                      uint64_t memory,
                                      micromint_mint_progress progress,
                                      void *userdata,
                                      uint64_t *balls_out,
                                      micromint_error **error_out);

/**
 * Makes one part of the coin file from the run files of all shards, which are beside it, so that
 * several processes, on several machines with one file system, share the work. The process that
 * makes the last part completes the file. The number of parts is independent of the number of
 * shards. It can be stopped and run again.
 *
 * index:                      which part, 1 to `count`.
 * count:                      the number of parts, at most 4096.
 * memory, progress, userdata: as for `micromint_mint_run()`.
 * missing_out:                the number of parts that are not made yet; 0 if the file is
 *                             complete, or another process is about to complete it.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if there is no such part, else as for `micromint_mint_merge()`.
 */
micromint_status micromint_mint_merge_part(const micromint_mint *mint,
                                           uint32_t index,
                                           uint32_t count,
                                           uint64_t memory,
                                           micromint_mint_progress progress,
                                           void *userdata,
                                           uint32_t *missing_out,
                                           micromint_error **error_out);

/**
 * The progress of the coin file. Another process may be minting it meanwhile.
 *
 * state_out: the state.
 *
 * Errors: MICROMINT_ERROR_FILE if the file cannot be read, is damaged or of another period.
 */
micromint_status micromint_mint_inspect(const micromint_mint *mint,
                                        micromint_mint_state **state_out,
                                        micromint_error **error_out);

/**
 * The phase of the mint. NULL gives MICROMINT_MINT_NOT_BEGUN.
 */
micromint_mint_phase micromint_mint_state_phase(const micromint_mint_state *mint_state);

/**
 * How much of this phase is done and on disk; 0 if there is nothing to do. NULL gives 0.
 */
uint64_t micromint_mint_state_done(const micromint_mint_state *mint_state);

/**
 * How much there is to do in this phase. NULL gives 0.
 */
uint64_t micromint_mint_state_total(const micromint_mint_state *mint_state);

/**
 * The balls in a complete file. NULL gives 0.
 */
uint64_t micromint_mint_state_balls(const micromint_mint_state *mint_state);

/**
 * The CRC-32C over all bins of a complete file, as they were minted. NULL gives 0.
 */
uint32_t micromint_mint_state_checksum(const micromint_mint_state *mint_state);

/**
 * Frees a state. NULL is allowed.
 */
void micromint_mint_state_free(micromint_mint_state *mint_state);

/**
 * Measures how fast this machine tosses balls for a period, to estimate how long its minting
 * takes.
 *
 * threads:     1 to 1024; 0 is one for each core.
 * seconds:     the duration, 1 to 60.
 * tosses_out:  tosses per second.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for other numbers.
 */
micromint_status micromint_mint_measure(const micromint_mint *mint,
                                        size_t threads,
                                        uint32_t seconds,
                                        double *tosses_out,
                                        micromint_error **error_out);

/**
 * Makes options in which nothing is set. The profile, the period, the broker and the value of a
 * coin must be set.
 */
micromint_period_options *micromint_period_options_new(void);

/**
 * Sets the hash function and the sizes.
 *
 * profile, profile_len: test, demo, small, small-sha256 or national
 *                       (docs/reference/minting.md).
 */
void micromint_period_options_set_profile(micromint_period_options *period_options,
                                          const uint8_t *profile,
                                          size_t profile_len);

/**
 * Sets the period's name.
 *
 * period, period_len: the name, such as 2026-12.
 */
void micromint_period_options_set_period(micromint_period_options *period_options,
                                         const uint8_t *period,
                                         size_t period_len);

/**
 * Sets the broker's URL, which vendors and clients see.
 *
 * broker, broker_len: the URL.
 */
void micromint_period_options_set_broker(micromint_period_options *period_options,
                                         const uint8_t *broker,
                                         size_t broker_len);

/**
 * Sets the value of a coin.
 *
 * coin_value, coin_value_len: an amount with at most 8 decimals and an ISO 4217 code, such
 *                             as 0.01 USD.
 */
void micromint_period_options_set_coin_value(micromint_period_options *period_options,
                                             const uint8_t *coin_value,
                                             size_t coin_value_len);

/**
 * Sets the time in which vendors accept the coins. Not set: the period's name is a month, and
 * vendors accept from its first day to its last.
 *
 * start:      the first moment, in seconds since 1970-01-01 00:00 UTC.
 * expiration: the end, likewise.
 */
void micromint_period_options_set_times(micromint_period_options *period_options,
                                        int64_t start,
                                        int64_t expiration);

/**
 * Sets whether weak choices are allowed, such as the test profile.
 *
 * allows_weak: false if it is not set.
 */
void micromint_period_options_set_weak(micromint_period_options *period_options, bool allows_weak);

/**
 * Frees options. NULL is allowed.
 */
void micromint_period_options_free(micromint_period_options *period_options);

/**
 * Writes the configuration of a new period into a new file of mode 0600; iv, fixed bits and input
 * key are random. Keep it secret: the input key reveals which balls are the broker's.
 *
 * config, config_len: the path of the file; the coin file will be in the same folder.
 * period_options:     what the broker chooses.
 * host:               randomness; NULL for the system's.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the profile, the name of the period or the amount of money
 * is invalid, MICROMINT_ERROR_CONFIG for a weak choice that is not allowed, or a name that is not
 * a month if no times are given; MICROMINT_ERROR_FILE if the file exists or cannot be written.
 */
micromint_status micromint_mint_init(const uint8_t *config,
                                     size_t config_len,
                                     const micromint_period_options *period_options,
                                     const micromint_host *host,
                                     micromint_error **error_out);

/**
 * What a configuration will yield and cost.
 *
 * plan_out:     the numbers.
 * warnings_out: a buffer with what is unwise about it, one sentence per line; may be empty.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_mint_plan(const micromint_mint *mint,
                                     micromint_plan **plan_out,
                                     micromint_buffer **warnings_out,
                                     micromint_error **error_out);

/**
 * The bins of the coin file. NULL gives 0.
 */
uint64_t micromint_plan_bins(const micromint_plan *plan);

/**
 * The size of the coin file, in bytes. NULL gives 0.
 */
uint64_t micromint_plan_file_size(const micromint_plan *plan);

/**
 * The tosses of minting. NULL gives 0.
 */
uint64_t micromint_plan_tosses(const micromint_plan *plan);

/**
 * The sets that can be sold. NULL gives 0.
 */
uint64_t micromint_plan_sets(const micromint_plan *plan);

/**
 * The balls expected in the coin file. NULL gives 0.
 */
double micromint_plan_balls(const micromint_plan *plan);

/**
 * The coins expected in a set. NULL gives 0.
 */
double micromint_plan_coins_per_set(const micromint_plan *plan);

/**
 * The number of coins of a set that can be spent at one given vendor. NULL gives 0.
 */
double micromint_plan_spendable_per_set(const micromint_plan *plan);

/**
 * The tosses that the first coin forged for one user and one vendor costs. NULL gives 0.
 */
double micromint_plan_first_forgery_tosses(const micromint_plan *plan);

/**
 * Frees a plan. NULL is allowed.
 */
void micromint_plan_free(micromint_plan *plan);

/**
 * Creates the broker's secret, one for all periods, in a new file of mode 0600.
 *
 * path, path_len: the file.
 * host:           randomness; NULL for the system's.
 * secret_out:     room for MICROMINT_KEY_SIZE bytes; the secret.
 *
 * Errors: MICROMINT_ERROR_FILE if the file exists or cannot be written.
 */
micromint_status micromint_secret_create(const uint8_t *path,
                                         size_t path_len,
                                         const micromint_host *host,
                                         uint8_t *secret_out,
                                         micromint_error **error_out);

/**
 * Reads the broker's secret.
 *
 * path, path_len: the file, which only its owner may be able to read.
 * secret_out:     room for MICROMINT_KEY_SIZE bytes; the secret.
 *
 * Errors: MICROMINT_ERROR_FILE if it cannot be read, others can read it, or its content is
 * invalid.
 */
micromint_status micromint_secret_read(const uint8_t *path,
                                       size_t path_len,
                                       uint8_t *secret_out,
                                       micromint_error **error_out);

/**
 * Makes a policy with which every price is asked for, without a daily limit, and nothing is paid
 * over http.
 */
micromint_policy *micromint_policy_new(void);

/**
 * Sets the highest price that is paid without asking.
 *
 * coins: the price, less than 2^32; 0 if it is not set.
 */
void micromint_policy_set_autopay(micromint_policy *policy, int64_t coins);

/**
 * Sets the largest number of coins that may be sent for the first time in one UTC day.
 *
 * coins: the number, less than 2^32. Not set: there is no limit.
 */
void micromint_policy_set_daily_limit(micromint_policy *policy, int64_t coins);

/**
 * Sets whether to pay over http too, where others can eavesdrop.
 *
 * allows_http: false if it is not set.
 */
void micromint_policy_set_http(micromint_policy *policy, bool allows_http);

/**
 * Frees a policy. NULL is allowed.
 */
void micromint_policy_free(micromint_policy *policy);

/**
 * Parses the first challenge that coins can answer in a WWW-Authenticate of a 402. A MicroMint
 * vendor also sends MicroMint-Request (`micromint_message_from_header()`); other servers may know
 * only the scheme.
 *
 * value, value_len: the value of the header field; call this function with each of them.
 * challenge_out:    the challenge.
 *
 * Errors: MICROMINT_ERROR_TEXT, MICROMINT_ERROR_ABSENT if there is none.
 */
micromint_status micromint_challenge_parse(const uint8_t *value,
                                           size_t value_len,
                                           micromint_challenge **challenge_out,
                                           micromint_error **error_out);

/**
 * What a challenge asks for, for `micromint_wallet_pay()`.
 *
 * message_out: the Request-Payment.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_challenge_request(const micromint_challenge *challenge,
                                             micromint_message **message_out,
                                             micromint_error **error_out);

/**
 * Whether a challenge has expired, so that a payment that answers it would be refused. NULL gives
 * true.
 *
 * now: the time, in seconds since 1970-01-01 00:00 UTC.
 */
bool micromint_challenge_has_ended(const micromint_challenge *challenge, int64_t now);

/**
 * Makes the header field that answers a challenge with a payment: send it with the repeated
 * request, method and body unchanged. Servers accept header fields of 8 KB, which is about 40
 * coins.
 *
 * payment, payment_len:   the Payment message.
 * name_out, name_len_out: the field's name; static, no final NUL. If it is Authorization and the
 *                         request already has one, use Payment-Authorization.
 * value_out:              a buffer with its value.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is not a Payment.
 */
micromint_status micromint_challenge_answer(const micromint_challenge *challenge,
                                            const uint8_t *payment,
                                            size_t payment_len,
                                            const uint8_t **name_out,
                                            size_t *name_len_out,
                                            micromint_buffer **value_out,
                                            micromint_error **error_out);

/**
 * Frees a challenge. NULL is allowed.
 */
void micromint_challenge_free(micromint_challenge *challenge);

/**
 * Parses the Payment-Receipt of a response.
 *
 * value, value_len:     the value of the header field.
 * payment, payment_len: the Payment message that was sent.
 * is_ours_out:          whether the receipt is for this payment.
 *
 * Errors: MICROMINT_ERROR_TEXT, MICROMINT_ERROR_MESSAGE if the receipt or the Payment is invalid.
 */
micromint_status micromint_payment_receipt_check(const uint8_t *value,
                                                 size_t value_len,
                                                 const uint8_t *payment,
                                                 size_t payment_len,
                                                 bool *is_ours_out,
                                                 micromint_error **error_out);

/**
 * Opens a wallet file, and creates it with mode 0600 if it does not exist.
 *
 * path, path_len: its path.
 * host:           clock and randomness; NULL for the system's.
 * wallet_out:     the wallet.
 *
 * Errors: MICROMINT_ERROR_FILE if it cannot be opened, is damaged, or is not a wallet.
 */
micromint_status micromint_wallet_open(const uint8_t *path,
                                       size_t path_len,
                                       const micromint_host *host,
                                       micromint_wallet **wallet_out,
                                       micromint_error **error_out);

/**
 * Stores sets if every ball is genuine. They are on disk when this returns.
 *
 * message, message_len: a Funds-Withdrawn message.
 * received_out:         what became of it; a message that is not genuine is not an error.
 * coins_out:            the new coins; 0 unless the sets are new.
 * reason_out:           with MICROMINT_RECEIVED_REFUSED a buffer with the reason; else NULL.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is not a Funds-Withdrawn; MICROMINT_ERROR_FILE:
 * receive it again.
 */
micromint_status micromint_wallet_receive(micromint_wallet *wallet,
                                          const uint8_t *message,
                                          size_t message_len,
                                          micromint_received *received_out,
                                          uint32_t *coins_out,
                                          micromint_buffer **reason_out,
                                          micromint_error **error_out);

/**
 * Stores sets that this program fetched from a broker's own web page, if the page is one of the
 * broker that the message names and every ball is genuine. If the page was fetched over https or
 * from this machine, the coins are spent before those of unknown origin. Otherwise like
 * `micromint_wallet_receive()`.
 *
 * page, page_len:       the URL of the page, after all redirects.
 * message, message_len: a Funds-Withdrawn message, the body of the page's answer.
 * received_out:         what became of it; a message that is not genuine is not an error.
 * coins_out:            the new coins; 0 unless the sets are new.
 * reason_out:           with MICROMINT_RECEIVED_REFUSED a buffer with the reason; else NULL.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the URL is invalid, MICROMINT_ERROR_MESSAGE if the message
 * is not a Funds-Withdrawn; MICROMINT_ERROR_FILE: receive it again.
 */
micromint_status micromint_wallet_receive_from(micromint_wallet *wallet,
                                               const uint8_t *page,
                                               size_t page_len,
                                               const uint8_t *message,
                                               size_t message_len,
                                               micromint_received *received_out,
                                               uint32_t *coins_out,
                                               micromint_buffer **reason_out,
                                               micromint_error **error_out);

/**
 * Reads what other processes wrote meanwhile. Every function that writes does this by itself.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_refresh(micromint_wallet *wallet, micromint_error **error_out);

/**
 * Decides about a Request-Payment that answered a fetch. Coins that will be sent are recorded as
 * spent, on disk, when this returns.
 *
 * request, request_len: the Request-Payment message.
 * url, url_len:         the requested URL, after the redirects of the unpaid request.
 * method, method_len:   the method of the fetch, such as GET.
 * body, body_len:       the body of the fetch.
 * policy:               what the owner allows.
 * pay_out:              what to do.
 * payment_out:          its number, for `micromint_wallet_record_outcome()`; 0 if there is none.
 * message_out:          a buffer: the Payment message to send; the price to ask for, with
 *                       MICROMINT_PAY_ASK; the reason, with MICROMINT_PAY_REFUSE; the URL of the
 *                       manifest, with MICROMINT_PAY_NEEDS_CONSENT.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Payment,
 * MICROMINT_ERROR_ARGUMENT if the URL or a number of the policy is invalid, MICROMINT_ERROR_FILE:
 * then nothing may be sent; MICROMINT_ERROR_STATE if the file is a backup.
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
 * Records what became of a payment. Do not call it if no complete answer came: the payment stays
 * unknown, and `micromint_wallet_pay()` sends it again without further coins. Call
 * `micromint_wallet_resend_after()` first.
 *
 * payment:                      its number.
 * status:                       the status of the vendor's answer.
 * word, word_len:               the value of its header MicroMint-Status; empty if there is none.
 * outcome_out, outcome_len_out: `paid`, `refused`, `not-kept`; `not-seen` if the server itself
 *                               refused the request, which `micromint_wallet_pay()` then pays
 *                               with the same message, to send in the other form; or `unknown` if
 *                               the answer does not decide it; static, no final NUL.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there is no such payment; MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_record_outcome(micromint_wallet *wallet,
                                                 uint32_t payment,
                                                 uint32_t status,
                                                 const uint8_t *word,
                                                 size_t word_len,
                                                 const uint8_t **outcome_out,
                                                 size_t *outcome_len_out,
                                                 micromint_error **error_out);

/**
 * Frees a wallet. NULL is allowed.
 */
void micromint_wallet_free(micromint_wallet *wallet);

/**
 * Checks the manifest of a vendor for which `micromint_wallet_pay()` answered
 * MICROMINT_PAY_NEEDS_CONSENT. If it consents, call that function again: it does not ask again for
 * coins of the same period.
 *
 * manifest, manifest_len: the body of the answer, which came with status 200 and without a
 *                         redirect.
 * is_given_out:           whether it names the origin of the page.
 * reason_out:             if not, a buffer with the reason; else NULL.
 *
 * Errors: MICROMINT_ERROR_STATE if the last call of `micromint_wallet_pay()` did not ask for a
 * manifest; MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_take_consent(micromint_wallet *wallet,
                                               const uint8_t *manifest,
                                               size_t manifest_len,
                                               bool *is_given_out,
                                               micromint_buffer **reason_out,
                                               micromint_error **error_out);

/**
 * In how many seconds to send the same payment again, if the vendor does not know its coins yet:
 * they were bought a moment ago. Do not call `micromint_wallet_record_outcome()` until this
 * function gives 0: then the answer is final.
 *
 * status:                       the status of the vendor's answer.
 * word, word_len:               the value of its header MicroMint-Status; empty if there is none.
 * retry_after, retry_after_len: the value of its header Retry-After; empty if there is none.
 * first_sent:                   when the payment was sent first, in seconds since 1970-01-01 00:00
 *                               UTC; it is sent again for two minutes.
 * seconds_out:                  the seconds, at most 30; 0 if the answer is final.
 *
 * Errors: MICROMINT_ERROR_TEXT.
 */
micromint_status micromint_wallet_resend_after(const micromint_wallet *wallet,
                                               uint32_t status,
                                               const uint8_t *word,
                                               size_t word_len,
                                               const uint8_t *retry_after,
                                               size_t retry_after_len,
                                               int64_t first_sent,
                                               uint32_t *seconds_out,
                                               micromint_error **error_out);

/**
 * Stores the receipt from the answer to a payment, so that the page can be fetched again free of
 * charge.
 *
 * payment:                its number.
 * cookie, cookie_len:     the value of a header Set-Cookie of the answer; call this function with
 *                         each.
 * is_receipt_out:         whether it is a receipt and was stored; other cookies are ignored.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there is no such payment; MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_keep_receipt(micromint_wallet *wallet,
                                               uint32_t payment,
                                               const uint8_t *cookie,
                                               size_t cookie_len,
                                               bool *is_receipt_out,
                                               micromint_error **error_out);

/**
 * The receipts that may open a page, if the wallet has valid ones.
 *
 * url, url_len: the page. Send the receipts only with requests for this very URL.
 * cookie_out:   a buffer with the value for a header Cookie.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the URL is invalid, MICROMINT_ERROR_ABSENT if there is no
 * receipt.
 */
micromint_status micromint_wallet_receipt(const micromint_wallet *wallet,
                                          const uint8_t *url,
                                          size_t url_len,
                                          micromint_buffer **cookie_out,
                                          micromint_error **error_out);

/**
 * Copies the wallet into a new file of mode 0600 that is marked as a backup, so that it cannot be
 * spent from by mistake: coins that are spent later are still in it.
 *
 * path, path_len: the new file.
 *
 * Errors: MICROMINT_ERROR_FILE if it exists or cannot be written.
 */
micromint_status micromint_wallet_backup(micromint_wallet *wallet,
                                         const uint8_t *path,
                                         size_t path_len,
                                         micromint_error **error_out);

/**
 * Makes a wallet from a backup and opens it.
 *
 * backup, backup_len: the backup.
 * path, path_len:     the new wallet file.
 * is_spendable:       whether the owner says that no coin was spent since the backup was made;
 *                     otherwise its coins can only be returned.
 * host:               clock and randomness; NULL for the system's.
 * wallet_out:         the wallet.
 *
 * Errors: MICROMINT_ERROR_STATE if the file is not a backup or the new file exists;
 * MICROMINT_ERROR_FILE.
 */
micromint_status micromint_wallet_restore(const uint8_t *backup,
                                          size_t backup_len,
                                          const uint8_t *path,
                                          size_t path_len,
                                          bool is_spendable,
                                          const micromint_host *host,
                                          micromint_wallet **wallet_out,
                                          micromint_error **error_out);

/**
 * The number of received sales. NULL gives 0.
 */
size_t micromint_wallet_past_sale_count(const micromint_wallet *wallet);

/**
 * A received sale.
 *
 * index:    its number, from 0.
 * sale_out: the sale.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_wallet_past_sale(const micromint_wallet *wallet,
                                            size_t index,
                                            micromint_past_sale **sale_out,
                                            micromint_error **error_out);

/**
 * When a sale was received, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
 */
int64_t micromint_past_sale_at(const micromint_past_sale *past_sale);

/**
 * The holding that its sets belong to. NULL gives 0.
 */
size_t micromint_past_sale_holding(const micromint_past_sale *past_sale);

/**
 * The number of the sale at the broker. NULL gives 0.
 */
uint64_t micromint_past_sale_transaction(const micromint_past_sale *past_sale);

/**
 * The sets of a sale. NULL gives 0.
 */
uint32_t micromint_past_sale_sets(const micromint_past_sale *past_sale);

/**
 * Frees a past sale. NULL is allowed.
 */
void micromint_past_sale_free(micromint_past_sale *past_sale);

/**
 * The number of returns. NULL gives 0.
 */
size_t micromint_wallet_past_return_count(const micromint_wallet *wallet);

/**
 * A return.
 *
 * index:      its number, from 0.
 * return_out: the return.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_wallet_past_return(const micromint_wallet *wallet,
                                              size_t index,
                                              micromint_past_return **return_out,
                                              micromint_error **error_out);

/**
 * When a return was sent, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
 */
int64_t micromint_past_return_at(const micromint_past_return *past_return);

/**
 * The holding that the coins were taken from. NULL gives 0.
 */
size_t micromint_past_return_holding(const micromint_past_return *past_return);

/**
 * The broker's number for the return, if it is answered. NULL gives 0.
 */
uint64_t micromint_past_return_transaction(const micromint_past_return *past_return);

/**
 * The coins of a return. NULL gives 0.
 */
uint32_t micromint_past_return_coins(const micromint_past_return *past_return);

/**
 * The coins that were credited. NULL gives 0.
 */
uint32_t micromint_past_return_credited(const micromint_past_return *past_return);

/**
 * The coins that wait for a verdict, or for an answer. NULL gives 0.
 */
uint32_t micromint_past_return_waiting(const micromint_past_return *past_return);

/**
 * Whether an answer was recorded. NULL gives false.
 */
bool micromint_past_return_is_answered(const micromint_past_return *past_return);

/**
 * The Request-ID, which identifies the return at the broker.
 *
 * request_out, request_len_out: the text, valid until the return is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_past_return_request(const micromint_past_return *past_return,
                                               const uint8_t **request_out,
                                               size_t *request_len_out,
                                               micromint_error **error_out);

/**
 * Frees a past return. NULL is allowed.
 */
void micromint_past_return_free(micromint_past_return *past_return);

/**
 * Whether nothing can be spent from the file: it is a backup, or the wallet was moved to another
 * file. NULL gives false.
 */
bool micromint_wallet_is_backup(const micromint_wallet *wallet);

/**
 * The number of holdings. NULL gives 0.
 */
size_t micromint_wallet_holding_count(const micromint_wallet *wallet);

/**
 * A holding.
 *
 * holding:     its number, from 0.
 * holding_out: its owner, its period and its coins.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_wallet_holding(const micromint_wallet *wallet,
                                          size_t holding,
                                          micromint_holding **holding_out,
                                          micromint_error **error_out);

/**
 * The User-ID of the owner.
 *
 * user_out, user_len_out: the text, valid until the holding is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_holding_user(const micromint_holding *holding,
                                        const uint8_t **user_out,
                                        size_t *user_len_out,
                                        micromint_error **error_out);

/**
 * The period of the coins.
 *
 * period_out, period_len_out: the text, valid until the holding is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_holding_period(const micromint_holding *holding,
                                          const uint8_t **period_out,
                                          size_t *period_len_out,
                                          micromint_error **error_out);

/**
 * Sets. NULL gives 0.
 */
uint32_t micromint_holding_sets(const micromint_holding *holding);

/**
 * Coins that were never sent and may be spent. Somewhat fewer are usable at a given vendor. NULL
 * gives 0.
 */
uint32_t micromint_holding_unspent(const micromint_holding *holding);

/**
 * Coins of a restored backup, which may have been spent since: they can only be returned. NULL
 * gives 0.
 */
uint32_t micromint_holding_in_doubt(const micromint_holding *holding);

/**
 * Coins that were paid; the content arrived. NULL gives 0.
 */
uint32_t micromint_holding_paid(const micromint_holding *holding);

/**
 * Coins that were sent and are bound to a vendor, which did not confirm them. NULL gives 0.
 */
uint32_t micromint_holding_bound(const micromint_holding *holding);

/**
 * Coins that were returned to the broker. NULL gives 0.
 */
uint32_t micromint_holding_returned(const micromint_holding *holding);

/**
 * The parameters of the period of a holding: when its coins expire, what they are worth, who its
 * broker is.
 *
 * params_out: a copy.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_holding_params(const micromint_holding *holding,
                                          micromint_params **params_out,
                                          micromint_error **error_out);

/**
 * Frees a holding. NULL is allowed.
 */
void micromint_holding_free(micromint_holding *holding);

/**
 * The number of coins of a holding that are usable at a vendor now: those that have all their
 * balls there, and are in the wallet or were given back by this vendor.
 *
 * holding:            its number, from 0.
 * vendor, vendor_len: the Vendor-ID.
 * coins_out:          the coins.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid, MICROMINT_ERROR_ABSENT if there is
 * no such holding.
 */
micromint_status micromint_wallet_coins_at(const micromint_wallet *wallet,
                                           size_t holding,
                                           const uint8_t *vendor,
                                           size_t vendor_len,
                                           uint32_t *coins_out,
                                           micromint_error **error_out);

/**
 * The number of payments. NULL gives 0.
 */
size_t micromint_wallet_past_payment_count(const micromint_wallet *wallet);

/**
 * A payment.
 *
 * index:       its number, from 0, as returned by `micromint_wallet_pay()`.
 * payment_out: the payment.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_wallet_past_payment(const micromint_wallet *wallet,
                                               size_t index,
                                               micromint_past_payment **payment_out,
                                               micromint_error **error_out);

/**
 * When a payment was sent first, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
 */
int64_t micromint_past_payment_at(const micromint_past_payment *past_payment);

/**
 * When the outcome was learned, in seconds since 1970-01-01 00:00 UTC; 0 while it is unknown. NULL
 * gives 0.
 */
int64_t micromint_past_payment_outcome_at(const micromint_past_payment *past_payment);

/**
 * The holding that the coins were taken from. NULL gives 0.
 */
size_t micromint_past_payment_holding(const micromint_past_payment *past_payment);

/**
 * The coins of a payment. NULL gives 0.
 */
uint32_t micromint_past_payment_coins(const micromint_past_payment *past_payment);

/**
 * The number of coins that were sent for the first time. NULL gives 0.
 */
uint32_t micromint_past_payment_fresh(const micromint_past_payment *past_payment);

/**
 * The Vendor-ID.
 *
 * vendor_out, vendor_len_out: the text, valid until the payment is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_past_payment_vendor(const micromint_past_payment *past_payment,
                                               const uint8_t **vendor_out,
                                               size_t *vendor_len_out,
                                               micromint_error **error_out);

/**
 * The page.
 *
 * url_out, url_len_out: the text, valid until the payment is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_past_payment_url(const micromint_past_payment *past_payment,
                                            const uint8_t **url_out,
                                            size_t *url_len_out,
                                            micromint_error **error_out);

/**
 * The method of the fetch.
 *
 * method_out, method_len_out: the text, valid until the payment is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_past_payment_method(const micromint_past_payment *past_payment,
                                               const uint8_t **method_out,
                                               size_t *method_len_out,
                                               micromint_error **error_out);

/**
 * What was bought, in the vendor's words: printable ASCII.
 *
 * description_out, description_len_out: the text, valid until the payment is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_past_payment_description(const micromint_past_payment *past_payment,
                                                    const uint8_t **description_out,
                                                    size_t *description_len_out,
                                                    micromint_error **error_out);

/**
 * What became of a payment: unknown, paid, refused, not-kept or not-seen.
 *
 * outcome_out, outcome_len_out: the text, valid until the payment is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_past_payment_outcome(const micromint_past_payment *past_payment,
                                                const uint8_t **outcome_out,
                                                size_t *outcome_len_out,
                                                micromint_error **error_out);

/**
 * The reason of an outcome, in the vendor's words: printable ASCII; empty if there is none.
 *
 * reason_out, reason_len_out: the text, valid until the payment is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_past_payment_reason(const micromint_past_payment *past_payment,
                                               const uint8_t **reason_out,
                                               size_t *reason_len_out,
                                               micromint_error **error_out);

/**
 * Frees a past payment. NULL is allowed.
 */
void micromint_past_payment_free(micromint_past_payment *past_payment);

/**
 * Which holding an invitation to return coins is about. Its Return-URL is then that of the broker
 * that sold them, and `micromint_wallet_return()` makes the message to send there. If it is about
 * several holdings, the number is that of the first one that has something to return: call the
 * function again after `micromint_wallet_credit()`.
 *
 * message, message_len: the Send-Expired message.
 * holding_out:          the number of the holding.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is not a Send-Expired, MICROMINT_ERROR_STATE if
 * the wallet has no coins of this user, period and broker.
 */
micromint_status micromint_wallet_invited(const micromint_wallet *wallet,
                                          const uint8_t *message,
                                          size_t message_len,
                                          size_t *holding_out,
                                          micromint_error **error_out);

/**
 * Takes the returnable coins of a holding out of the wallet and makes the message that returns
 * them to the broker for credit. Send it until an answer comes, then call
 * `micromint_wallet_credit()`. Until an answer is recorded, the function makes the same message
 * again.
 *
 * holding:     its number.
 * message_out: a buffer with the Request-Credit message.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there is no such holding, or nothing to return, or the broker
 * does not take coins of the period back now;
 * MICROMINT_ERROR_FILE: then nothing may be sent; MICROMINT_ERROR_STATE if the file is a backup.
 */
micromint_status micromint_wallet_return(micromint_wallet *wallet,
                                         size_t holding,
                                         micromint_buffer **message_out,
                                         micromint_error **error_out);

/**
 * Records the broker's answer to a return.
 *
 * message, message_len: the Funds-Credited message.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is of another type, MICROMINT_ERROR_STATE if it
 * is not the broker's answer to a return of this wallet, or an earlier one than the wallet has, or
 * if the file is a backup; MICROMINT_ERROR_FILE. Nothing was credited then.
 */
micromint_status micromint_wallet_credit(micromint_wallet *wallet,
                                         const uint8_t *message,
                                         size_t message_len,
                                         micromint_error **error_out);

/**
 * Whether to serve the content; false for an answer, and for NULL.
 */
bool micromint_decision_serves(const micromint_decision *decision);

/**
 * The status of the answer: 402, 400, 503, 204 and others. 0 if the content is served, and for
 * NULL.
 */
uint32_t micromint_decision_status(const micromint_decision *decision);

/**
 * The number of header fields that the decision adds to the response. NULL gives 0.
 */
size_t micromint_decision_header_count(const micromint_decision *decision);

/**
 * A header field of the answer, including `Content-Type` but not `Content-Length`. If the content
 * is served: a field to add if its status is 2xx or 304 (MicroMint-Status with any status) and the
 * content has no field of that name; `micromint_decision_head()` merges them with existing fields.
 *
 * index:                    from 0.
 * name_out, name_len_out:   the name, valid until the decision is freed; no final NUL.
 * value_out, value_len_out: the value, likewise.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_decision_header(const micromint_decision *decision,
                                           size_t index,
                                           const uint8_t **name_out,
                                           size_t *name_len_out,
                                           const uint8_t **value_out,
                                           size_t *value_len_out,
                                           micromint_error **error_out);

/**
 * The body of the answer, also for HEAD (do not send it then); empty if the content is served.
 *
 * body_out, body_len_out: the bytes, valid until the decision is freed.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_decision_body(const micromint_decision *decision,
                                         const uint8_t **body_out,
                                         size_t *body_len_out,
                                         micromint_error **error_out);

/**
 * What became of the payment, a word for logs: free, unpaid, paid, receipt, retry, spent and the
 * others of docs/reference/http.md.
 *
 * word_out, word_len_out: the word; static, no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_decision_outcome(const micromint_decision *decision,
                                            const uint8_t **word_out,
                                            size_t *word_len_out,
                                            micromint_error **error_out);

/**
 * The User-ID of the payer, or of the sender of a refused payment, for logs; empty if there is
 * none.
 *
 * user_out, user_len_out: the User-ID, valid until the decision is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
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
 * Whether to serve the request as a GET without a body, whatever was sent: it was a payment in a
 * POST. NULL gives false.
 */
bool micromint_decision_is_as_get(const micromint_decision *decision);

/**
 * Whether to send the complete content even if the client has a fresh copy: no 304. NULL gives
 * false.
 */
bool micromint_decision_ignores_conditions(const micromint_decision *decision);

/**
 * Whether to keep the response out of shared caches: `private` in Cache-Control, and `public`,
 * `s-maxage` and CDN-Cache-Control removed. NULL gives false.
 */
bool micromint_decision_is_private(const micromint_decision *decision);

/**
 * The number of request header fields to remove before the content is made. NULL gives 0.
 */
size_t micromint_decision_strip_header_count(const micromint_decision *decision);

/**
 * The name of a request header field to remove before the content is made.
 *
 * index:                  from 0.
 * name_out, name_len_out: the name, to be compared case-insensitively; static, no final NUL.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
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
 * Makes a list of header fields without any.
 */
micromint_fields *micromint_fields_new(void);

/**
 * Adds a header field.
 *
 * name, name_len:   the name, case-insensitive; copied.
 * value, value_len: the value; copied.
 */
void micromint_fields_add(micromint_fields *fields,
                          const uint8_t *name,
                          size_t name_len,
                          const uint8_t *value,
                          size_t value_len);

/**
 * Removes all fields from a list, for the next response.
 */
void micromint_fields_clear(micromint_fields *fields);

/**
 * Frees a list of header fields. NULL is allowed.
 */
void micromint_fields_free(micromint_fields *fields);

/**
 * Merges a decision with the header fields that a response already has: those of the content, or
 * for an answer of the paywall those that the site adds to every response.
 *
 * status:      the status of the content's response; ignored if the content is not served.
 * is_reversed: the result of `micromint_paywall_finish()`.
 * fields:      the fields that the response has; NULL if it has none.
 * head_out:    what to change in them.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status.
 */
micromint_status micromint_decision_head(const micromint_decision *decision,
                                         uint32_t status,
                                         bool is_reversed,
                                         const micromint_fields *fields,
                                         micromint_head **head_out,
                                         micromint_error **error_out);

/**
 * The request as a line for logs and counters, such as `micromint paid status=200 price=1 coins=1
 * user=alice`. It never contains a key, an authenticator, a coin or a cookie.
 *
 * status:      the status that was sent.
 * is_reversed: the result of `micromint_paywall_finish()`.
 * is_json:     whether to write it as a JSON object.
 * line_out:    a buffer with the line, without its end.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status.
 */
micromint_status micromint_decision_event(const micromint_decision *decision,
                                          uint32_t status,
                                          bool is_reversed,
                                          bool is_json,
                                          micromint_buffer **line_out,
                                          micromint_error **error_out);

/**
 * The number of field names to remove. NULL gives 0.
 */
size_t micromint_head_remove_count(const micromint_head *head);

/**
 * A name whose fields are all removed.
 *
 * index:                  from 0.
 * name_out, name_len_out: the name, to be compared case-insensitively; static, no final NUL.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_head_remove(const micromint_head *head,
                                       size_t index,
                                       const uint8_t **name_out,
                                       size_t *name_len_out,
                                       micromint_error **error_out);

/**
 * The number of fields to add. NULL gives 0.
 */
size_t micromint_head_add_count(const micromint_head *head);

/**
 * A field to add.
 *
 * index:                    from 0.
 * name_out, name_len_out:   the name, valid until the head is freed; no final NUL.
 * value_out, value_len_out: the value, likewise.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_head_add(const micromint_head *head,
                                    size_t index,
                                    const uint8_t **name_out,
                                    size_t *name_len_out,
                                    const uint8_t **value_out,
                                    size_t *value_len_out,
                                    micromint_error **error_out);

/**
 * Frees a head. NULL is allowed.
 */
void micromint_head_free(micromint_head *head);

/**
 * Creates what a first start needs: the till's directory and the secret of receipts, readable only
 * by this process's user. Existing ones are left unchanged.
 *
 * config, config_len: the path of the configuration file (docs/reference/vendor.md).
 * host:               randomness, and a log for warnings; NULL for the system's and no log.
 *
 * Errors: MICROMINT_ERROR_CONFIG with file, line and key; MICROMINT_ERROR_CALLBACK if `random`
 * failed; MICROMINT_ERROR_FILE.
 */
micromint_status micromint_paywall_prepare(const uint8_t *config,
                                           size_t config_len,
                                           const micromint_host *host,
                                           micromint_error **error_out);

/**
 * Opens a paywall.
 *
 * config, config_len: the path of the configuration file (docs/reference/vendor.md).
 * host:               clock, randomness and log; NULL for the system's and no log.
 * paywall_out:        the paywall.
 *
 * Errors: MICROMINT_ERROR_CONFIG with file, line and key, also for a period's parameters;
 * MICROMINT_ERROR_FILE for the till and the secret of receipts; MICROMINT_ERROR_CALLBACK if
 * `random` failed.
 */
micromint_status micromint_paywall_open(const uint8_t *config,
                                        size_t config_len,
                                        const micromint_host *host,
                                        micromint_paywall **paywall_out,
                                        micromint_error **error_out);

/**
 * Looks at a request whose head is read, or at one whose body is set too.
 * Never waits for the disk: a payment is recorded at once if the vendor's `sync` is not `always`
 * and nothing else uses the till at this moment. A free page without a payment costs only a look
 * at the header names.
 *
 * look_out:      what to do next; never MICROMINT_LOOK_NEEDS_BODY if the body is set.
 * body_max_out:  with MICROMINT_LOOK_NEEDS_BODY, the largest useful body in bytes; else 0.
 * decision_out:  with MICROMINT_LOOK_DECIDED, the decision; else NULL.
 *
 * Errors: what is invalid in the request: MICROMINT_ERROR_ARGUMENT if the client is not an IP
 * address or a number is out of range, MICROMINT_ERROR_NULL for bytes at NULL.
 */
micromint_status micromint_paywall_look(const micromint_paywall *paywall,
                                        const micromint_request *request,
                                        micromint_look *look_out,
                                        size_t *body_max_out,
                                        micromint_decision **decision_out,
                                        micromint_error **error_out);

/**
 * Decides about a request, with its body if `micromint_paywall_look()` asked for it. A program
 * that may wait need not look first. An accepted payment is recorded. May wait for the disk.
 *
 * decision_out: the decision.
 *
 * Errors: what is invalid in the request. A till that cannot be written is not an error but an
 * answer: 503.
 */
micromint_status micromint_paywall_decide(const micromint_paywall *paywall,
                                          const micromint_request *request,
                                          micromint_decision **decision_out,
                                          micromint_error **error_out);

/**
 * Reports the status of the content's response, and reverses the payment that this request
 * recorded if the response is not a success (2xx). Call it once, when the head of the response is
 * made and before it is sent. May wait for the disk.
 *
 * decision:     the decision to serve; one that recorded no payment is left unchanged.
 * status:       the status of the content's response. An interim one (100, 103) changes nothing:
 *               call the function again with the final one.
 * reversed_out: true if the payment was reversed: answer with `MicroMint-Status: reversed` instead
 *               of the decision's header fields.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status, MICROMINT_ERROR_STATE if the
 * payment was recorded in another process. A payment that cannot be reversed (it was sent again
 * meanwhile, ten minutes have passed, or the till cannot be written) stays recorded, and that is
 * not an error.
 */
micromint_status micromint_paywall_finish(const micromint_paywall *paywall,
                                          const micromint_decision *decision,
                                          uint32_t status,
                                          bool *reversed_out,
                                          micromint_error **error_out);

/**
 * What `micromint_paywall_finish()` will say, without waiting for the disk: for a thread that
 * makes the head of a response and must not wait. Send the head as this function says, and call
 * `micromint_paywall_finish()` in another thread, with the same status, within thirty seconds. A
 * reversal is recorded as promised first: if the process dies, it is carried out later.
 *
 * decision:     the decision to serve.
 * status:       the status of the content's response.
 * reversed_out: true if the payment will be reversed.
 *
 * Errors: as for `micromint_paywall_finish()`.
 */
micromint_status micromint_paywall_promise(const micromint_paywall *paywall,
                                           const micromint_decision *decision,
                                           uint32_t status,
                                           bool *reversed_out,
                                           micromint_error **error_out);

/**
 * The answer that a client without a payment gets, whatever the request carries: for a page that
 * tells what another one costs. Nothing is recorded. Never waits for the disk.
 *
 * request:      the request, with the price of the page.
 * decision_out: an answer.
 *
 * Errors: as for `micromint_paywall_look()`.
 */
micromint_status micromint_paywall_price_tag(const micromint_paywall *paywall,
                                             const micromint_request *request,
                                             micromint_decision **decision_out,
                                             micromint_error **error_out);

/**
 * Counts of requests by outcome and of coins, and what is measured of the vendor, in the text
 * format of Prometheus (docs/reference/vendor.md). They are those of this process: answers are
 * counted when they are decided, served requests by `micromint_paywall_finish()`.
 *
 * text_out: a buffer with the text; its media type is `text/plain; version=0.0.4`.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_paywall_metrics(const micromint_paywall *paywall,
                                           micromint_buffer **text_out,
                                           micromint_error **error_out);

/**
 * Frees a paywall. NULL is allowed. Decisions may outlive it; the till is closed once the last one
 * that recorded a payment is freed.
 */
void micromint_paywall_free(micromint_paywall *paywall);

/**
 * Parses a price in coins: the content of a price file, or the value of a setting
 * (docs/reference/vendor.md, Prices). `micromint_paywall_price()` also reads prices in money.
 *
 * text, text_len: one line with a number from 0 to 500.
 * price_out:      the price in coins.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for anything else. Then answer 500: an unreadable price is not
 * free.
 */
micromint_status micromint_price_parse(const uint8_t *text,
                                       size_t text_len,
                                       uint32_t *price_out,
                                       micromint_error **error_out);

/**
 * Parses a price at the site of a paywall: a number of coins, or an amount of money, which is
 * converted to coins by the `coin-value` of its configuration (docs/reference/vendor.md, Prices).
 *
 * text, text_len: one line with a number from 0 to 500, or with an amount such as `0.02 EUR`.
 * price_out:      the price in coins, for `micromint_request_set_price()`.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for anything else, or if the amount has no coins: there is no
 * `coin-value`, its currency is another one, or the amount is higher than any payment. Then answer
 * 500: an unreadable price is not free.
 */
micromint_status micromint_paywall_price(const micromint_paywall *paywall,
                                         const uint8_t *text,
                                         size_t text_len,
                                         uint32_t *price_out,
                                         micromint_error **error_out);

/**
 * Makes a request in which nothing is set.
 */
micromint_request *micromint_request_new(void);

/**
 * Makes a request as `micromint_request_new()` does, but keeps its memory for the next request.
 */
void micromint_request_clear(micromint_request *request);

/**
 * Frees a request. NULL is allowed.
 */
void micromint_request_free(micromint_request *request);

/**
 * Sets the method.
 *
 * method, method_len: as received, such as GET.
 */
void micromint_request_set_method(micromint_request *request,
                                  const uint8_t *method,
                                  size_t method_len);

/**
 * Sets the request target.
 *
 * target, target_len: exactly as received: path and query, not decoded, not
 *                     normalised.
 */
void micromint_request_set_target(micromint_request *request,
                                  const uint8_t *target,
                                  size_t target_len);

/**
 * Sets the requested host. It selects one of the configured origins, and a receipt or a recorded
 * payment counts only for the host that it was made for.
 *
 * host, host_len: with its port if one was sent: the authority of a target in absolute form,
 *                 otherwise the Host field. Not set: there is none.
 */
void micromint_request_set_host(micromint_request *request, const uint8_t *host, size_t host_len);

/**
 * Adds a header field; call it for the fields in their order. The paywall reads those that carry a
 * payment, and accept, accept-language, accept-payment, cookie, content-type, origin, range,
 * idempotency-key and the conditions.
 *
 * name, name_len:   the name, case-insensitive.
 * value, value_len: the value.
 */
void micromint_request_add_header(micromint_request *request,
                                  const uint8_t *name,
                                  size_t name_len,
                                  const uint8_t *value,
                                  size_t value_len);

/**
 * Sets the body, once the whole of it was read.
 *
 * body, body_len: the bytes; with length 0, the request has no body. Not set: the body was not
 *                 read, or is larger than allowed.
 */
void micromint_request_set_body(micromint_request *request, const uint8_t *body, size_t body_len);

/**
 * Sets whether the request came over TLS.
 *
 * is_https: false if it is not set.
 */
void micromint_request_set_https(micromint_request *request, bool is_https);

/**
 * Sets the port at which the connection was accepted.
 *
 * port: 1 to 65535; 0 if it is not known.
 */
void micromint_request_set_port(micromint_request *request, int64_t port);

/**
 * Sets the price of the requested page. If the vendor has a price list, the higher of this price
 * and the list's holds, so ask about free pages too.
 *
 * price: the coins, less than 2^32; 0 is free. With `coin-value` in the configuration, base coins.
 *        A price that no payment reaches, which is one above 500 coins of every accepted period,
 *        is answered 500.
 */
void micromint_request_set_price(micromint_request *request, int64_t price);

/**
 * Sets how many pages a visitor sees per UTC day without paying. It needs a client.
 *
 * free_views: the number of pages, less than 2^32; 0 for none.
 */
void micromint_request_set_free_views(micromint_request *request, int64_t free_views);

/**
 * Sets whether to decide everything, record nothing, and serve the content free.
 *
 * is_dry_run: false if it is not set.
 */
void micromint_request_set_dry_run(micromint_request *request, bool is_dry_run);

/**
 * Sets whether a redirect by the content is what is sold, also for GET: it is charged.
 *
 * charges_redirects: false if it is not set.
 */
void micromint_request_set_charges_redirects(micromint_request *request, bool charges_redirects);

/**
 * Sets a receipt path: a receipt given here opens everything with the same receipt path that costs
 * no more.
 *
 * path, path_len: a path such as /story/17/. Not set: a receipt opens the one page.
 */
void micromint_request_set_receipt_path(micromint_request *request,
                                        const uint8_t *path,
                                        size_t path_len);

/**
 * Sets the client's address, for free views.
 *
 * client, client_len: the IP address as text: that of the connection, or the one from a trusted
 *                     proxy; never a header that the client controls. Not set: there are no free
 *                     views.
 */
void micromint_request_set_client(micromint_request *request,
                                  const uint8_t *client,
                                  size_t client_len);

/**
 * Sets whether the content is a file that will be sent unchanged. Conditions and ranges are then
 * decided before a payment is recorded, by its time, entity tag and size.
 *
 * is_file: false if it is not set: then the other three are not used.
 */
void micromint_request_set_file(micromint_request *request, bool is_file);

/**
 * Sets the time in Last-Modified of a file.
 *
 * last_modified: in seconds since 1970-01-01 00:00 UTC. Not set: it is not known.
 */
void micromint_request_set_last_modified(micromint_request *request, int64_t last_modified);

/**
 * Sets the entity tag of a file.
 *
 * etag, etag_len: as the response will contain it, with its quotes. Not set: there is none.
 */
void micromint_request_set_etag(micromint_request *request, const uint8_t *etag, size_t etag_len);

/**
 * Sets the size of a file whose ranges are served.
 *
 * size: in bytes, not negative. Not set: a range is ignored.
 */
void micromint_request_set_size(micromint_request *request, int64_t size);

/**
 * Opens the till of a vendor. It must exist: `micromint_paywall_prepare()` creates it.
 *
 * config, config_len: the path of the configuration file (docs/reference/vendor.md).
 * host:               clock and randomness; NULL for the system's.
 * till_out:           the till.
 *
 * Errors: MICROMINT_ERROR_CONFIG with file, line and key; MICROMINT_ERROR_FILE if there is no
 * till, or one of its files cannot be read or is damaged.
 */
micromint_status micromint_till_open(const uint8_t *config,
                                     size_t config_len,
                                     const micromint_host *host,
                                     micromint_till **till_out,
                                     micromint_error **error_out);

/**
 * Makes the batch to send next: an earlier one whose answer did not come or asked for a
 * repetition, or a new one of the oldest payments. Payments of the last ten minutes are in no
 * batch, because they may still be reversed.
 *
 * key, key_len:       K_V, which the broker issued, MICROMINT_KEY_SIZE bytes.
 * period, period_len: only payments of this period; empty for any.
 * payments_max:       the largest number of payments; 0 for as many as a message may contain.
 * batch_out:          what is in it; NULL if there is nothing to redeem.
 * message_out:        a buffer with the Request-Redemption message; NULL if there is nothing to
 *                     redeem.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the name of the period or the size of the key is invalid,
 * MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_make_batch(const micromint_till *till,
                                           const uint8_t *key,
                                           size_t key_len,
                                           const uint8_t *period,
                                           size_t period_len,
                                           uint32_t payments_max,
                                           micromint_batch **batch_out,
                                           micromint_buffer **message_out,
                                           micromint_error **error_out);

/**
 * Reads the broker's answer to a batch and records its verdicts. Reading the same answer again
 * changes nothing.
 *
 * key, key_len:         the vendor key K_V, MICROMINT_KEY_SIZE bytes.
 * message, message_len: the Redemption-Result message.
 * batch_out:            the batch with its verdicts.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is of another type, MICROMINT_ERROR_STATE if it
 * is not the broker's answer to a batch of this till, or differs from an earlier answer;
 * MICROMINT_ERROR_ARGUMENT if the size of the key is invalid; MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_read_result(const micromint_till *till,
                                            const uint8_t *key,
                                            size_t key_len,
                                            const uint8_t *message,
                                            size_t message_len,
                                            micromint_batch **batch_out,
                                            micromint_error **error_out);

/**
 * The payments of a period that are in no batch yet.
 *
 * period, period_len: the period.
 * payments_out:       the payments that can be redeemed now.
 * coins_out:          the coins in them.
 * young_out:          the payments that cannot be redeemed yet, because they may be reversed.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the name of the period is invalid, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_unbatched(const micromint_till *till,
                                          const uint8_t *period,
                                          size_t period_len,
                                          uint64_t *payments_out,
                                          uint64_t *coins_out,
                                          uint64_t *young_out,
                                          micromint_error **error_out);

/**
 * Removes the journals of days whose payments are all in final batches and past redeem-until.
 *
 * removed_out: the number of removed journals.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_prune(const micromint_till *till,
                                      uint64_t *removed_out,
                                      micromint_error **error_out);

/**
 * Frees a till: closes its files. NULL is allowed.
 */
void micromint_till_free(micromint_till *till);

/**
 * All batches, in the order in which they were made.
 *
 * batches_out: the list.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_batches(const micromint_till *till,
                                        micromint_batch_list **batches_out,
                                        micromint_error **error_out);

/**
 * The number of batches in a list. NULL gives 0.
 */
size_t micromint_batch_list_count(const micromint_batch_list *batch_list);

/**
 * A batch of a list.
 *
 * index:     from 0.
 * batch_out: the batch, which may outlive the list.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_batch_list_batch(const micromint_batch_list *batch_list,
                                            size_t index,
                                            micromint_batch **batch_out,
                                            micromint_error **error_out);

/**
 * Frees a list of batches. NULL is allowed.
 */
void micromint_batch_list_free(micromint_batch_list *batch_list);

/**
 * The Batch-ID.
 *
 * id_out, id_len_out: the text, valid until the batch is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_batch_id(const micromint_batch *batch,
                                    const uint8_t **id_out,
                                    size_t *id_len_out,
                                    micromint_error **error_out);

/**
 * The period of the coins of a batch.
 *
 * period_out, period_len_out: the text, valid until the batch is freed; no final NUL.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_batch_period(const micromint_batch *batch,
                                        const uint8_t **period_out,
                                        size_t *period_len_out,
                                        micromint_error **error_out);

/**
 * The payments in a batch. NULL gives 0.
 */
uint32_t micromint_batch_payments(const micromint_batch *batch);

/**
 * The coins in a batch. NULL gives 0.
 */
uint32_t micromint_batch_coins(const micromint_batch *batch);

/**
 * The coins that were paid, if a result was read; the others that do not wait were not. NULL gives
 * 0.
 */
uint32_t micromint_batch_coins_paid(const micromint_batch *batch);

/**
 * The coins that wait: send the batch again after redeem-until. NULL gives 0.
 */
uint32_t micromint_batch_coins_waiting(const micromint_batch *batch);

/**
 * When a batch was made, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
 */
int64_t micromint_batch_made_at(const micromint_batch *batch);

/**
 * The last moment to redeem a batch, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
 */
int64_t micromint_batch_redeem_until(const micromint_batch *batch);

/**
 * Whether a result was read. NULL gives false.
 */
bool micromint_batch_is_answered(const micromint_batch *batch);

/**
 * Frees a batch. NULL is allowed.
 */
void micromint_batch_free(micromint_batch *batch);

/**
 * The periods that have payments in no batch yet, for `micromint_till_unbatched()`.
 *
 * periods_out: a buffer with one period per line.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_periods(const micromint_till *till,
                                        micromint_buffer **periods_out,
                                        micromint_error **error_out);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */

#endif  /* MICROMINT_H */
