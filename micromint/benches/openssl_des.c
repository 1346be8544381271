/* OpenSSL's DES as a search for keys must use it: a key schedule and one block for each key. Prints
 * keys per second of processor time. OpenSSL 3.0 deprecates these functions but still has them.
 * make bench compiles and runs it: openssl_des SECONDS */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/des.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    uint64_t key = 0x0123456789abcdef, sum = 0, count = 0;
    clock_t begin = clock();
    double spent;
    do {
        for (int i = 0; i < 10000; i++, count++) {
            DES_key_schedule schedule;
            uint64_t in = 0x0123456789abcdef, out;
            key += 0x9e3779b97f4a7c15;
            DES_set_key_unchecked((const_DES_cblock *)&key, &schedule);
            DES_ecb_encrypt((const_DES_cblock *)&in, (DES_cblock *)&out, &schedule, DES_ENCRYPT);
            sum += out;
        }
        spent = (double)(clock() - begin) / CLOCKS_PER_SEC;
    } while (spent < seconds);
    /* The sum is used, so that the compiler omits nothing. */
    printf("%.0f\n", count / spent + (sum == 1));
    return 0;
}
