/* Paywalls that answer requests from standard input, with which tests/c/cases.rs runs
   testdata/cases/: one after the other, each opened by a frame with the path of a vendor's
   configuration. Input and output are frames: a name, a length, a line end, the given number of
   bytes, a line end. */
#include "check.h"
#include <strings.h>

#define FIELDS_MAX 64
#define FRAME_MAX 200000

static micromint_error *error;
static int64_t now;
static char logged[4096];
static micromint_fields *fields;

typedef struct {
  char *bytes;
  size_t len;
} piece;

typedef struct {
  micromint_request *request;
  /* What the content's response has. */
  piece content[FIELDS_MAX];
  size_t content_len;
  uint32_t content_status;
  piece body;
  int has_body;
} step;

/* What a step asks for. */
typedef enum { END, ANSWER, OPEN } command;

static int64_t tell_time(void *userdata) {
  (void)userdata;
  return now;
}

static void keep_line(void *userdata, micromint_log_level level, const uint8_t *text, size_t len) {
  size_t at = strlen(logged);
  (void)userdata;
  (void)level;
  CHECK(at + len + 2 < sizeof logged);
  memcpy(logged + at, text, len);
  logged[at + len] = '\n';
  logged[at + len + 1] = 0;
}

static void put(const char *name, const void *bytes, size_t len) {
  printf("%s %lu\n", name, (unsigned long)len);
  fwrite(bytes, 1, len, stdout);
  putchar('\n');
}

static void put_text(const char *name, const char *text) { put(name, text, strlen(text)); }

/* The next frame. Its bytes live until the end of the step. */
static int next(char *name, piece *content) {
  unsigned long len;
  if (scanf("%31s %lu", name, &len) != 2) return 0;
  CHECK(getchar() == '\n' && len < FRAME_MAX);
  content->bytes = malloc(len + 1);
  content->len = len;
  CHECK(content->bytes != NULL && fread(content->bytes, 1, len, stdin) == len && getchar() == '\n');
  content->bytes[len] = 0;
  return 1;
}

/* The length of the name in a field, `Name: value`. */
static size_t name_len(piece field) {
  char *end = strstr(field.bytes, ": ");
  CHECK(end != NULL);
  return (size_t)(end - field.bytes);
}

/* The value of a field and its length, as two arguments. */
#define VALUE(field) \
  (const uint8_t *)(field).bytes + name_len(field) + 2, (field).len - name_len(field) - 2

/* Reads a step into memory that lives as long as `kept`. The last of it is what to open. */
static command read_step(step *it, piece *kept, size_t *kept_len) {
  char name[32];
  piece at;
  micromint_request *to = it->request;
  memset(it, 0, sizeof *it);
  it->request = to;
  micromint_request_clear(to);
  while (next(name, &at)) {
    const uint8_t *bytes = (const uint8_t *)at.bytes;
    kept[(*kept_len)++] = at;
    CHECK(*kept_len < 3 * FIELDS_MAX);
    if (strcmp(name, "go") == 0) return ANSWER;
    if (strcmp(name, "open") == 0) return OPEN;
    if (strcmp(name, "now") == 0) now = strtoll(at.bytes, NULL, 10);
    else if (strcmp(name, "method") == 0) micromint_request_set_method(to, bytes, at.len);
    else if (strcmp(name, "target") == 0) micromint_request_set_target(to, bytes, at.len);
    else if (strcmp(name, "host") == 0) micromint_request_set_host(to, bytes, at.len);
    else if (strcmp(name, "client") == 0) micromint_request_set_client(to, bytes, at.len);
    else if (strcmp(name, "receipt-path") == 0) micromint_request_set_receipt_path(to, bytes, at.len);
    else if (strcmp(name, "https") == 0) micromint_request_set_https(to, true);
    else if (strcmp(name, "dry-run") == 0) micromint_request_set_dry_run(to, true);
    else if (strcmp(name, "charges-redirects") == 0) micromint_request_set_charges_redirects(to, true);
    else if (strcmp(name, "price") == 0) micromint_request_set_price(to, strtoll(at.bytes, NULL, 10));
    else if (strcmp(name, "free-views") == 0) micromint_request_set_free_views(to, strtoll(at.bytes, NULL, 10));
    else if (strcmp(name, "etag") == 0) micromint_request_set_file(to, true), micromint_request_set_etag(to, bytes, at.len);
    else if (strcmp(name, "modified") == 0) micromint_request_set_last_modified(to, strtoll(at.bytes, NULL, 10));
    else if (strcmp(name, "size") == 0) micromint_request_set_size(to, strtoll(at.bytes, NULL, 10));
    else if (strcmp(name, "content") == 0) it->content_status = (uint32_t)strtoul(at.bytes, NULL, 10);
    else if (strcmp(name, "body") == 0) it->has_body = 1, it->body = at;
    else if (strcmp(name, "header") == 0) micromint_request_add_header(to, bytes, name_len(at), VALUE(at));
    else if (strcmp(name, "content-header") == 0) it->content[it->content_len++] = at;
    else CHECK(0);
    CHECK(it->content_len < FIELDS_MAX);
  }
  return END;
}

/* Works like a server: first the head of the request, then the body if the paywall needs it. */
static micromint_decision *decide(const micromint_paywall *paywall, step *it) {
  micromint_look what = MICROMINT_LOOK_PENDING;
  micromint_decision *decision = NULL;
  size_t body_max = 0;
  good(micromint_paywall_look(paywall, it->request, &what, &body_max, &decision, &error), error);
  if (what == MICROMINT_LOOK_DECIDED) return decision;
  CHECK(decision == NULL);
  if (what == MICROMINT_LOOK_NEEDS_BODY && it->has_body && it->body.len <= body_max) {
    micromint_request_set_body(it->request, (const uint8_t *)it->body.bytes, it->body.len);
  }
  good(micromint_paywall_decide(paywall, it->request, &decision, &error), error);
  return decision;
}

static void put_fields(const micromint_head *head, const step *it, int serves) {
  const uint8_t *name, *value;
  size_t i, j, len, value_len;
  char line[FRAME_MAX];
  for (i = 0; serves && i < it->content_len; i++) {
    piece have = it->content[i];
    int is_out = 0;
    for (j = 0; j < micromint_head_remove_count(head); j++) {
      good(micromint_head_remove(head, j, &name, &len, &error), error);
      is_out |= len == name_len(have) && strncasecmp((const char *)name, have.bytes, len) == 0;
    }
    if (!is_out) put("field", have.bytes, have.len);
  }
  for (i = 0; i < micromint_head_add_count(head); i++) {
    good(micromint_head_add(head, i, &name, &len, &value, &value_len, &error), error);
    snprintf(line, sizeof line, "%.*s: %.*s", (int)len, (const char *)name, (int)value_len, (const char *)value);
    put_text("field", line);
  }
  CHECK(micromint_head_remove(head, 99, &name, &len, NULL) == MICROMINT_ERROR_ABSENT);
  CHECK(micromint_head_add(head, 99, &name, &len, &value, &value_len, NULL) == MICROMINT_ERROR_ABSENT);
}

static void answer(const micromint_paywall *paywall, step *it) {
  micromint_decision *decision = decide(paywall, it);
  micromint_head *head = NULL;
  micromint_buffer *event = NULL;
  const uint8_t *bytes;
  size_t i, len;
  bool reversed = false, serves = micromint_decision_serves(decision);
  uint32_t status = serves ? it->content_status : micromint_decision_status(decision);
  char number[16];
  if (serves) good(micromint_paywall_finish(paywall, decision, status, &reversed, &error), error);
  micromint_fields_clear(fields);
  for (i = 0; serves && i < it->content_len; i++) {
    const piece have = it->content[i];
    micromint_fields_add(fields, (const uint8_t *)have.bytes, name_len(have), VALUE(have));
  }
  good(micromint_decision_head(decision, status, reversed, fields, &head, &error), error);
  good(micromint_decision_event(decision, status, reversed, false, &event, &error), error);
  snprintf(number, sizeof number, "%u", (unsigned)status);
  put_text("status", number);
  put_fields(head, it, serves);
  if (serves) {
    put_text("as-get", micromint_decision_is_as_get(decision) ? "yes" : "no");
    for (i = 0; i < micromint_decision_strip_header_count(decision); i++) {
      good(micromint_decision_strip_header(decision, i, &bytes, &len, &error), error);
      put("strip", bytes, len);
    }
  } else {
    good(micromint_decision_body(decision, &bytes, &len, &error), error);
    put("body", bytes, len);
  }
  put("event", micromint_buffer_data(event), micromint_buffer_len(event));
  put_text("log", logged);
  put_text("end", "");
  fflush(stdout);
  logged[0] = 0;
  micromint_buffer_free(event);
  micromint_head_free(head);
  micromint_decision_free(decision);
}

/* Closes the paywall of the case before, if there is one, and opens the next. */
static void open_next(micromint_paywall **paywall, const micromint_host *host, const char *config) {
  micromint_paywall_free(*paywall);
  logged[0] = 0;
  good(micromint_paywall_prepare(TEXT(config), host, &error), error);
  good(micromint_paywall_open(TEXT(config), host, paywall, &error), error);
  put_text("ready", "");
  fflush(stdout);
}

int main(void) {
  static step it;
  static piece kept[3 * FIELDS_MAX];
  micromint_host *host = micromint_host_new();
  micromint_paywall *paywall = NULL;
  command what;
  micromint_host_set_now(host, tell_time, NULL);
  micromint_host_set_log(host, keep_line, NULL);
  fields = micromint_fields_new();
  it.request = micromint_request_new();
  do {
    size_t len = 0, i;
    what = read_step(&it, kept, &len);
    if (what == ANSWER) answer(paywall, &it);
    if (what == OPEN) open_next(&paywall, host, kept[len - 1].bytes);
    for (i = 0; i < len; i++) free(kept[i].bytes);
  } while (what != END);
  micromint_paywall_free(paywall);
  micromint_host_free(host);
  micromint_fields_free(fields);
  micromint_request_free(it.request);
  return 0;
}
