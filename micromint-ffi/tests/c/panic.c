/* No panic leaves the library, whatever its payload is. */
#include "check.h"

/* Exported only by a library with the feature test-panic. */
extern micromint_status micromint_test_panic(uint32_t how, micromint_error **error_out);

int main(void) {
  micromint_error *error = NULL;
  CHECK(micromint_test_panic(0, &error) == MICROMINT_ERROR_PANIC);
  CHECK(says(error, MICROMINT_ERROR_PANIC, "internal error (panic) in the library: on purpose"));
  CHECK(micromint_test_panic(1, &error) == MICROMINT_ERROR_PANIC);
  CHECK(says(error, MICROMINT_ERROR_PANIC, "index out of bounds"));
  CHECK(micromint_test_panic(2, &error) == MICROMINT_ERROR_PANIC);
  CHECK(says(error, MICROMINT_ERROR_PANIC, "unknown"));
  CHECK(micromint_test_panic(0, NULL) == MICROMINT_ERROR_PANIC);
  /* The library still works. */
  micromint_params_free(period());
  return 0;
}
