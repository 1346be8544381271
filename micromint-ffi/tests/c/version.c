/* The loaded library has the version of the header; a key is wiped. */
#include "check.h"

static void wiped(void) {
  uint8_t key[MICROMINT_KEY_SIZE + 1];
  size_t i;
  memset(key, 7, sizeof key);
  micromint_key_wipe(key, MICROMINT_KEY_SIZE);
  for (i = 0; i < MICROMINT_KEY_SIZE; i++) CHECK(key[i] == 0);
  CHECK(key[MICROMINT_KEY_SIZE] == 7);
  micromint_key_wipe(NULL, MICROMINT_KEY_SIZE);
}

int main(void) {
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", MICROMINT_VERSION_MAJOR, MICROMINT_VERSION_MINOR, MICROMINT_VERSION_PATCH);
  CHECK(strcmp(micromint_version(), text) == 0);
  CHECK(micromint_version_number()
        == MICROMINT_VERSION_MAJOR * 10000 + MICROMINT_VERSION_MINOR * 100 + MICROMINT_VERSION_PATCH);
  CHECK(micromint_version_number() == MICROMINT_VERSION_NUMBER);
#if MICROMINT_VERSION_NUMBER < 100
#error "the preprocessor cannot compare it"
#endif
  wiped();
  return 0;
}
