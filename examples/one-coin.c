/* Checks one coin.
   cc one-coin.c $(pkg-config --cflags --libs micromint) && ./a.out 2026-12.params */
#include <micromint.h>
#include <stdio.h>

#define TEXT(literal) (const uint8_t *)(literal), sizeof(literal) - 1

int main(int argc, char **argv) {
  static const uint64_t coin[] = {0x892, 0x245, 0x1298, 0x78a}; /* a coin of alice for news.example */
  char toml[4096];
  micromint_params *params = NULL;
  micromint_checker *checker = NULL;
  micromint_coin_fault fault = MICROMINT_COIN_FIXED_BITS;
  FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
  if (file == NULL) return 2;
  size_t len = fread(toml, 1, sizeof toml, file);
  fclose(file);
  int failed = micromint_params_from_toml((const uint8_t *)toml, len, &params, NULL)
               || micromint_checker_new(params, TEXT("news.example"), &checker, NULL)
               || micromint_checker_check(checker, TEXT("alice"), coin, 4, &fault, NULL, NULL);
  puts(failed ? "cannot check" : fault == MICROMINT_COIN_GOOD ? "good" : "bad");
  micromint_checker_free(checker);
  micromint_params_free(params);
  return failed;
}
