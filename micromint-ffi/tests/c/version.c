/* The loaded library has the version of the header; a key is wiped. */
#include "check.h"

static void wiped(void) {
  micromint_key key;
  size_t i;
  memset(&key, 7, sizeof key);
  micromint_key_wipe(&key);
  for (i = 0; i < sizeof key.bytes; i++) CHECK(key.bytes[i] == 0);
  micromint_key_wipe(NULL);
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
