/* Every handle notices that it is used in another process. A paywall opens its till again; a till and a
   wallet say so; everything else works on. Each process frees its copies. argv[1] is a
   folder as for make_handles(). */
#define _POSIX_C_SOURCE 200809L
#include "handles.h"
#include "paid.h"
#include <sys/wait.h>
#include <unistd.h>

static micromint_error *error;

/* Runs `act` in a child, and returns its exit status. */
static int in_child(int (*act)(void)) {
  int state = 1;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(act());
  CHECK(waitpid(child, &state, 0) == child && WIFEXITED(state));
  return WEXITSTATUS(state);
}

static micromint_decision *pay(const char *target, const char *payment) {
  micromint_decision *decision = NULL;
  micromint_request *asked = request_for(target);
  micromint_request_add_header(asked, TEXT("MicroMint-Payment"), TEXT(payment));
  good(micromint_paywall_decide(h_micromint_paywall, asked, &decision, &error), error);
  micromint_request_free(asked);
  return decision;
}

static int is_outcome(const micromint_decision *decision, const char *word) {
  const uint8_t *found;
  size_t len;
  good(micromint_decision_outcome(decision, &found, &len, &error), error);
  if (!equal(found, len, word)) fprintf(stderr, "outcome %.*s\n", (int)len, (const char *)found);
  return equal(found, len, word);
}

/* The coins that this process records for the raced payment. */
static int race(void) {
  micromint_decision *decision = pay(RACE_TARGET, RACE_HEADER);
  int coins = (int)micromint_decision_coins(decision);
  CHECK(micromint_decision_serves(decision));
  micromint_decision_free(decision);
  free_handles();
  return coins;
}

static int pay_in_child(void) {
  micromint_decision *decision = pay(PAID_TARGET, PAID_HEADER);
  bool reversed = true;
  CHECK(is_outcome(decision, "paid") && micromint_decision_coins(decision) == 1);
  good(micromint_paywall_finish(h_micromint_paywall, decision, 200, &reversed, &error), error);
  CHECK(!reversed);
  micromint_decision_free(decision);
  free_handles();
  return 0;
}

static int grandchild(void) {
  micromint_decision *decision = pay(PAID_TARGET, PAID_HEADER);
  CHECK(is_outcome(decision, "retry"));
  micromint_decision_free(decision);
  CHECK(in_child(race) == 0);
  return 0;
}

static micromint_decision *charged;

/* The payment that the parent recorded is its own to finish. */
static int finish_for_the_parent(void) {
  bool reversed = true;
  CHECK(micromint_paywall_finish(h_micromint_paywall, charged, 500, &reversed, &error) == MICROMINT_ERROR_STATE);
  CHECK(says(error, MICROMINT_ERROR_STATE, "decision: was opened in another process") && reversed);
  CHECK(micromint_paywall_promise(h_micromint_paywall, charged, 500, &reversed, NULL) == MICROMINT_ERROR_STATE);
  micromint_decision_free(charged);
  return 0;
}

/* A payment is recorded once, whichever process gets it. */
static void paywall_opens_anew(void) {
  enum { CHILDREN = 4 };
  int i, coins = 0;
  micromint_decision *decision;
  CHECK(in_child(pay_in_child) == 0);
  decision = pay(PAID_TARGET, PAID_HEADER);
  CHECK(is_outcome(decision, "retry"));
  micromint_decision_free(decision);
  for (i = 0; i < CHILDREN; i++) coins += in_child(race);
  CHECK(coins == 1);
  CHECK(in_child(grandchild) == 0);
}

static void decisions_stay(void) {
  bool reversed = false;
  charged = pay(RACE_TARGET, RACE_HEADER);
  CHECK(is_outcome(charged, "paid"));
  CHECK(in_child(finish_for_the_parent) == 0);
  good(micromint_paywall_finish(h_micromint_paywall, charged, 500, &reversed, &error), error);
  CHECK(reversed);
  micromint_decision_free(charged);
}

/* What holds no file works in the child as in the parent. */
static int use_the_rest(void) {
  micromint_coin_fault fault = MICROMINT_COIN_REPEATED_COIN;
  micromint_buffer *buffer = NULL;
  micromint_message *message = NULL;
  micromint_mint_state *state = NULL;
  const uint8_t *text;
  size_t len;
  uint64_t hash;
  good(micromint_checker_check(h_micromint_checker, TEXT("alice"), GOOD_COIN, 4, &fault, NULL, &error), error);
  CHECK(fault == MICROMINT_COIN_GOOD);
  good(micromint_hash(h_micromint_params, 7, &hash, &error), error);
  good(micromint_message_header(h_micromint_message, TEXT("Price"), &text, &len, &error), error);
  CHECK(equal(text, len, "2") && micromint_buffer_len(h_micromint_buffer) > 0);
  good(micromint_challenge_request(h_micromint_challenge, &message, &error), error);
  micromint_message_free(message);
  good(micromint_decision_outcome(h_micromint_decision, &text, &len, &error), error);
  good(micromint_decision_event(h_micromint_decision, 200, false, false, &buffer, &error), error);
  micromint_buffer_free(buffer);
  (void)micromint_head_add_count(h_micromint_head);
  CHECK(micromint_batch_list_count(h_micromint_batch_list) == 0);
  good(micromint_mint_inspect(h_micromint_mint, &state, &error), error);
  CHECK(micromint_mint_state_phase(state) == MICROMINT_MINT_COMPLETE);
  micromint_mint_state_free(state);
  CHECK(micromint_error_status(h_micromint_error) == MICROMINT_ERROR_ARGUMENT);
  /* Plain values of a handle of another process are those of NULL. */
  CHECK(micromint_wallet_holding_count(h_micromint_wallet) == 0);
  CHECK(micromint_holding_sets(h_micromint_holding) == 2);
  CHECK(!micromint_wallet_is_backup(h_micromint_wallet));
  free_handles();
  return 0;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  /* A relative path stays what it was when the handles were opened. */
  CHECK(chdir(argv[1]) == 0);
  make_handles(".");
  CHECK(chdir("/") == 0);
  decisions_stay();
  paywall_opens_anew();
  CHECK(in_child(use_the_rest) == 0);
  free_handles();
  return 0;
}
