/* The loaded library has the version of the header. */
#include "check.h"

int main(void) {
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", MICROMINT_VERSION_MAJOR, MICROMINT_VERSION_MINOR, MICROMINT_VERSION_PATCH);
  CHECK(strcmp(micromint_version(), text) == 0);
  CHECK(micromint_version_number()
        == MICROMINT_VERSION_MAJOR * 10000 + MICROMINT_VERSION_MINOR * 100 + MICROMINT_VERSION_PATCH);
  return 0;
}
