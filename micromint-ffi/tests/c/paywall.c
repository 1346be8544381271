/* The paywall, on disk: it asks for a payment, accepts one, answers a retry, refuses and
   reverses. It uses the caller's clock, randomness and log. argv[1] is an empty folder. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "paid.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  int64_t now;
  int randoms, fails;
  micromint_log_level level;
  char log[512];
} machine;

static int64_t machine_now(void *userdata) { return ((machine *)userdata)->now; }

static int32_t machine_random(void *userdata, uint8_t *bytes, size_t len) {
  machine *it = userdata;
  size_t i;
  if (it->fails) return 5;
  for (i = 0; i < len; i++) bytes[i] = (uint8_t)(7 * i + (size_t)++it->randoms);
  return 0;
}

static void machine_log(void *userdata, micromint_log_level level, const uint8_t *text, size_t len) {
  machine *it = userdata;
  it->level = level;
  snprintf(it->log, sizeof it->log, "%.*s", (int)len, (const char *)text);
}

static micromint_error *error;
static char config[4096];

/* A request as a web server would fill it, with a header field unless `name` is NULL. */
static micromint_request *ask(const char *target, const char *name, const char *value) {
  micromint_request *request = request_for(target);
  if (name != NULL) micromint_request_add_header(request, TEXT(name), TEXT(value));
  return request;
}

static int has_header(const micromint_decision *decision, const char *name, const char *start) {
  const uint8_t *n, *v;
  size_t n_len, v_len, i;
  for (i = 0; i < micromint_decision_header_count(decision); i++) {
    good(micromint_decision_header(decision, i, &n, &n_len, &v, &v_len, &error), error);
    if (equal(n, n_len, name) && v_len >= strlen(start) && memcmp(v, start, strlen(start)) == 0) return 1;
  }
  CHECK(micromint_decision_header(decision, i, &n, &n_len, &v, &v_len, &error) == MICROMINT_ERROR_ABSENT);
  CHECK(says(error, MICROMINT_ERROR_ABSENT, "there are"));
  return 0;
}

static int word_is(const micromint_decision *decision, const char *word) {
  const uint8_t *found;
  size_t len;
  good(micromint_decision_outcome(decision, &found, &len, &error), error);
  if (!equal(found, len, word)) fprintf(stderr, "outcome %.*s\n", (int)len, (const char *)found);
  return equal(found, len, word);
}

static int user_is(const micromint_decision *decision, const char *user) {
  const uint8_t *found;
  size_t len;
  good(micromint_decision_user(decision, &found, &len, &error), error);
  return equal(found, len, user);
}

static micromint_decision *decide(const micromint_paywall *paywall, const micromint_request *request) {
  micromint_decision *decision = NULL;
  good(micromint_paywall_decide(paywall, request, &decision, &error), error);
  return decision;
}

static void unpaid_and_free(const micromint_paywall *paywall) {
  micromint_request *request = ask(PAID_TARGET, NULL, NULL);
  micromint_decision *decision = NULL;
  micromint_message *offer = NULL;
  micromint_look step = MICROMINT_LOOK_PENDING;
  size_t body_max = 7, len;
  const uint8_t *body, *price;
  good(micromint_paywall_look(paywall, request, &step, &body_max, &decision, &error), error);
  CHECK(step == MICROMINT_LOOK_DECIDED && body_max == 0 && decision != NULL);
  CHECK(!micromint_decision_serves(decision) && micromint_decision_status(decision) == 402);
  CHECK(word_is(decision, "unpaid") && user_is(decision, "") && micromint_decision_coins(decision) == 0);
  CHECK(has_header(decision, "Content-Type", "application/x-micromint"));
  CHECK(has_header(decision, "MicroMint-Request", "") && !has_header(decision, "Set-Cookie", ""));
  good(micromint_decision_body(decision, &body, &len, &error), error);
  good(micromint_message_parse(body, len, &offer, &error), error);
  good(micromint_message_header(offer, TEXT("Price"), &price, &len, &error), error);
  CHECK(equal(price, len, "1"));
  micromint_message_free(offer);
  micromint_decision_free(decision);

  micromint_request_set_price(request, 0);
  decision = NULL;
  good(micromint_paywall_look(paywall, request, &step, &body_max, &decision, &error), error);
  CHECK(step == MICROMINT_LOOK_DECIDED && micromint_decision_serves(decision) && word_is(decision, "free"));
  CHECK(!micromint_decision_is_private(decision) && micromint_decision_strip_header_count(decision) == 0);
  micromint_decision_free(decision);
  micromint_request_free(request);
}

/* Compares a header of the Request-Payment in the response. */
static void offers(const micromint_paywall *paywall, const micromint_request *request, const char *name,
                   const char *value) {
  micromint_decision *decision = decide(paywall, request);
  micromint_message *offer = NULL;
  const uint8_t *found;
  size_t len;
  good(micromint_decision_body(decision, &found, &len, &error), error);
  good(micromint_message_parse(found, len, &offer, &error), error);
  good(micromint_message_header(offer, TEXT(name), &found, &len, &error), error);
  CHECK(equal(found, len, value));
  micromint_message_free(offer);
  micromint_decision_free(decision);
}

/* Every setter of a request has its effect, also on a request that was cleared. */
static void setters(const micromint_paywall *paywall) {
  micromint_request *request = ask("/a?b=c", NULL, NULL);
  micromint_decision *decision;
  offers(paywall, request, "URL", "https://news.example/a?b=c");
  micromint_request_set_price(request, 17);
  offers(paywall, request, "Price", "17");
  micromint_request_set_https(request, false);
  offers(paywall, request, "URL", "http://news.example/a?b=c");
  micromint_request_set_https(request, true);
  micromint_request_set_host(request, TEXT("www.news.example"));
  offers(paywall, request, "URL", "https://www.news.example/a?b=c");
  micromint_request_clear(request);
  micromint_request_set_method(request, TEXT("GET"));
  micromint_request_set_target(request, TEXT("/other"));
  micromint_request_set_price(request, 2);
  micromint_request_set_host(request, TEXT("news.example"));
  offers(paywall, request, "URL", "http://news.example/other");
  micromint_request_clear(request);
  micromint_request_set_method(request, TEXT("GET"));
  micromint_request_set_target(request, TEXT("/other"));
  micromint_request_set_price(request, 2);
  micromint_request_set_https(request, true);
  offers(paywall, request, "URL", "https://news.example/other");
  micromint_request_add_header(request, TEXT("Accept"), TEXT("application/problem+json"));
  decision = decide(paywall, request);
  CHECK(has_header(decision, "Content-Type", "application/problem+json"));
  micromint_decision_free(decision);
  micromint_request_set_method(request, TEXT("OPTIONS"));
  decision = decide(paywall, request);
  CHECK(micromint_decision_status(decision) == 204 && word_is(decision, "options"));
  micromint_decision_free(decision);
  /* Nothing of a request is left once it is cleared. */
  micromint_request_clear(request);
  decision = decide(paywall, request);
  CHECK(micromint_decision_serves(decision) && word_is(decision, "free"));
  micromint_decision_free(decision);
  micromint_request_free(request);
}

/* A request owns its bytes: those that were passed may be gone when it is used. */
static void copies(const micromint_paywall *paywall) {
  micromint_request *request = request_for("/");
  char *target = malloc(70000);
  memset(target, 'a', 70000);
  target[0] = '/';
  micromint_request_set_target(request, (const uint8_t *)target, 5);
  memset(target, 'b', 70000);
  offers(paywall, request, "URL", "https://news.example/aaaa");
  /* The memory of a large body is given back. */
  micromint_request_set_body(request, (const uint8_t *)target, 70000);
  free(target);
  micromint_request_clear(request);
  micromint_request_free(request);
}

static void paid_once(const micromint_paywall *paywall, machine *it) {
  micromint_request *request = ask(PAID_TARGET, "MICROMINT-Payment", PAID_HEADER);
  micromint_decision *decision = NULL;
  micromint_look step = MICROMINT_LOOK_DECIDED;
  size_t body_max = 7, len;
  const uint8_t *name;
  bool reversed = true;
  good(micromint_paywall_look(paywall, request, &step, &body_max, &decision, &error), error);
  CHECK(step == MICROMINT_LOOK_PENDING && decision == NULL && body_max == 0);

  /* Content that fails costs nothing: the same payment is accepted again. */
  decision = decide(paywall, request);
  CHECK(micromint_decision_serves(decision) && word_is(decision, "paid") && user_is(decision, "alice"));
  CHECK(micromint_decision_coins(decision) == 1 && micromint_decision_status(decision) == 0);
  good(micromint_paywall_promise(paywall, decision, 200, &reversed, &error), error);
  CHECK(!reversed);
  good(micromint_paywall_promise(paywall, decision, 500, &reversed, &error), error);
  CHECK(reversed);
  good(micromint_paywall_finish(paywall, decision, 103, &reversed, &error), error);
  CHECK(!reversed);
  good(micromint_paywall_finish(paywall, decision, 500, &reversed, &error), error);
  CHECK(reversed);
  CHECK(micromint_paywall_finish(paywall, decision, 70000, &reversed, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "100 to 999"));
  micromint_decision_free(decision);

  decision = decide(paywall, request);
  CHECK(word_is(decision, "paid") && micromint_decision_is_private(decision));
  CHECK(!micromint_decision_is_as_get(decision) && !micromint_decision_ignores_conditions(decision));
  CHECK(has_header(decision, "MicroMint-Status", "paid") && has_header(decision, "Set-Cookie", ""));
  CHECK(micromint_decision_strip_header_count(decision) == 6);
  good(micromint_decision_strip_header(decision, 4, &name, &len, &error), error);
  CHECK(equal(name, len, "MicroMint-Payment"));
  good(micromint_decision_strip_header(decision, 5, &name, &len, &error), error);
  CHECK(equal(name, len, "Payment-Authorization"));
  good(micromint_paywall_finish(paywall, decision, 200, &reversed, &error), error);
  CHECK(!reversed);
  micromint_decision_free(decision);

  decision = decide(paywall, request);
  CHECK(micromint_decision_serves(decision) && word_is(decision, "retry") && micromint_decision_coins(decision) == 0);
  micromint_decision_free(decision);

  /* After the receipt time, by the caller's clock, the coin is spent. */
  it->now += 90000;
  decision = decide(paywall, request);
  CHECK(!micromint_decision_serves(decision) && word_is(decision, "spent") && user_is(decision, "alice"));
  CHECK(micromint_decision_status(decision) == 402);
  micromint_decision_free(decision);
  it->now -= 90000;
  micromint_request_free(request);
}

static void paid_in_a_body(const micromint_paywall *paywall) {
  micromint_request *request = ask(PAID_TARGET, "Content-Type", "application/x-micromint");
  micromint_decision *decision = NULL;
  micromint_look step = MICROMINT_LOOK_DECIDED;
  size_t body_max = 0;
  micromint_request_set_method(request, TEXT("POST"));
  good(micromint_paywall_look(paywall, request, &step, &body_max, &decision, &error), error);
  CHECK(step == MICROMINT_LOOK_NEEDS_BODY && body_max > 100 && decision == NULL);
  /* A body that is too large. */
  decision = decide(paywall, request);
  CHECK(micromint_decision_status(decision) == 413);
  micromint_decision_free(decision);
  micromint_request_set_body(request, PAID_BODY, sizeof PAID_BODY);
  decision = decide(paywall, request);
  CHECK(word_is(decision, "retry") && micromint_decision_is_as_get(decision));
  CHECK(micromint_decision_ignores_conditions(decision) && micromint_decision_strip_header_count(decision) == 11);
  micromint_decision_free(decision);
  /* An empty body counts as read. */
  micromint_request_set_body(request, NULL, 0);
  decision = decide(paywall, request);
  CHECK(word_is(decision, "malformed"));
  micromint_decision_free(decision);
  micromint_request_free(request);
}

/* The size of a file counts only if it is known: a range is then decided. */
static void ranges(const micromint_paywall *paywall) {
  micromint_request *request = ask(RACE_TARGET, "MicroMint-Payment", RACE_HEADER);
  micromint_decision *decision;
  bool reversed = false;
  micromint_request_add_header(request, TEXT("Range"), TEXT("bytes=100-199"));
  micromint_request_set_file(request, true);
  micromint_request_set_size(request, 50);
  decision = decide(paywall, request);
  CHECK(!micromint_decision_serves(decision) && micromint_decision_status(decision) == 416);
  micromint_decision_free(decision);
  micromint_request_free(request);
  request = ask(RACE_TARGET, "MicroMint-Payment", RACE_HEADER);
  micromint_request_add_header(request, TEXT("Range"), TEXT("bytes=100-199"));
  micromint_request_set_file(request, true);
  decision = decide(paywall, request);
  CHECK(micromint_decision_serves(decision) && micromint_decision_coins(decision) == 1);
  good(micromint_paywall_finish(paywall, decision, 500, &reversed, &error), error);
  CHECK(reversed);
  micromint_decision_free(decision);
  micromint_request_free(request);
}

/* What is known of a file counts only if the content is one: a condition is then decided. */
static void conditions(const micromint_paywall *paywall) {
  micromint_request *request = ask(RACE_TARGET, "MicroMint-Payment", RACE_HEADER);
  micromint_decision *decision;
  bool reversed = false;
  micromint_request_add_header(request, TEXT("If-Match"), TEXT("\"old\""));
  micromint_request_set_etag(request, TEXT("\"new\""));
  micromint_request_set_last_modified(request, 1796904000);
  decision = decide(paywall, request);
  CHECK(micromint_decision_serves(decision) && micromint_decision_coins(decision) == 1);
  good(micromint_paywall_finish(paywall, decision, 500, &reversed, &error), error);
  CHECK(reversed);
  micromint_decision_free(decision);
  micromint_request_set_file(request, true);
  decision = decide(paywall, request);
  CHECK(micromint_decision_status(decision) == 412);
  micromint_decision_free(decision);
  micromint_request_free(request);
}

/* The price of a page, whatever the request carries; nothing is recorded. */
static void price_tag(const micromint_paywall *paywall) {
  micromint_request *request = ask(RACE_TARGET, "MicroMint-Payment", RACE_HEADER);
  micromint_decision *decision = NULL;
  good(micromint_paywall_price_tag(paywall, request, &decision, &error), error);
  CHECK(!micromint_decision_serves(decision) && micromint_decision_status(decision) == 402);
  CHECK(word_is(decision, "unpaid"));
  micromint_decision_free(decision);
  micromint_request_free(request);
}

static int metric(const micromint_paywall *paywall, const char *line) {
  micromint_buffer *text = NULL;
  char copy[32768];
  size_t len;
  good(micromint_paywall_metrics(paywall, &text, &error), error);
  len = micromint_buffer_len(text);
  CHECK(len < sizeof copy);
  memcpy(copy, micromint_buffer_data(text), len);
  copy[len] = 0;
  micromint_buffer_free(text);
  if (strstr(copy, line) == NULL) fprintf(stderr, "no %s in %s\n", line, copy);
  return strstr(copy, line) != NULL;
}

/* What was decided so far is counted. */
static void counters(const micromint_paywall *paywall) {
  CHECK(metric(paywall, "\nmicromint_requests_total{outcome=\"paid\"} 1\n"));
  CHECK(metric(paywall, "\nmicromint_requests_total{outcome=\"reversed\"} 1\n"));
  CHECK(metric(paywall, "\nmicromint_requests_total{outcome=\"spent\"} 1\n"));
  CHECK(metric(paywall, "\nmicromint_coins_reversed_total 1\n"));
  CHECK(metric(paywall, "\nmicromint_vendors_without_period 0\n"));
}

static void set_file_size_limit(rlim_t size) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  limit.rlim_cur = size;
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* A till that cannot be written answers 503 and is opened again once it can, without a restart. */
static void a_fault_heals(const micromint_paywall *paywall, machine *it) {
  micromint_request *request = ask(RACE_TARGET, "MicroMint-Payment", RACE_HEADER), *unpaid = request_for("/story");
  micromint_decision *decision;
  struct rlimit before;
  bool reversed = false;
  CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
  set_file_size_limit(1);
  decision = decide(paywall, request);
  CHECK(micromint_decision_status(decision) == 503 && word_is(decision, "unavailable"));
  CHECK(it->level == MICROMINT_LOG_ERROR && it->log[0] != 0);
  micromint_decision_free(decision);
  /* Prices are answered meanwhile. */
  decision = decide(paywall, unpaid);
  CHECK(micromint_decision_status(decision) == 402);
  micromint_decision_free(decision);
  set_file_size_limit(before.rlim_cur);
  it->now += 2;
  decision = decide(paywall, request);
  CHECK(micromint_decision_serves(decision) && micromint_decision_coins(decision) == 1);
  /* For the threads that follow. */
  good(micromint_paywall_finish(paywall, decision, 500, &reversed, &error), error);
  CHECK(reversed);
  micromint_decision_free(decision);
  micromint_request_free(request);
  micromint_request_free(unpaid);
}

static void refused(const micromint_paywall *paywall, machine *it) {
  micromint_request *request = ask("/elsewhere", "micromint-payment", PAID_HEADER);
  micromint_decision *decision = decide(paywall, request);
  CHECK(word_is(decision, "other-page") && !micromint_decision_serves(decision));
  micromint_decision_free(decision);
  micromint_request_free(request);
  request = ask("/elsewhere", "micromint-payment", "!");
  it->log[0] = 0;
  decision = decide(paywall, request);
  CHECK(word_is(decision, "malformed") && strstr(it->log, "base64url") != NULL);
  CHECK(it->level == MICROMINT_LOG_INFO);
  micromint_decision_free(decision);
  micromint_request_free(request);
}

/* The first invalid value is reported by every function that gets the request, until it is cleared. */
static void invalid_values(const micromint_paywall *paywall) {
  micromint_request *request = request_for("/");
  micromint_decision *decision = NULL;
  micromint_look step = MICROMINT_LOOK_PENDING;
  size_t body_max = 7;
  /* What a language with 32 bits would turn into a free page. */
  micromint_request_set_price(request, (int64_t)1 << 32);
  CHECK(micromint_paywall_decide(paywall, request, &decision, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "request.price: expected a number of 0 to 4294967295, found 4294967296"));
  micromint_request_set_price(request, 1);
  micromint_request_set_client(request, TEXT("nobody"));
  CHECK(micromint_paywall_look(paywall, request, &step, &body_max, &decision, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "found 4294967296") && body_max == 7);
  CHECK(micromint_paywall_price_tag(paywall, request, &decision, NULL) == MICROMINT_ERROR_ARGUMENT);
  CHECK(step == MICROMINT_LOOK_PENDING && decision == NULL);
  micromint_request_clear(request);
  micromint_request_set_client(request, TEXT("nobody"));
  CHECK(micromint_paywall_decide(paywall, request, &decision, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, ""));
  micromint_request_clear(request);
  micromint_request_set_client(request, (const uint8_t *)"\xff", 1);
  CHECK(micromint_paywall_decide(paywall, request, &decision, &error) == MICROMINT_ERROR_TEXT);
  CHECK(says(error, MICROMINT_ERROR_TEXT, "request.client is not UTF-8"));
  micromint_request_clear(request);
  micromint_request_add_header(request, NULL, 1, NULL, 0);
  CHECK(micromint_paywall_decide(paywall, request, &decision, &error) == MICROMINT_ERROR_NULL);
  CHECK(says(error, MICROMINT_ERROR_NULL, "request.header.name is NULL"));
  micromint_request_clear(request);
  micromint_request_set_port(request, 65536);
  CHECK(micromint_paywall_decide(paywall, request, &decision, NULL) == MICROMINT_ERROR_ARGUMENT);
  micromint_request_clear(request);
  micromint_request_set_port(request, 65535);
  micromint_request_set_price(request, UINT32_MAX);
  micromint_request_set_free_views(request, UINT32_MAX);
  micromint_request_set_size(request, INT64_MAX);
  good(micromint_paywall_decide(paywall, request, &decision, &error), error);
  CHECK(!micromint_decision_serves(decision));
  micromint_decision_free(decision);
  micromint_request_free(request);
}

static void wrong_arguments(const micromint_paywall *paywall) {
  micromint_paywall *none = NULL;
  uint32_t price = 7;
  CHECK(micromint_paywall_open(TEXT("/nowhere/vendor.toml"), NULL, &none, &error) == MICROMINT_ERROR_CONFIG);
  CHECK(says(error, MICROMINT_ERROR_CONFIG, "/nowhere/vendor.toml: cannot be read") && none == NULL);
  good(micromint_price_parse(TEXT(" 500\r\n"), &price, &error), error);
  CHECK(price == 500);
  CHECK(micromint_price_parse(TEXT("501"), &price, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "0 to 500 coins, found \"501\"") && price == 500);
  CHECK(micromint_price_parse(TEXT("0.02 USD"), &price, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "coin-value"));
  good(micromint_paywall_price(paywall, TEXT("7"), &price, &error), error);
  CHECK(price == 7);
  CHECK(micromint_paywall_price(paywall, TEXT("0.02 USD"), &price, &error) == MICROMINT_ERROR_ARGUMENT);
  CHECK(says(error, MICROMINT_ERROR_ARGUMENT, "coin-value") && price == 7);
}

/* Several threads send the same coin, in one request: exactly one is answered as paid. */
enum { RACERS = 4 };
static const micromint_paywall *raced;
static const micromint_request *raced_request;

static void *race(void *paid) {
  micromint_decision *decision = NULL;
  micromint_error *own = NULL;
  good(micromint_paywall_decide(raced, raced_request, &decision, &own), own);
  CHECK(micromint_decision_serves(decision));
  *(uint32_t *)paid = micromint_decision_coins(decision);
  micromint_decision_free(decision);
  return NULL;
}

static void race_for_a_coin(const micromint_paywall *paywall) {
  pthread_t threads[RACERS];
  uint32_t paid[RACERS], sum = 0;
  micromint_request *request = ask(RACE_TARGET, "MicroMint-Payment", RACE_HEADER);
  int i;
  raced = paywall;
  raced_request = request;
  for (i = 0; i < RACERS; i++) CHECK(pthread_create(&threads[i], NULL, race, &paid[i]) == 0);
  for (i = 0; i < RACERS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    sum += paid[i];
  }
  CHECK(sum == 1);
  micromint_request_free(request);
}

/* A process that opens its own paywall after the fork sees the records of other processes. */
static void other_process(micromint_host *host) {
  int state = 1;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    micromint_request *request = ask(PAID_TARGET, "MicroMint-Payment", PAID_HEADER);
    micromint_paywall *own = NULL;
    micromint_decision *decision;
    good(micromint_paywall_open(TEXT(config), host, &own, &error), error);
    decision = decide(own, request);
    CHECK(word_is(decision, "retry"));
    micromint_decision_free(decision);
    micromint_request_free(request);
    micromint_paywall_free(own);
    micromint_host_free(host);
    _exit(0);
  }
  CHECK(waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0);
}

int main(int argc, char **argv) {
  machine it;
  micromint_host *host = micromint_host_new();
  micromint_paywall *paywall = NULL;
  CHECK(argc == 2);
  memset(&it, 0, sizeof it);
  it.now = 1796904000; /* 2026-12-10T12:00:00Z */
  micromint_host_set_now(host, machine_now, &it);
  micromint_host_set_random(host, machine_random, &it);
  micromint_host_set_log(host, machine_log, &it);
  snprintf(config, sizeof config, "%s/vendor.toml", argv[1]);

  it.fails = 1;
  CHECK(micromint_paywall_prepare(TEXT(config), host, &error) == MICROMINT_ERROR_CALLBACK);
  CHECK(says(error, MICROMINT_ERROR_CALLBACK, "the callback `random` returned 5"));
  it.fails = 0;
  good(micromint_paywall_prepare(TEXT(config), host, &error), error);
  CHECK(it.randoms >= 32);
  good(micromint_paywall_prepare(TEXT(config), NULL, &error), error);
  good(micromint_paywall_open(TEXT(config), host, &paywall, &error), error);
  unpaid_and_free(paywall);
  setters(paywall);
  copies(paywall);
  paid_once(paywall, &it);
  paid_in_a_body(paywall);
  refused(paywall, &it);
  counters(paywall);
  ranges(paywall);
  conditions(paywall);
  price_tag(paywall);
  a_fault_heals(paywall, &it);
  race_for_a_coin(paywall);
  invalid_values(paywall);
  wrong_arguments(paywall);
  micromint_paywall_free(paywall);
  other_process(host);
  micromint_host_free(host);
  return 0;
}
