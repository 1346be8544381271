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
   * Read the body, then call `micromint_paywall_decide()` with it; if it is larger than the
   * given size, with `is_body_read` 0. Unless the decision is to serve as a GET, the content
   * gets the body too.
   */
  MICROMINT_LOOK_NEEDS_BODY = 1,
  /**
   * Call `micromint_paywall_decide()`, which may wait for the disk.
   */
  MICROMINT_LOOK_PENDING = 2
} micromint_look;

/**
 * The batches of a till at the time when the list was made. Free it with
 * `micromint_batch_list_free()`. It is immutable: threads may share it, and it may be used across
 * a fork.
 */
typedef struct micromint_batch_list micromint_batch_list;

/**
 * The broker of one complete coin file. Free it with `micromint_broker_free()`. One thread at a
 * time (large batches are examined on threads of its own, `micromint_broker_set_threads()`); other
 * processes may open the same coin file at the same time. Open it after `fork()`: in a
 * process that was forked later its functions return MICROMINT_ERROR_STATE. After
 * MICROMINT_ERROR_FILE free it and open it again.
 *
 * Every answer is on disk before the function returns.
 */
typedef struct micromint_broker micromint_broker;

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
 * What to change in the head of a response: first remove fields, then add fields. Free it with
 * `micromint_head_free()`. It is immutable: threads may share it, and it may be used across a
 * fork.
 */
typedef struct micromint_head micromint_head;

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
 * The public parameters of a period. Free it with `micromint_params_free()`. It is immutable:
 * threads may share it, and it may be used across a fork.
 */
typedef struct micromint_params micromint_params;

/**
 * The paywall of a vendor's pages. Free it with `micromint_paywall_free()`. Any number of threads
 * may use it at the same time. After a `fork()` the child opens its till again with the first
 * request that needs it; the configuration stays as it was read. A till that could not be written
 * is opened again after a second.
 */
typedef struct micromint_paywall micromint_paywall;

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
 * The place of a ball.
 */
typedef struct micromint_bin {
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
 * A key: the broker's secret, a user's key of one period, or a vendor's key. Anyone who has it can
 * write messages in its owner's name: wipe it with `micromint_key_wipe()` when it is no longer
 * needed.
 */
typedef struct micromint_key {
  /**
   * The key.
   */
  uint8_t bytes[MICROMINT_KEY_SIZE];
} micromint_key;

/**
 * Proves to one vendor that the payer owns a set: a secret of user, vendor and broker.
 */
typedef struct micromint_owner_token {
  /**
   * The first bytes of the HMAC-SHA256.
   */
  uint8_t bytes[MICROMINT_OWNER_TOKEN_SIZE];
} micromint_owner_token;

/**
 * Proves who sent a message.
 */
typedef struct micromint_authenticator {
  /**
   * The first bytes of the HMAC-SHA256.
   */
  uint8_t bytes[MICROMINT_AUTHENTICATOR_SIZE];
} micromint_authenticator;

/**
 * An amount of money: a whole number of units of 10^-8 of a currency. 0.01 USD is 1000000 units.
 */
typedef struct micromint_money {
  /**
   * The amount in units.
   */
  uint64_t units;
  /**
   * The code of the currency (ISO 4217): three letters A-Z and a NUL. XTS is for tests.
   */
  char currency[4];
} micromint_money;

/**
 * What a user bought and returned in one period.
 */
typedef struct micromint_user_account {
  /**
   * The number of sales.
   */
  uint64_t sales;
  /**
   * The coins in the sets that were sold.
   */
  uint64_t coins_sold;
  /**
   * The number of returns.
   */
  uint64_t returns;
  /**
   * Returned coins that wait until redeem-until.
   */
  uint64_t coins_waiting;
  /**
   * Returned coins that wait for the decision of a person.
   */
  uint64_t coins_disputed;
  /**
   * Returned coins that were credited.
   */
  uint64_t coins_credited;
  /**
   * Whether the user is revoked.
   */
  bool is_revoked;
} micromint_user_account;

/**
 * What a vendor redeemed in one period.
 */
typedef struct micromint_vendor_account {
  /**
   * When it was registered, in seconds since 1970-01-01 00:00 UTC.
   */
  int64_t registered_at;
  /**
   * The number of judged batches.
   */
  uint64_t batches;
  /**
   * Coins that wait until redeem-until.
   */
  uint64_t coins_waiting;
  /**
   * Coins that wait for the decision of a person.
   */
  uint64_t coins_disputed;
  /**
   * Coins that were paid.
   */
  uint64_t coins_paid;
} micromint_vendor_account;

/**
 * A period in numbers.
 */
typedef struct micromint_broker_counts {
  /**
   * Sales.
   */
  uint64_t sales;
  /**
   * Sets sold.
   */
  uint64_t sets_sold;
  /**
   * Sets that can still be sold.
   */
  uint64_t sets_left;
  /**
   * Registered vendors.
   */
  uint64_t vendors;
  /**
   * Batches judged.
   */
  uint64_t batches;
  /**
   * Watches judged.
   */
  uint64_t watches;
  /**
   * Returns judged.
   */
  uint64_t returns;
  /**
   * Coins sold. After the settlement, coins_paid + coins_credited + coins_disputed +
   * coins_lapsed.
   */
  uint64_t coins_sold;
  /**
   * Coins paid to vendors.
   */
  uint64_t coins_paid;
  /**
   * Coins credited to users.
   */
  uint64_t coins_credited;
  /**
   * Coins that wait for the decision of a person.
   */
  uint64_t coins_disputed;
  /**
   * Coins neither paid for nor returned so far.
   */
  uint64_t coins_lapsed;
  /**
   * Claims that wait until redeem-until.
   */
  uint64_t claims_waiting;
  /**
   * Coins and returned balls of their owners, with balls that were not minted.
   */
  uint64_t forged;
  /**
   * Coins and returned balls that are not from their owners.
   */
  uint64_t not_from_owner;
  /**
   * Coins in the name of users to whom nothing was sold.
   */
  uint64_t invented;
  /**
   * Users revoked.
   */
  uint64_t revoked;
  /**
   * Whether the waiting claims have been decided.
   */
  bool is_settled;
} micromint_broker_counts;

/**
 * What the caller provides. For a callback that is NULL the system is used; for NULL instead of
 * the struct the system is used for everything. Set what you do not use to 0:
 * `micromint_host host = {0};`.
 *
 * The callbacks may be called from every thread that calls a function of the object made with it,
 * from several at the same time, until the object is freed. They must return (no longjmp, no
 * exception) and must not call functions with the same object. The struct itself is copied.
 */
typedef struct micromint_host {
  /**
   * Passed to every callback.
   */
  void *userdata;
  /**
   * The time: seconds since 1970-01-01 00:00 UTC.
   */
  int64_t (*now)(void *userdata);
  /**
   * Fills `bytes` with `len` unpredictable bytes and returns 0; another number if it cannot.
   */
  int32_t (*random)(void *userdata, uint8_t *bytes, size_t len);
  /**
   * Takes a line for the error log: UTF-8 without a final NUL or line end, valid during the
   * call. It never contains a key or an authenticator. If NULL, lines are dropped: the library
   * writes nowhere else.
   */
  void (*log)(void *userdata, micromint_log_level level, const uint8_t *text, size_t len);
  /**
   * NULL.
   */
  const void *reserved;
} micromint_host;

/**
 * Receives the progress of minting, often and from several threads at the same time. Returns 0 to
 * continue; another number stops minting at the next unit.
 */
typedef int32_t (*micromint_mint_progress)(void *userdata,
                                           micromint_mint_stage stage,
                                           uint64_t done,
                                           uint64_t total);

/**
 * The state of a coin file.
 */
typedef struct micromint_mint_state {
  /**
   * The phase.
   */
  micromint_mint_phase phase;
  /**
   * How much of this phase is done and on disk; 0 if there is nothing to do.
   */
  uint64_t done;
  /**
   * How much there is to do.
   */
  uint64_t total;
  /**
   * The balls in a complete file.
   */
  uint64_t balls;
  /**
   * The number of its sets that are sold.
   */
  uint64_t sets_sold;
  /**
   * The CRC-32C over all its bins, as they were minted.
   */
  uint32_t checksum;
} micromint_mint_state;

/**
 * What a broker chooses for a new period. Clear it before you fill it.
 */
typedef struct micromint_new_period {
  /**
   * Hash function and sizes: test, demo, small, small-sha256 or national
   * (docs/reference/minting.md).
   */
  const uint8_t *profile;
  /**
   * Its length.
   */
  size_t profile_len;
  /**
   * The period's name, such as 2026-12.
   */
  const uint8_t *period;
  /**
   * Its length.
   */
  size_t period_len;
  /**
   * The broker's URL, which vendors and clients see.
   */
  const uint8_t *broker;
  /**
   * Its length.
   */
  size_t broker_len;
  /**
   * The value of a coin: an amount with at most 8 decimals and an ISO 4217 code, such as 0.01
   * USD.
   */
  const uint8_t *coin_value;
  /**
   * Its length.
   */
  size_t coin_value_len;
  /**
   * Vendors accept from this time on, in seconds since 1970-01-01 00:00 UTC; ignored without
   * `has_times`.
   */
  int64_t start;
  /**
   * Vendors accept until this time, likewise.
   */
  int64_t expiration;
  /**
   * 0: the period's name is a month, and vendors accept from its first day to its last.
   */
  uint32_t has_times;
  /**
   * Not 0 to allow weak choices, such as the test profile.
   */
  uint32_t allow_weak;
  /**
   * NULL.
   */
  const void *reserved;
} micromint_new_period;

/**
 * What a configuration will yield and cost. Expected numbers are means.
 */
typedef struct micromint_plan {
  /**
   * The bins of the coin file.
   */
  uint64_t bins;
  /**
   * The size of the coin file, in bytes.
   */
  uint64_t file_size;
  /**
   * The tosses of minting.
   */
  uint64_t tosses;
  /**
   * The sets that can be sold.
   */
  uint64_t sets;
  /**
   * The balls expected in the coin file.
   */
  double balls;
  /**
   * The coins expected in a set.
   */
  double coins_per_set;
  /**
   * The number of these that can be spent at one given vendor.
   */
  double spendable_per_set;
  /**
   * The tosses that the first coin forged for one user and one vendor costs.
   */
  double first_forgery_tosses;
} micromint_plan;

/**
 * The coins of a holding by state. Somewhat fewer are usable at a given vendor.
 */
typedef struct micromint_balance {
  /**
   * Sets.
   */
  uint32_t sets;
  /**
   * Coins that were never sent and may be spent.
   */
  uint32_t unspent;
  /**
   * Coins of a restored backup, which may have been spent since: they can only be returned.
   */
  uint32_t in_doubt;
  /**
   * Coins that were paid; the content arrived.
   */
  uint32_t paid;
  /**
   * Coins that were sent and are bound to a vendor, which did not confirm them.
   */
  uint32_t bound;
  /**
   * Coins that were returned to the broker.
   */
  uint32_t returned;
} micromint_balance;

/**
 * What the wallet's owner allows. Clear it before you fill it.
 */
typedef struct micromint_policy {
  /**
   * The highest price, in coins, that is paid without asking.
   */
  uint32_t autopay;
  /**
   * Not 0 if `daily_limit` applies.
   */
  uint32_t has_daily_limit;
  /**
   * The largest number of coins that may be sent for the first time in one UTC day.
   */
  uint32_t daily_limit;
  /**
   * Not 0 to pay over http too, where others can eavesdrop.
   */
  uint32_t allow_http;
  /**
   * NULL.
   */
  const void *reserved;
} micromint_policy;

/**
 * A received sale. Sales are numbered from 0 in their order and never renumbered, and so are
 * payments and returns.
 */
typedef struct micromint_past_sale {
  /**
   * When it was received, in seconds since 1970-01-01 00:00 UTC.
   */
  int64_t at;
  /**
   * The holding that its sets belong to.
   */
  size_t holding;
  /**
   * The number of the sale at the broker.
   */
  uint64_t transaction;
  /**
   * Its sets.
   */
  uint32_t sets;
} micromint_past_sale;

/**
 * A payment. The texts have no final NUL and are valid until the next call that changes or
 * refreshes the wallet.
 */
typedef struct micromint_past_payment {
  /**
   * When it was sent, in seconds since 1970-01-01 00:00 UTC.
   */
  int64_t at;
  /**
   * When the outcome was learned, likewise; 0 while it is unknown.
   */
  int64_t outcome_at;
  /**
   * The holding that they were taken from.
   */
  size_t holding;
  /**
   * The Vendor-ID.
   */
  const uint8_t *vendor;
  /**
   * Its length.
   */
  size_t vendor_len;
  /**
   * The page.
   */
  const uint8_t *url;
  /**
   * Its length.
   */
  size_t url_len;
  /**
   * The method of the fetch.
   */
  const uint8_t *method;
  /**
   * Its length.
   */
  size_t method_len;
  /**
   * What was bought, in the vendor's words: printable ASCII.
   */
  const uint8_t *description;
  /**
   * Its length.
   */
  size_t description_len;
  /**
   * What became of it: unknown, paid, refused, not-kept or not-seen.
   */
  const uint8_t *outcome;
  /**
   * Its length.
   */
  size_t outcome_len;
  /**
   * The reason, in the vendor's words: printable ASCII; empty if there is none.
   */
  const uint8_t *reason;
  /**
   * Its length.
   */
  size_t reason_len;
  /**
   * The coins.
   */
  uint32_t coins;
  /**
   * The number of them that were sent for the first time.
   */
  uint32_t fresh;
} micromint_past_payment;

/**
 * A return. The text is valid until the next call that changes or refreshes the wallet.
 */
typedef struct micromint_past_return {
  /**
   * When it was sent, in seconds since 1970-01-01 00:00 UTC.
   */
  int64_t at;
  /**
   * The holding that they were taken from.
   */
  size_t holding;
  /**
   * The Request-ID, which identifies the return at the broker; no final NUL.
   */
  const uint8_t *request;
  /**
   * Its length.
   */
  size_t request_len;
  /**
   * The broker's number for it, if `is_answered`.
   */
  uint64_t transaction;
  /**
   * The coins.
   */
  uint32_t coins;
  /**
   * The number of them that were credited.
   */
  uint32_t credited;
  /**
   * The number that wait for a verdict, or for an answer.
   */
  uint32_t waiting;
  /**
   * Whether an answer was recorded.
   */
  bool is_answered;
} micromint_past_return;

/**
 * A header field of a request.
 */
typedef struct micromint_header {
  /**
   * The name, case-insensitive.
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
 * What the paywall sees of an HTTP request. Clear it before you fill it:
 * `micromint_request r = {0};`. Its bytes are read only during the call.
 */
typedef struct micromint_request {
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
   * The requested host, with its port if one was sent: the authority of a target in absolute
   * form, otherwise the Host field; NULL if there is none. It selects one of the configured
   * origins, and a receipt or a recorded payment counts only for the host that it was made for.
   */
  const uint8_t *host;
  /**
   * Its length.
   */
  size_t host_len;
  /**
   * The header fields in order. The paywall reads those that carry a payment, and accept,
   * accept-language, accept-payment, cookie, content-type, origin, range, idempotency-key and the
   * conditions.
   */
  const micromint_header *headers;
  /**
   * The number of fields.
   */
  size_t headers_len;
  /**
   * The whole body, if `is_body_read`.
   */
  const uint8_t *body;
  /**
   * Its length; 0 if there is none.
   */
  size_t body_len;
  /**
   * Not 0 if the whole body was read; 0 if it was not read, or is larger than allowed.
   */
  uint32_t is_body_read;
  /**
   * Not 0 if the request came over TLS.
   */
  uint32_t is_https;
  /**
   * The port at which the connection was accepted; 0 if it is not known.
   */
  uint32_t port;
  /**
   * The price of the requested page, in coins; 0 is free. If the vendor has a price list, the
   * higher of this price and the list's holds, so ask about free pages too.
   */
  uint32_t price;
  /**
   * The number of pages that a visitor sees per UTC day without paying; 0 for none.
   */
  uint32_t free_views;
  /**
   * Not 0 to decide everything, record nothing, and serve the content free.
   */
  uint32_t is_dry_run;
  /**
   * Not 0 if a redirect by the content is what is sold, also for GET: it is charged.
   */
  uint32_t charges_redirects;
  /**
   * A path such as /story/17/: a receipt given here opens everything with the same receipt path
   * that costs no more. NULL: a receipt opens the one page.
   */
  const uint8_t *receipt_path;
  /**
   * Its length.
   */
  size_t receipt_path_len;
  /**
   * The client's IP address as text, for free views: that of the connection, or the one from a
   * trusted proxy; never a header that the client controls. With NULL there are no free views.
   */
  const uint8_t *client;
  /**
   * Its length.
   */
  size_t client_len;
  /**
   * Not 0 if the content is a file that will be sent unchanged and whose next members are known:
   * conditions and ranges are then decided before a payment is recorded.
   */
  uint32_t is_file;
  /**
   * Not 0 if `last_modified` is known.
   */
  uint32_t has_last_modified;
  /**
   * The time in Last-Modified, in seconds since 1970-01-01 00:00 UTC.
   */
  int64_t last_modified;
  /**
   * The entity tag as the response will contain it, with its quotes; NULL if there is none.
   */
  const uint8_t *etag;
  /**
   * Its length.
   */
  size_t etag_len;
  /**
   * Not 0 if `size` is known and ranges of the file are served. With 0 a range is ignored.
   */
  uint32_t has_size;
  /**
   * The file's size in bytes.
   */
  uint64_t size;
  /**
   * NULL.
   */
  const void *reserved;
} micromint_request;

/**
 * A batch of payments, all of one period.
 */
typedef struct micromint_batch {
  /**
   * The payments in it.
   */
  uint32_t payments;
  /**
   * The coins in them.
   */
  uint32_t coins;
  /**
   * Coins that were paid, if a result was read; the rest of `coins` was not.
   */
  uint32_t coins_paid;
  /**
   * Coins that wait: send the batch again after redeem-until.
   */
  uint32_t coins_waiting;
  /**
   * When it was made, in seconds since 1970-01-01 00:00 UTC.
   */
  int64_t made_at;
  /**
   * The last moment to redeem it, likewise.
   */
  int64_t redeem_until;
  /**
   * Whether a result was read.
   */
  bool is_answered;
} micromint_batch;

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

extern int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

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
 * first_bins_out: an array of x_len / k places; the first bins, which identify the coins, are
 *                 written to it if the coins are good. NULL if they are not wanted.
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
                                         micromint_bin *first_bins_out,
                                         micromint_error **error_out);

/**
 * Frees a checker. NULL is allowed.
 */
void micromint_checker_free(micromint_checker *checker);

/**
 * Overwrites a key with zeros, which a compiler may not leave out as it may a `memset`. NULL is
 * allowed.
 *
 * key: a key that is no longer needed.
 */
void micromint_key_wipe(micromint_key *key);

/**
 * K_U, the key of a user in a period.
 *
 * secret:             the broker's secret.
 * period, period_len: the period's name.
 * user, user_len:     the User-ID.
 * key_out:            the key.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the name of the period or the User-ID is invalid.
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
 * key_out:            the key.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
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
 * tokens, tokens_len: the owner tokens in the order of the message, and their number, at most
 *                     256.
 * data, data_len:     the decoded coins of the message.
 * authenticator_out:  the authenticator.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid or there are too many tokens.
 */
micromint_status micromint_authenticate_payment(const micromint_key *key,
                                                const uint8_t *vendor,
                                                size_t vendor_len,
                                                const uint8_t *url,
                                                size_t url_len,
                                                const micromint_owner_token *tokens,
                                                size_t tokens_len,
                                                const uint8_t *data,
                                                size_t data_len,
                                                micromint_authenticator *authenticator_out,
                                                micromint_error **error_out);

/**
 * The owner token of a set at a vendor.
 *
 * key:                K_U.
 * vendor, vendor_len: the Vendor-ID.
 * first_superbin:     the first superbin of the set.
 * token_out:          the token.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
 */
micromint_status micromint_user_owner_token(const micromint_key *key,
                                            const uint8_t *vendor,
                                            size_t vendor_len,
                                            uint32_t first_superbin,
                                            micromint_owner_token *token_out,
                                            micromint_error **error_out);

/**
 * The authenticator of a Request-Credit.
 *
 * key:                        K_U.
 * request_id, request_id_len: the Request-ID.
 * data, data_len:             the decoded balls of the message.
 * authenticator_out:          the authenticator.
 *
 * Errors: MICROMINT_ERROR_TEXT.
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
 * vendor, vendor_len:     the Vendor-ID.
 * period, period_len:     the period of the batch.
 * batch_id, batch_id_len: the Batch-ID.
 * data, data_len:         the decoded records of the message.
 * authenticator_out:      the authenticator.
 *
 * Errors: MICROMINT_ERROR_TEXT; MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the period is
 * invalid.
 */
micromint_status micromint_authenticate_redemption(const micromint_key *key,
                                                   const uint8_t *vendor,
                                                   size_t vendor_len,
                                                   const uint8_t *period,
                                                   size_t period_len,
                                                   const uint8_t *batch_id,
                                                   size_t batch_id_len,
                                                   const uint8_t *data,
                                                   size_t data_len,
                                                   micromint_authenticator *authenticator_out,
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
 * money_out: the amount, 1 to 10^14 units.
 *
 * Errors: MICROMINT_ERROR_NULL only.
 */
micromint_status micromint_params_coin_value(const micromint_params *params,
                                             micromint_money *money_out,
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
 * What a user bought and returned.
 *
 * user, user_len: the User-ID.
 * account_out:    the account.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_ABSENT if nothing
 * was ever sold to this user, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_user_account(micromint_broker *broker,
                                               const uint8_t *user,
                                               size_t user_len,
                                               micromint_user_account *account_out,
                                               micromint_error **error_out);

/**
 * What a vendor redeemed.
 *
 * vendor, vendor_len: the Vendor-ID.
 * account_out:        the account.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid, MICROMINT_ERROR_ABSENT if this
 * vendor is not registered, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_vendor_account(micromint_broker *broker,
                                                 const uint8_t *vendor,
                                                 size_t vendor_len,
                                                 micromint_vendor_account *account_out,
                                                 micromint_error **error_out);

/**
 * A user's sales and returns, one by one.
 *
 * user, user_len: the User-ID.
 * records_out:    a buffer with one line for each, oldest first, words separated by spaces:
 *                 `sale`, the time (RFC 3339), the number of the sale, the sets; then `return`,
 *                 the time, the Request-ID, the coins.
 *
 * Errors: as for `micromint_broker_user_account()`.
 */
micromint_status micromint_broker_user_records(micromint_broker *broker,
                                               const uint8_t *user,
                                               size_t user_len,
                                               micromint_buffer **records_out,
                                               micromint_error **error_out);

/**
 * A vendor's batches, one by one.
 *
 * vendor, vendor_len: the Vendor-ID.
 * records_out:        a buffer with one line for each, oldest first, words separated by spaces:
 *                     `batch`, the time of judgement (RFC 3339), the Batch-ID, its coins, and of
 *                     these the coins that were paid immediately, that waited, and that were
 *                     forged.
 *
 * Errors: as for `micromint_broker_vendor_account()`.
 */
micromint_status micromint_broker_vendor_records(micromint_broker *broker,
                                                 const uint8_t *vendor,
                                                 size_t vendor_len,
                                                 micromint_buffer **records_out,
                                                 micromint_error **error_out);

/**
 * The period in numbers.
 *
 * counts_out: the numbers.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_count(micromint_broker *broker,
                                        micromint_broker_counts *counts_out,
                                        micromint_error **error_out);

/**
 * The registered vendors, in the order of their registration.
 *
 * vendors_out: a buffer with one Vendor-ID per line.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_vendors(micromint_broker *broker,
                                          micromint_buffer **vendors_out,
                                          micromint_error **error_out);

/**
 * The users who are proved to have cheated: right Authenticators on one first bin at two vendors,
 * or a right Authenticator over a ball that was not minted or over a set of another user.
 *
 * offenders_out: a buffer with one line for each, words separated by spaces: the User-ID, the
 *                number of first bins, the number of these that were spent at several vendors, the
 *                number of these that were forged or of another user, the time of the first and of
 *                the last coin (RFC 3339), and the Vendor-IDs that received them.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_offenders(micromint_broker *broker,
                                            micromint_buffer **offenders_out,
                                            micromint_error **error_out);

/**
 * What else a person should look at. It proves nothing, since vendors could have made it.
 *
 * suspects_out: a buffer with one line for each, words separated by spaces: `user`, the User-ID,
 *               the number of coins with right owner tokens at several vendors, and the
 *               Vendor-IDs that are not paid for payments with right tokens; then `vendor`, the
 *               Vendor-ID, and the number of coins that it sent in several payments.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_suspects(micromint_broker *broker,
                                           micromint_buffer **suspects_out,
                                           micromint_error **error_out);

/**
 * The coins that nobody gets before a person has decided. There are none before the settlement.
 *
 * disputes_out: a buffer with one line for each vendor and user, words separated by spaces: the
 *               Vendor-ID, the User-ID, the number of coins, and how many of them the user has
 *               returned.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_disputes(micromint_broker *broker,
                                           micromint_buffer **disputes_out,
                                           micromint_error **error_out);

/**
 * Revokes a user: nothing more is sold to the user, and vendors that have the list accept no more
 * of the user's coins. Earlier payments are still redeemed. Revoking a user again changes nothing.
 *
 * user, user_len: the User-ID.
 * revoked_out:    a buffer with all revoked users, one User-ID per line: the content of
 *                 PERIOD.revoked.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_revoke(micromint_broker *broker,
                                         const uint8_t *user,
                                         size_t user_len,
                                         micromint_buffer **revoked_out,
                                         micromint_error **error_out);

/**
 * Who bought which set, as one vendor can check it.
 *
 * vendor, vendor_len: the Vendor-ID.
 * owners_out:         a buffer with the content of PERIOD.owners for this vendor.
 *
 * Errors: MICROMINT_ERROR_FILE; MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
 */
micromint_status micromint_broker_owners(micromint_broker *broker,
                                         const uint8_t *vendor,
                                         size_t vendor_len,
                                         micromint_buffer **owners_out,
                                         micromint_error **error_out);

/**
 * Opens the broker of a complete coin file, and creates its journal if there is none.
 *
 * path, path_len: the coin file.
 * secret:         the broker's secret, from which all keys are derived; copied.
 * host:           clock and randomness; NULL for the system's.
 * broker_out:     the broker.
 *
 * Errors: MICROMINT_ERROR_FILE if a file is incomplete, damaged, or on a network file system.
 */
micromint_status micromint_broker_open(const uint8_t *path,
                                       size_t path_len,
                                       const micromint_key *secret,
                                       const micromint_host *host,
                                       micromint_broker **broker_out,
                                       micromint_error **error_out);

/**
 * Sets the number of threads that examine a batch; the default is one for each core. Each needs
 * memory of its own, about 100 MB for the largest batch; small batches use few threads.
 *
 * threads: 1 to 1024; 0 is one for each core.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for more.
 */
micromint_status micromint_broker_set_threads(micromint_broker *broker,
                                              size_t threads,
                                              micromint_error **error_out);

/**
 * The number of sets that can still be sold, as far as this handle has read. NULL gives 0.
 */
uint64_t micromint_broker_sets_left(const micromint_broker *broker);

/**
 * Sells sets to a user.
 *
 * user, user_len: the User-ID.
 * sets:           the number of sets, 1 to 10000, and no more than fit into one message.
 * transaction:    identifies the sale: a fresh random number, or the number of a sale whose answer
 *                 was lost, which is answered again and sells nothing.
 * message_out:    a buffer with the Funds-Withdrawn message for the user; NULL if refused.
 * reason_out:     a buffer with the reason of a refusal; else NULL.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_FILE.
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
 * Returns the message of a sale again, if its answer was lost and the number of sets is not known.
 *
 * user, user_len: the User-ID of the buyer.
 * transaction:    the number of the sale.
 * message_out:    a buffer with the Funds-Withdrawn message; NULL if refused.
 * reason_out:     a buffer with the reason of a refusal, such as that this user has no such sale;
 *                 else NULL.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_sell_again(micromint_broker *broker,
                                             const uint8_t *user,
                                             size_t user_len,
                                             uint64_t transaction,
                                             micromint_buffer **message_out,
                                             micromint_buffer **reason_out,
                                             micromint_error **error_out);

/**
 * Makes the invitation to return unspent coins, once the period has expired.
 *
 * user, user_len: the User-ID of the invited user.
 * url, url_len:   where the return is sent, of the same origin as the period's broker.
 * message_out:    a buffer with the Send-Expired message for the user.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the User-ID or the URL is invalid, MICROMINT_ERROR_STATE
 * before the period's expiration.
 */
micromint_status micromint_broker_send_expired(const micromint_broker *broker,
                                               const uint8_t *user,
                                               size_t user_len,
                                               const uint8_t *url,
                                               size_t url_len,
                                               micromint_buffer **message_out,
                                               micromint_error **error_out);

/**
 * Takes unspent coins back.
 *
 * request, request_len: the Request-Credit message.
 * transaction:          identifies the return at the broker: a fresh random number.
 * message_out:          a buffer with the Funds-Credited message for the user; NULL if refused.
 * reason_out:           a buffer with the reason of a refusal; else NULL.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Credit, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_take_back(micromint_broker *broker,
                                            const uint8_t *request,
                                            size_t request_len,
                                            uint64_t transaction,
                                            micromint_buffer **message_out,
                                            micromint_buffer **reason_out,
                                            micromint_error **error_out);

/**
 * Frees a broker. NULL is allowed.
 */
void micromint_broker_free(micromint_broker *broker);

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
 * MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if the file is in use, was begun with other parameters, is damaged or does not fit.
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
                                        micromint_mint_state *state_out,
                                        micromint_error **error_out);

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
 * Writes the configuration of a new period into a new file of mode 0600; iv, fixed bits and input
 * key are random. Keep it secret: the input key reveals which balls are the broker's.
 *
 * config, config_len: the path of the file; the coin file will be in the same folder.
 * period:             what the broker chooses.
 * host:               randomness; NULL for the system's.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the profile, the name of the period or the amount of money
 * is invalid, MICROMINT_ERROR_CONFIG for a weak choice that is not allowed, or a name that is not
 * a month if no times are given; MICROMINT_ERROR_FILE if the file exists or cannot be written.
 */
micromint_status micromint_mint_init(const uint8_t *config,
                                     size_t config_len,
                                     const micromint_new_period *period,
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
                                     micromint_plan *plan_out,
                                     micromint_buffer **warnings_out,
                                     micromint_error **error_out);

/**
 * Creates the broker's secret, one for all periods, in a new file of mode 0600.
 *
 * path, path_len: the file.
 * host:           randomness; NULL for the system's.
 * secret_out:     the secret.
 *
 * Errors: MICROMINT_ERROR_FILE if the file exists or cannot be written.
 */
micromint_status micromint_secret_create(const uint8_t *path,
                                         size_t path_len,
                                         const micromint_host *host,
                                         micromint_key *secret_out,
                                         micromint_error **error_out);

/**
 * Reads the broker's secret.
 *
 * path, path_len: the file, which only its owner may be able to read.
 * secret_out:     the secret.
 *
 * Errors: MICROMINT_ERROR_FILE if it cannot be read, others can read it, or its content is
 * invalid.
 */
micromint_status micromint_secret_read(const uint8_t *path,
                                       size_t path_len,
                                       micromint_key *secret_out,
                                       micromint_error **error_out);

/**
 * Registers a vendor, so that its batches are accepted. Registering it again changes nothing. Its
 * key is `micromint_vendor_key()`.
 *
 * vendor, vendor_len: the Vendor-ID.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid, MICROMINT_ERROR_STATE if no more
 * can be registered, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_register(micromint_broker *broker,
                                           const uint8_t *vendor,
                                           size_t vendor_len,
                                           micromint_error **error_out);

/**
 * Judges a vendor's batch of payments coin by coin. A batch that was already judged is answered
 * again and pays nothing.
 *
 * batch, batch_len: the Request-Redemption message.
 * message_out:      a buffer with the Redemption-Result message for the vendor; NULL if refused as
 *                   a whole.
 * reason_out:       a buffer with the reason of a refusal; else NULL.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Redemption,
 * MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_redeem(micromint_broker *broker,
                                         const uint8_t *batch,
                                         size_t batch_len,
                                         micromint_buffer **message_out,
                                         micromint_buffer **reason_out,
                                         micromint_error **error_out);

/**
 * Lists the coins of a judged batch that will never be paid, for people: each with the reason and
 * everything that was sent.
 *
 * batch, batch_len:   the Request-Redemption message.
 * result, result_len: the Redemption-Result message that answered it.
 * text_out:           a buffer with the lines, of which the first and the last name the batch;
 *                     empty if all its coins are good or wait.
 *
 * Errors: MICROMINT_ERROR_MESSAGE for other messages, MICROMINT_ERROR_ARGUMENT for the answer to
 * another batch.
 */
micromint_status micromint_broker_rejected_coins(const micromint_broker *broker,
                                                 const uint8_t *batch,
                                                 size_t batch_len,
                                                 const uint8_t *result,
                                                 size_t result_len,
                                                 micromint_buffer **text_out,
                                                 micromint_error **error_out);

/**
 * Judges payments that a vendor has just taken, and keeps them as evidence. Nothing is paid.
 *
 * watch, watch_len: the Request-Watch message.
 * message_out:      a buffer with the Watch-Result message for the vendor; NULL if refused as a
 *                   whole.
 * blocked_out:      a buffer with the users whom this vendor should stop serving, one User-ID per
 *                   line; empty if refused.
 * reason_out:       a buffer with the reason of a refusal; else NULL.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Watch, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_watch(micromint_broker *broker,
                                        const uint8_t *watch,
                                        size_t watch_len,
                                        micromint_buffer **message_out,
                                        micromint_buffer **blocked_out,
                                        micromint_buffer **reason_out,
                                        micromint_error **error_out);

/**
 * Records what a person decided about the disputed claims of a vendor. It is final.
 *
 * vendor, vendor_len: the Vendor-ID.
 * user, user_len:     decide only about coins of this User-ID; empty for all users.
 * is_paid:            whether the vendor is paid. If not, the coins that were returned are
 *                     credited.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the User-ID is invalid,
 * MICROMINT_ERROR_ABSENT if there is no such dispute, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_decide(micromint_broker *broker,
                                         const uint8_t *vendor,
                                         size_t vendor_len,
                                         const uint8_t *user,
                                         size_t user_len,
                                         bool is_paid,
                                         micromint_error **error_out);

/**
 * Declares bins compromised: their balls are no longer sold, and payments with their balls that
 * are not proved to be the owner's are no longer paid. What was paid before stays paid.
 *
 * superbin:  the superbin of all of them.
 * first:     the first sub-bin.
 * count:     the number of sub-bins, at least 1.
 * balls_out: the number of balls in them that were not compromised before.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT for bins that the period does not have, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_compromise(micromint_broker *broker,
                                             uint32_t superbin,
                                             uint32_t first,
                                             uint32_t count,
                                             uint64_t *balls_out,
                                             micromint_error **error_out);

/**
 * Decides the waiting claims, once redeem-until is reached. This is final; no other function does
 * it.
 *
 * settled_out: whether the period is settled.
 *
 * Errors: MICROMINT_ERROR_FILE.
 */
micromint_status micromint_broker_settle(micromint_broker *broker,
                                         bool *settled_out,
                                         micromint_error **error_out);

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
 * The number of holdings. NULL gives 0.
 */
size_t micromint_wallet_holding_count(const micromint_wallet *wallet);

/**
 * The owner and period of a holding, and the state of its coins.
 *
 * holding:                    its number, from 0.
 * user_out, user_len_out:     the User-ID, valid until the next call that changes or refreshes the
 *                             wallet.
 * period_out, period_len_out: the period, likewise.
 * balance_out:                the coins.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
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
 * MICROMINT_ERROR_ARGUMENT if the URL is invalid, MICROMINT_ERROR_FILE: then nothing may be sent;
 * MICROMINT_ERROR_STATE if the file is a backup.
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
                                            micromint_past_sale *sale_out,
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
                                               micromint_past_payment *payment_out,
                                               micromint_error **error_out);

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
                                              micromint_past_return *return_out,
                                              micromint_error **error_out);

/**
 * The parameters of a holding's period: when its coins expire, what they are worth, who its broker
 * is.
 *
 * holding:    its number, from 0.
 * params_out: a copy.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there is no such holding.
 */
micromint_status micromint_wallet_holding_params(const micromint_wallet *wallet,
                                                 size_t holding,
                                                 micromint_params **params_out,
                                                 micromint_error **error_out);

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
 * Whether nothing can be spent from the file: it is a backup, or the wallet was moved to another
 * file. NULL gives false.
 */
bool micromint_wallet_is_backup(const micromint_wallet *wallet);

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
 * Merges a decision with the header fields that a response already has: those of the content, or
 * for an answer of the paywall those that the site adds to every response.
 *
 * status:               the status of the content's response; ignored if the content is not
 *                       served.
 * is_reversed:          the result of `micromint_paywall_finish()`.
 * headers, headers_len: the fields that the response has.
 * head_out:             what to change in them.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status.
 */
micromint_status micromint_decision_head(const micromint_decision *decision,
                                         uint32_t status,
                                         bool is_reversed,
                                         const micromint_header *headers,
                                         size_t headers_len,
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
 * Looks at a request whose head is read, or, with `is_body_read`, at one whose body was read too.
 * Never waits for the disk: a payment is recorded at once if the vendor's `sync` is not `always`
 * and nothing else uses the till at this moment. A free page without a payment costs only a look
 * at the header names.
 *
 * look_out:      what to do next; never MICROMINT_LOOK_NEEDS_BODY if the body was read.
 * body_max_out:  with MICROMINT_LOOK_NEEDS_BODY, the largest useful body in bytes; else 0.
 * decision_out:  with MICROMINT_LOOK_DECIDED, the decision; else NULL.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if `reserved` is not NULL or the client is not an IP address.
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
 * Errors: MICROMINT_ERROR_ARGUMENT if `reserved` is not NULL or the client is not an IP address. A
 * till that cannot be written is not an error but an answer: 503.
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
 * What `micromint_paywall_finish()` will say, without waiting for the disk: for a thread that makes
 * the head of a response and must not wait. Send the head as this function says, and call
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
 * Parses a price: the content of a price file, or the value of a setting
 * (docs/reference/vendor.md, Prices).
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
 * key:                K_V, which the broker issued.
 * period, period_len: only payments of this period; empty for any.
 * payments_max:       the largest number of payments; 0 for as many as a message may contain.
 * batch_out:          what is in it; all 0 if there is nothing to redeem.
 * message_out:        a buffer with the Request-Redemption message; NULL if there is nothing to
 *                     redeem.
 *
 * Errors: MICROMINT_ERROR_ARGUMENT if the name of the period is invalid, MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_make_batch(const micromint_till *till,
                                           const micromint_key *key,
                                           const uint8_t *period,
                                           size_t period_len,
                                           uint32_t payments_max,
                                           micromint_batch *batch_out,
                                           micromint_buffer **message_out,
                                           micromint_error **error_out);

/**
 * Reads the broker's answer to a batch and records its verdicts. Reading the same answer again
 * changes nothing.
 *
 * key:                  the vendor key K_V.
 * message, message_len: the Redemption-Result message.
 * batch_out:            the batch with its verdicts.
 *
 * Errors: MICROMINT_ERROR_MESSAGE if the message is of another type, MICROMINT_ERROR_STATE if it
 * is not the broker's answer to a batch of this till, or differs from an earlier answer;
 * MICROMINT_ERROR_FILE.
 */
micromint_status micromint_till_read_result(const micromint_till *till,
                                            const micromint_key *key,
                                            const uint8_t *message,
                                            size_t message_len,
                                            micromint_batch *batch_out,
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
 * index:                      from 0.
 * id_out, id_len_out:         its Batch-ID, valid until the list is freed; no final NUL.
 * period_out, period_len_out: the period of its coins, likewise.
 * batch_out:                  what is in it, and what became of it.
 *
 * Errors: MICROMINT_ERROR_ABSENT if there are fewer.
 */
micromint_status micromint_batch_list_batch(const micromint_batch_list *batch_list,
                                            size_t index,
                                            const uint8_t **id_out,
                                            size_t *id_len_out,
                                            const uint8_t **period_out,
                                            size_t *period_len_out,
                                            micromint_batch *batch_out,
                                            micromint_error **error_out);

/**
 * Frees a list of batches. NULL is allowed.
 */
void micromint_batch_list_free(micromint_batch_list *batch_list);

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
