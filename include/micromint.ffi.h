enum {
  MICROMINT_VERSION_MAJOR = 0,
  MICROMINT_VERSION_MINOR = 1,
  MICROMINT_VERSION_PATCH = 0,
  MICROMINT_VERSION_NUMBER = 100,
  MICROMINT_KEY_SIZE = 32,
  MICROMINT_AUTHENTICATOR_SIZE = 16,
  MICROMINT_OWNER_TOKEN_SIZE = 8,
  MICROMINT_COIN_SIZE_MAX = 8,
  MICROMINT_MINT_MEMORY_DEFAULT = 536870912
};

typedef enum micromint_status {
  MICROMINT_OK = 0,
  MICROMINT_ERROR_NULL = 1,
  MICROMINT_ERROR_PANIC = 2,
  MICROMINT_ERROR_TEXT = 3,
  MICROMINT_ERROR_ARGUMENT = 4,
  MICROMINT_ERROR_PARAMS = 5,
  MICROMINT_ERROR_MESSAGE = 6,
  MICROMINT_ERROR_FILE = 7,
  MICROMINT_ERROR_CONFIG = 8,
  MICROMINT_ERROR_ABSENT = 9,
  MICROMINT_ERROR_STATE = 10,
  MICROMINT_ERROR_STOPPED = 11,
  MICROMINT_ERROR_CALLBACK = 12
} micromint_status;

typedef enum micromint_log_level {
  MICROMINT_LOG_ERROR = 1,
  MICROMINT_LOG_WARNING = 2,
  MICROMINT_LOG_INFO = 3
} micromint_log_level;

typedef enum micromint_coin_fault {
  MICROMINT_COIN_GOOD = 0,
  MICROMINT_COIN_OUT_OF_RANGE = 1,
  MICROMINT_COIN_REPEATED_BALL = 2,
  MICROMINT_COIN_FIXED_BITS = 3,
  MICROMINT_COIN_USER_DIFFERENCES = 4,
  MICROMINT_COIN_VENDOR_DIFFERENCES = 5,
  MICROMINT_COIN_REPEATED_COIN = 6
} micromint_coin_fault;

typedef enum micromint_mint_stage {
  MICROMINT_MINT_TOSSING = 0,
  MICROMINT_MINT_COUNTING = 1,
  MICROMINT_MINT_VERIFYING = 2,
  MICROMINT_MINT_SORTING = 3,
  MICROMINT_MINT_MERGING = 4
} micromint_mint_stage;

typedef enum micromint_mint_phase {
  MICROMINT_MINT_NOT_BEGUN = 0,
  MICROMINT_MINT_BEGUN = 1,
  MICROMINT_MINT_TOSSED = 2,
  MICROMINT_MINT_COMPLETE = 3
} micromint_mint_phase;

typedef enum micromint_received {
  MICROMINT_RECEIVED_NEW = 0,
  MICROMINT_RECEIVED_ALREADY = 1,
  MICROMINT_RECEIVED_REFUSED = 2
} micromint_received;

typedef enum micromint_pay {
  MICROMINT_PAY_SEND = 0,
  MICROMINT_PAY_SEND_AGAIN = 1,
  MICROMINT_PAY_ASK = 2,
  MICROMINT_PAY_REFUSE = 3,
  MICROMINT_PAY_NEEDS_CONSENT = 4
} micromint_pay;

typedef enum micromint_look {
  MICROMINT_LOOK_DECIDED = 0,
  MICROMINT_LOOK_NEEDS_BODY = 1,
  MICROMINT_LOOK_PENDING = 2
} micromint_look;

typedef struct micromint_batch micromint_batch;

typedef struct micromint_batch_list micromint_batch_list;

typedef struct micromint_buffer micromint_buffer;

typedef struct micromint_challenge micromint_challenge;

typedef struct micromint_checker micromint_checker;

typedef struct micromint_decision micromint_decision;

typedef struct micromint_error micromint_error;

typedef struct micromint_fields micromint_fields;

typedef struct micromint_head micromint_head;

typedef struct micromint_holding micromint_holding;

typedef struct micromint_host micromint_host;

typedef struct micromint_message micromint_message;

typedef struct micromint_mint micromint_mint;

typedef struct micromint_mint_state micromint_mint_state;

typedef struct micromint_params micromint_params;

typedef struct micromint_past_payment micromint_past_payment;

typedef struct micromint_past_return micromint_past_return;

typedef struct micromint_past_sale micromint_past_sale;

typedef struct micromint_paywall micromint_paywall;

typedef struct micromint_period_options micromint_period_options;

typedef struct micromint_plan micromint_plan;

typedef struct micromint_policy micromint_policy;

typedef struct micromint_request micromint_request;

typedef struct micromint_till micromint_till;

typedef struct micromint_wallet micromint_wallet;

typedef int64_t (*micromint_now)(void *userdata);

typedef int32_t (*micromint_random)(void *userdata, uint8_t *bytes, size_t len);

typedef void (*micromint_log)(void *userdata,
                              micromint_log_level level,
                              const uint8_t *text,
                              size_t len);

typedef int32_t (*micromint_mint_progress)(void *userdata,
                                           micromint_mint_stage stage,
                                           uint64_t done,
                                           uint64_t total);

const uint8_t *micromint_buffer_data(const micromint_buffer *buffer);

size_t micromint_buffer_len(const micromint_buffer *buffer);

void micromint_buffer_free(micromint_buffer *buffer);

const char *micromint_status_name(uint32_t status);

micromint_status micromint_error_status(const micromint_error *error);

void micromint_error_message(const micromint_error *error,
                             const uint8_t **text_out,
                             size_t *text_len_out);

void micromint_error_free(micromint_error *error);

micromint_host *micromint_host_new(void);

void micromint_host_set_now(micromint_host *host, micromint_now now, void *userdata);

void micromint_host_set_random(micromint_host *host, micromint_random random, void *userdata);

void micromint_host_set_log(micromint_host *host, micromint_log log, void *userdata);

void micromint_host_free(micromint_host *host);

uint32_t micromint_version_number(void);

const char *micromint_version(void);

micromint_status micromint_checker_new(const micromint_params *params,
                                       const uint8_t *vendor,
                                       size_t vendor_len,
                                       micromint_checker **checker_out,
                                       micromint_error **error_out);

micromint_status micromint_checker_check(const micromint_checker *checker,
                                         const uint8_t *user,
                                         size_t user_len,
                                         const uint64_t *x,
                                         size_t x_len,
                                         micromint_coin_fault *fault_out,
                                         uint32_t *first_bins_out,
                                         micromint_error **error_out);

void micromint_checker_free(micromint_checker *checker);

void micromint_key_wipe(uint8_t *key, size_t key_len);

micromint_status micromint_user_key(const uint8_t *secret,
                                    size_t secret_len,
                                    const uint8_t *period,
                                    size_t period_len,
                                    const uint8_t *user,
                                    size_t user_len,
                                    uint8_t *key_out,
                                    micromint_error **error_out);

micromint_status micromint_vendor_key(const uint8_t *secret,
                                      size_t secret_len,
                                      const uint8_t *vendor,
                                      size_t vendor_len,
                                      uint8_t *key_out,
                                      micromint_error **error_out);

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

micromint_status micromint_user_owner_token(const uint8_t *key,
                                            size_t key_len,
                                            const uint8_t *vendor,
                                            size_t vendor_len,
                                            uint32_t first_superbin,
                                            uint8_t *token_out,
                                            micromint_error **error_out);

micromint_status micromint_authenticate_credit(const uint8_t *key,
                                               size_t key_len,
                                               const uint8_t *request_id,
                                               size_t request_id_len,
                                               const uint8_t *data,
                                               size_t data_len,
                                               uint8_t *authenticator_out,
                                               micromint_error **error_out);

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

micromint_status micromint_message_parse(const uint8_t *bytes,
                                         size_t bytes_len,
                                         micromint_message **message_out,
                                         micromint_error **error_out);

micromint_status micromint_message_from_header(const uint8_t *value,
                                               size_t value_len,
                                               micromint_message **message_out,
                                               micromint_error **error_out);

micromint_status micromint_message_to_header(const micromint_message *message,
                                             micromint_buffer **value_out,
                                             micromint_error **error_out);

micromint_status micromint_message_type(const micromint_message *message,
                                        const uint8_t **text_out,
                                        size_t *text_len_out,
                                        micromint_error **error_out);

micromint_status micromint_message_header(const micromint_message *message,
                                          const uint8_t *name,
                                          size_t name_len,
                                          const uint8_t **text_out,
                                          size_t *text_len_out,
                                          micromint_error **error_out);

micromint_status micromint_message_data(const micromint_message *message,
                                        const uint8_t **data_out,
                                        size_t *data_len_out,
                                        micromint_error **error_out);

micromint_status micromint_message_print(const micromint_message *message,
                                         micromint_buffer **bytes_out,
                                         micromint_error **error_out);

void micromint_message_free(micromint_message *message);

micromint_status micromint_params_from_toml(const uint8_t *toml,
                                            size_t toml_len,
                                            micromint_params **params_out,
                                            micromint_error **error_out);

micromint_status micromint_params_to_toml(const micromint_params *params,
                                          micromint_buffer **toml_out,
                                          micromint_error **error_out);

size_t micromint_params_coin_size(const micromint_params *params);

micromint_status micromint_params_coin_value(const micromint_params *params,
                                             uint64_t *units_out,
                                             const uint8_t **currency_out,
                                             size_t *currency_len_out,
                                             micromint_error **error_out);

micromint_status micromint_hash(const micromint_params *params,
                                uint64_t x,
                                uint64_t *hash_out,
                                micromint_error **error_out);

micromint_status micromint_user_vector(const micromint_params *params,
                                       const uint8_t *user,
                                       size_t user_len,
                                       uint32_t *differences_out,
                                       size_t *count_out,
                                       micromint_error **error_out);

micromint_status micromint_vendor_vector(const micromint_params *params,
                                         const uint8_t *vendor,
                                         size_t vendor_len,
                                         uint32_t *differences_out,
                                         size_t *count_out,
                                         micromint_error **error_out);

void micromint_params_free(micromint_params *params);

micromint_status micromint_mint_open(const uint8_t *config,
                                     size_t config_len,
                                     micromint_mint **mint_out,
                                     micromint_error **error_out);

micromint_status micromint_mint_params(const micromint_mint *mint,
                                       micromint_params **params_out,
                                       micromint_error **error_out);

micromint_status micromint_mint_run(const micromint_mint *mint,
                                    size_t threads,
                                    uint64_t memory,
                                    micromint_mint_progress progress,
                                    void *userdata,
                                    uint64_t *balls_out,
                                    micromint_error **error_out);

micromint_status micromint_mint_run_shard(const micromint_mint *mint,
                                          uint32_t index,
                                          uint32_t count,
                                          size_t threads,
                                          uint64_t memory,
                                          micromint_mint_progress progress,
                                          void *userdata,
                                          uint64_t *hits_out,
                                          micromint_error **error_out);

micromint_status micromint_mint_verify(const micromint_mint *mint,
                                       size_t threads,
                                       micromint_mint_progress progress,
                                       void *userdata,
                                       uint64_t *faults_out,
                                       micromint_buffer **report_out,
                                       micromint_error **error_out);

void micromint_mint_free(micromint_mint *mint);

micromint_status micromint_mint_merge(const micromint_mint *mint,
                                      uint64_t memory,
                                      micromint_mint_progress progress,
                                      void *userdata,
                                      uint64_t *balls_out,
                                      micromint_error **error_out);

micromint_status micromint_mint_merge_part(const micromint_mint *mint,
                                           uint32_t index,
                                           uint32_t count,
                                           uint64_t memory,
                                           micromint_mint_progress progress,
                                           void *userdata,
                                           uint32_t *missing_out,
                                           micromint_error **error_out);

micromint_status micromint_mint_inspect(const micromint_mint *mint,
                                        micromint_mint_state **state_out,
                                        micromint_error **error_out);

micromint_mint_phase micromint_mint_state_phase(const micromint_mint_state *mint_state);

uint64_t micromint_mint_state_done(const micromint_mint_state *mint_state);

uint64_t micromint_mint_state_total(const micromint_mint_state *mint_state);

uint64_t micromint_mint_state_balls(const micromint_mint_state *mint_state);

uint32_t micromint_mint_state_checksum(const micromint_mint_state *mint_state);

void micromint_mint_state_free(micromint_mint_state *mint_state);

micromint_status micromint_mint_measure(const micromint_mint *mint,
                                        size_t threads,
                                        uint32_t seconds,
                                        double *tosses_out,
                                        micromint_error **error_out);

micromint_period_options *micromint_period_options_new(void);

void micromint_period_options_set_profile(micromint_period_options *period_options,
                                          const uint8_t *profile,
                                          size_t profile_len);

void micromint_period_options_set_period(micromint_period_options *period_options,
                                         const uint8_t *period,
                                         size_t period_len);

void micromint_period_options_set_broker(micromint_period_options *period_options,
                                         const uint8_t *broker,
                                         size_t broker_len);

void micromint_period_options_set_coin_value(micromint_period_options *period_options,
                                             const uint8_t *coin_value,
                                             size_t coin_value_len);

void micromint_period_options_set_times(micromint_period_options *period_options,
                                        int64_t start,
                                        int64_t expiration);

void micromint_period_options_set_weak(micromint_period_options *period_options, bool allows_weak);

void micromint_period_options_free(micromint_period_options *period_options);

micromint_status micromint_mint_init(const uint8_t *config,
                                     size_t config_len,
                                     const micromint_period_options *period_options,
                                     const micromint_host *host,
                                     micromint_error **error_out);

micromint_status micromint_mint_plan(const micromint_mint *mint,
                                     micromint_plan **plan_out,
                                     micromint_buffer **warnings_out,
                                     micromint_error **error_out);

uint64_t micromint_plan_bins(const micromint_plan *plan);

uint64_t micromint_plan_file_size(const micromint_plan *plan);

uint64_t micromint_plan_tosses(const micromint_plan *plan);

uint64_t micromint_plan_sets(const micromint_plan *plan);

double micromint_plan_balls(const micromint_plan *plan);

double micromint_plan_coins_per_set(const micromint_plan *plan);

double micromint_plan_spendable_per_set(const micromint_plan *plan);

double micromint_plan_first_forgery_tosses(const micromint_plan *plan);

void micromint_plan_free(micromint_plan *plan);

micromint_status micromint_secret_create(const uint8_t *path,
                                         size_t path_len,
                                         const micromint_host *host,
                                         uint8_t *secret_out,
                                         micromint_error **error_out);

micromint_status micromint_secret_read(const uint8_t *path,
                                       size_t path_len,
                                       uint8_t *secret_out,
                                       micromint_error **error_out);

micromint_policy *micromint_policy_new(void);

void micromint_policy_set_autopay(micromint_policy *policy, int64_t coins);

void micromint_policy_set_daily_limit(micromint_policy *policy, int64_t coins);

void micromint_policy_set_http(micromint_policy *policy, bool allows_http);

void micromint_policy_free(micromint_policy *policy);

micromint_status micromint_challenge_parse(const uint8_t *value,
                                           size_t value_len,
                                           micromint_challenge **challenge_out,
                                           micromint_error **error_out);

micromint_status micromint_challenge_request(const micromint_challenge *challenge,
                                             micromint_message **message_out,
                                             micromint_error **error_out);

bool micromint_challenge_has_ended(const micromint_challenge *challenge, int64_t now);

micromint_status micromint_challenge_answer(const micromint_challenge *challenge,
                                            const uint8_t *payment,
                                            size_t payment_len,
                                            const uint8_t **name_out,
                                            size_t *name_len_out,
                                            micromint_buffer **value_out,
                                            micromint_error **error_out);

void micromint_challenge_free(micromint_challenge *challenge);

micromint_status micromint_payment_receipt_check(const uint8_t *value,
                                                 size_t value_len,
                                                 const uint8_t *payment,
                                                 size_t payment_len,
                                                 bool *is_ours_out,
                                                 micromint_error **error_out);

micromint_status micromint_wallet_open(const uint8_t *path,
                                       size_t path_len,
                                       const micromint_host *host,
                                       micromint_wallet **wallet_out,
                                       micromint_error **error_out);

micromint_status micromint_wallet_receive(micromint_wallet *wallet,
                                          const uint8_t *message,
                                          size_t message_len,
                                          micromint_received *received_out,
                                          uint32_t *coins_out,
                                          micromint_buffer **reason_out,
                                          micromint_error **error_out);

micromint_status micromint_wallet_receive_from(micromint_wallet *wallet,
                                               const uint8_t *page,
                                               size_t page_len,
                                               const uint8_t *message,
                                               size_t message_len,
                                               micromint_received *received_out,
                                               uint32_t *coins_out,
                                               micromint_buffer **reason_out,
                                               micromint_error **error_out);

micromint_status micromint_wallet_refresh(micromint_wallet *wallet, micromint_error **error_out);

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

micromint_status micromint_wallet_record_outcome(micromint_wallet *wallet,
                                                 uint32_t payment,
                                                 uint32_t status,
                                                 const uint8_t *word,
                                                 size_t word_len,
                                                 const uint8_t **outcome_out,
                                                 size_t *outcome_len_out,
                                                 micromint_error **error_out);

void micromint_wallet_free(micromint_wallet *wallet);

micromint_status micromint_wallet_take_consent(micromint_wallet *wallet,
                                               const uint8_t *manifest,
                                               size_t manifest_len,
                                               bool *is_given_out,
                                               micromint_buffer **reason_out,
                                               micromint_error **error_out);

micromint_status micromint_wallet_resend_after(const micromint_wallet *wallet,
                                               uint32_t status,
                                               const uint8_t *word,
                                               size_t word_len,
                                               const uint8_t *retry_after,
                                               size_t retry_after_len,
                                               int64_t first_sent,
                                               uint32_t *seconds_out,
                                               micromint_error **error_out);

micromint_status micromint_wallet_keep_receipt(micromint_wallet *wallet,
                                               uint32_t payment,
                                               const uint8_t *cookie,
                                               size_t cookie_len,
                                               bool *is_receipt_out,
                                               micromint_error **error_out);

micromint_status micromint_wallet_receipt(const micromint_wallet *wallet,
                                          const uint8_t *url,
                                          size_t url_len,
                                          micromint_buffer **cookie_out,
                                          micromint_error **error_out);

micromint_status micromint_wallet_backup(micromint_wallet *wallet,
                                         const uint8_t *path,
                                         size_t path_len,
                                         micromint_error **error_out);

micromint_status micromint_wallet_restore(const uint8_t *backup,
                                          size_t backup_len,
                                          const uint8_t *path,
                                          size_t path_len,
                                          bool is_spendable,
                                          const micromint_host *host,
                                          micromint_wallet **wallet_out,
                                          micromint_error **error_out);

size_t micromint_wallet_past_sale_count(const micromint_wallet *wallet);

micromint_status micromint_wallet_past_sale(const micromint_wallet *wallet,
                                            size_t index,
                                            micromint_past_sale **sale_out,
                                            micromint_error **error_out);

int64_t micromint_past_sale_at(const micromint_past_sale *past_sale);

size_t micromint_past_sale_holding(const micromint_past_sale *past_sale);

uint64_t micromint_past_sale_transaction(const micromint_past_sale *past_sale);

uint32_t micromint_past_sale_sets(const micromint_past_sale *past_sale);

void micromint_past_sale_free(micromint_past_sale *past_sale);

size_t micromint_wallet_past_return_count(const micromint_wallet *wallet);

micromint_status micromint_wallet_past_return(const micromint_wallet *wallet,
                                              size_t index,
                                              micromint_past_return **return_out,
                                              micromint_error **error_out);

int64_t micromint_past_return_at(const micromint_past_return *past_return);

size_t micromint_past_return_holding(const micromint_past_return *past_return);

uint64_t micromint_past_return_transaction(const micromint_past_return *past_return);

uint32_t micromint_past_return_coins(const micromint_past_return *past_return);

uint32_t micromint_past_return_credited(const micromint_past_return *past_return);

uint32_t micromint_past_return_waiting(const micromint_past_return *past_return);

bool micromint_past_return_is_answered(const micromint_past_return *past_return);

micromint_status micromint_past_return_request(const micromint_past_return *past_return,
                                               const uint8_t **request_out,
                                               size_t *request_len_out,
                                               micromint_error **error_out);

void micromint_past_return_free(micromint_past_return *past_return);

bool micromint_wallet_is_backup(const micromint_wallet *wallet);

size_t micromint_wallet_holding_count(const micromint_wallet *wallet);

micromint_status micromint_wallet_holding(const micromint_wallet *wallet,
                                          size_t holding,
                                          micromint_holding **holding_out,
                                          micromint_error **error_out);

micromint_status micromint_holding_user(const micromint_holding *holding,
                                        const uint8_t **user_out,
                                        size_t *user_len_out,
                                        micromint_error **error_out);

micromint_status micromint_holding_period(const micromint_holding *holding,
                                          const uint8_t **period_out,
                                          size_t *period_len_out,
                                          micromint_error **error_out);

uint32_t micromint_holding_sets(const micromint_holding *holding);

uint32_t micromint_holding_unspent(const micromint_holding *holding);

uint32_t micromint_holding_in_doubt(const micromint_holding *holding);

uint32_t micromint_holding_paid(const micromint_holding *holding);

uint32_t micromint_holding_bound(const micromint_holding *holding);

uint32_t micromint_holding_returned(const micromint_holding *holding);

micromint_status micromint_holding_params(const micromint_holding *holding,
                                          micromint_params **params_out,
                                          micromint_error **error_out);

void micromint_holding_free(micromint_holding *holding);

micromint_status micromint_wallet_coins_at(const micromint_wallet *wallet,
                                           size_t holding,
                                           const uint8_t *vendor,
                                           size_t vendor_len,
                                           uint32_t *coins_out,
                                           micromint_error **error_out);

size_t micromint_wallet_past_payment_count(const micromint_wallet *wallet);

micromint_status micromint_wallet_past_payment(const micromint_wallet *wallet,
                                               size_t index,
                                               micromint_past_payment **payment_out,
                                               micromint_error **error_out);

int64_t micromint_past_payment_at(const micromint_past_payment *past_payment);

int64_t micromint_past_payment_outcome_at(const micromint_past_payment *past_payment);

size_t micromint_past_payment_holding(const micromint_past_payment *past_payment);

uint32_t micromint_past_payment_coins(const micromint_past_payment *past_payment);

uint32_t micromint_past_payment_fresh(const micromint_past_payment *past_payment);

micromint_status micromint_past_payment_vendor(const micromint_past_payment *past_payment,
                                               const uint8_t **vendor_out,
                                               size_t *vendor_len_out,
                                               micromint_error **error_out);

micromint_status micromint_past_payment_url(const micromint_past_payment *past_payment,
                                            const uint8_t **url_out,
                                            size_t *url_len_out,
                                            micromint_error **error_out);

micromint_status micromint_past_payment_method(const micromint_past_payment *past_payment,
                                               const uint8_t **method_out,
                                               size_t *method_len_out,
                                               micromint_error **error_out);

micromint_status micromint_past_payment_description(const micromint_past_payment *past_payment,
                                                    const uint8_t **description_out,
                                                    size_t *description_len_out,
                                                    micromint_error **error_out);

micromint_status micromint_past_payment_outcome(const micromint_past_payment *past_payment,
                                                const uint8_t **outcome_out,
                                                size_t *outcome_len_out,
                                                micromint_error **error_out);

micromint_status micromint_past_payment_reason(const micromint_past_payment *past_payment,
                                               const uint8_t **reason_out,
                                               size_t *reason_len_out,
                                               micromint_error **error_out);

void micromint_past_payment_free(micromint_past_payment *past_payment);

micromint_status micromint_wallet_invited(const micromint_wallet *wallet,
                                          const uint8_t *message,
                                          size_t message_len,
                                          size_t *holding_out,
                                          micromint_error **error_out);

micromint_status micromint_wallet_return(micromint_wallet *wallet,
                                         size_t holding,
                                         micromint_buffer **message_out,
                                         micromint_error **error_out);

micromint_status micromint_wallet_credit(micromint_wallet *wallet,
                                         const uint8_t *message,
                                         size_t message_len,
                                         micromint_error **error_out);

bool micromint_decision_serves(const micromint_decision *decision);

uint32_t micromint_decision_status(const micromint_decision *decision);

size_t micromint_decision_header_count(const micromint_decision *decision);

micromint_status micromint_decision_header(const micromint_decision *decision,
                                           size_t index,
                                           const uint8_t **name_out,
                                           size_t *name_len_out,
                                           const uint8_t **value_out,
                                           size_t *value_len_out,
                                           micromint_error **error_out);

micromint_status micromint_decision_body(const micromint_decision *decision,
                                         const uint8_t **body_out,
                                         size_t *body_len_out,
                                         micromint_error **error_out);

micromint_status micromint_decision_outcome(const micromint_decision *decision,
                                            const uint8_t **word_out,
                                            size_t *word_len_out,
                                            micromint_error **error_out);

micromint_status micromint_decision_user(const micromint_decision *decision,
                                         const uint8_t **user_out,
                                         size_t *user_len_out,
                                         micromint_error **error_out);

uint32_t micromint_decision_coins(const micromint_decision *decision);

bool micromint_decision_is_as_get(const micromint_decision *decision);

bool micromint_decision_ignores_conditions(const micromint_decision *decision);

bool micromint_decision_is_private(const micromint_decision *decision);

size_t micromint_decision_strip_header_count(const micromint_decision *decision);

micromint_status micromint_decision_strip_header(const micromint_decision *decision,
                                                 size_t index,
                                                 const uint8_t **name_out,
                                                 size_t *name_len_out,
                                                 micromint_error **error_out);

void micromint_decision_free(micromint_decision *decision);

micromint_fields *micromint_fields_new(void);

void micromint_fields_add(micromint_fields *fields,
                          const uint8_t *name,
                          size_t name_len,
                          const uint8_t *value,
                          size_t value_len);

void micromint_fields_clear(micromint_fields *fields);

void micromint_fields_free(micromint_fields *fields);

micromint_status micromint_decision_head(const micromint_decision *decision,
                                         uint32_t status,
                                         bool is_reversed,
                                         const micromint_fields *fields,
                                         micromint_head **head_out,
                                         micromint_error **error_out);

micromint_status micromint_decision_event(const micromint_decision *decision,
                                          uint32_t status,
                                          bool is_reversed,
                                          bool is_json,
                                          micromint_buffer **line_out,
                                          micromint_error **error_out);

size_t micromint_head_remove_count(const micromint_head *head);

micromint_status micromint_head_remove(const micromint_head *head,
                                       size_t index,
                                       const uint8_t **name_out,
                                       size_t *name_len_out,
                                       micromint_error **error_out);

size_t micromint_head_add_count(const micromint_head *head);

micromint_status micromint_head_add(const micromint_head *head,
                                    size_t index,
                                    const uint8_t **name_out,
                                    size_t *name_len_out,
                                    const uint8_t **value_out,
                                    size_t *value_len_out,
                                    micromint_error **error_out);

void micromint_head_free(micromint_head *head);

micromint_status micromint_paywall_prepare(const uint8_t *config,
                                           size_t config_len,
                                           const micromint_host *host,
                                           micromint_error **error_out);

micromint_status micromint_paywall_open(const uint8_t *config,
                                        size_t config_len,
                                        const micromint_host *host,
                                        micromint_paywall **paywall_out,
                                        micromint_error **error_out);

micromint_status micromint_paywall_look(const micromint_paywall *paywall,
                                        const micromint_request *request,
                                        micromint_look *look_out,
                                        size_t *body_max_out,
                                        micromint_decision **decision_out,
                                        micromint_error **error_out);

micromint_status micromint_paywall_decide(const micromint_paywall *paywall,
                                          const micromint_request *request,
                                          micromint_decision **decision_out,
                                          micromint_error **error_out);

micromint_status micromint_paywall_finish(const micromint_paywall *paywall,
                                          const micromint_decision *decision,
                                          uint32_t status,
                                          bool *reversed_out,
                                          micromint_error **error_out);

micromint_status micromint_paywall_promise(const micromint_paywall *paywall,
                                           const micromint_decision *decision,
                                           uint32_t status,
                                           bool *reversed_out,
                                           micromint_error **error_out);

micromint_status micromint_paywall_price_tag(const micromint_paywall *paywall,
                                             const micromint_request *request,
                                             micromint_decision **decision_out,
                                             micromint_error **error_out);

micromint_status micromint_paywall_metrics(const micromint_paywall *paywall,
                                           micromint_buffer **text_out,
                                           micromint_error **error_out);

void micromint_paywall_free(micromint_paywall *paywall);

micromint_status micromint_price_parse(const uint8_t *text,
                                       size_t text_len,
                                       uint32_t *price_out,
                                       micromint_error **error_out);

micromint_status micromint_paywall_price(const micromint_paywall *paywall,
                                         const uint8_t *text,
                                         size_t text_len,
                                         uint32_t *price_out,
                                         micromint_error **error_out);

micromint_request *micromint_request_new(void);

void micromint_request_clear(micromint_request *request);

void micromint_request_free(micromint_request *request);

void micromint_request_set_method(micromint_request *request,
                                  const uint8_t *method,
                                  size_t method_len);

void micromint_request_set_target(micromint_request *request,
                                  const uint8_t *target,
                                  size_t target_len);

void micromint_request_set_host(micromint_request *request, const uint8_t *host, size_t host_len);

void micromint_request_add_header(micromint_request *request,
                                  const uint8_t *name,
                                  size_t name_len,
                                  const uint8_t *value,
                                  size_t value_len);

void micromint_request_set_body(micromint_request *request, const uint8_t *body, size_t body_len);

void micromint_request_set_https(micromint_request *request, bool is_https);

void micromint_request_set_port(micromint_request *request, int64_t port);

void micromint_request_set_price(micromint_request *request, int64_t price);

void micromint_request_set_free_views(micromint_request *request, int64_t free_views);

void micromint_request_set_dry_run(micromint_request *request, bool is_dry_run);

void micromint_request_set_charges_redirects(micromint_request *request, bool charges_redirects);

void micromint_request_set_receipt_path(micromint_request *request,
                                        const uint8_t *path,
                                        size_t path_len);

void micromint_request_set_client(micromint_request *request,
                                  const uint8_t *client,
                                  size_t client_len);

void micromint_request_set_file(micromint_request *request, bool is_file);

void micromint_request_set_last_modified(micromint_request *request, int64_t last_modified);

void micromint_request_set_etag(micromint_request *request, const uint8_t *etag, size_t etag_len);

void micromint_request_set_size(micromint_request *request, int64_t size);

micromint_status micromint_till_open(const uint8_t *config,
                                     size_t config_len,
                                     const micromint_host *host,
                                     micromint_till **till_out,
                                     micromint_error **error_out);

micromint_status micromint_till_make_batch(const micromint_till *till,
                                           const uint8_t *key,
                                           size_t key_len,
                                           const uint8_t *period,
                                           size_t period_len,
                                           uint32_t payments_max,
                                           micromint_batch **batch_out,
                                           micromint_buffer **message_out,
                                           micromint_error **error_out);

micromint_status micromint_till_read_result(const micromint_till *till,
                                            const uint8_t *key,
                                            size_t key_len,
                                            const uint8_t *message,
                                            size_t message_len,
                                            micromint_batch **batch_out,
                                            micromint_error **error_out);

micromint_status micromint_till_unbatched(const micromint_till *till,
                                          const uint8_t *period,
                                          size_t period_len,
                                          uint64_t *payments_out,
                                          uint64_t *coins_out,
                                          uint64_t *young_out,
                                          micromint_error **error_out);

micromint_status micromint_till_prune(const micromint_till *till,
                                      uint64_t *removed_out,
                                      micromint_error **error_out);

void micromint_till_free(micromint_till *till);

micromint_status micromint_till_batches(const micromint_till *till,
                                        micromint_batch_list **batches_out,
                                        micromint_error **error_out);

size_t micromint_batch_list_count(const micromint_batch_list *batch_list);

micromint_status micromint_batch_list_batch(const micromint_batch_list *batch_list,
                                            size_t index,
                                            micromint_batch **batch_out,
                                            micromint_error **error_out);

void micromint_batch_list_free(micromint_batch_list *batch_list);

micromint_status micromint_batch_id(const micromint_batch *batch,
                                    const uint8_t **id_out,
                                    size_t *id_len_out,
                                    micromint_error **error_out);

micromint_status micromint_batch_period(const micromint_batch *batch,
                                        const uint8_t **period_out,
                                        size_t *period_len_out,
                                        micromint_error **error_out);

uint32_t micromint_batch_payments(const micromint_batch *batch);

uint32_t micromint_batch_coins(const micromint_batch *batch);

uint32_t micromint_batch_coins_paid(const micromint_batch *batch);

uint32_t micromint_batch_coins_waiting(const micromint_batch *batch);

int64_t micromint_batch_made_at(const micromint_batch *batch);

int64_t micromint_batch_redeem_until(const micromint_batch *batch);

bool micromint_batch_is_answered(const micromint_batch *batch);

void micromint_batch_free(micromint_batch *batch);

micromint_status micromint_till_periods(const micromint_till *till,
                                        micromint_buffer **periods_out,
                                        micromint_error **error_out);
