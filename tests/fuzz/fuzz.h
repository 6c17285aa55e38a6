/* tests/fuzz/fuzz.h - what every fuzz target shares. Each fuzz_*.c defines the entry function that
 * libFuzzer calls; in an ordinary build main.c calls it once for every seed file. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A property that must hold for any input. */
#define MUST(what)                                                                               \
    do {                                                                                         \
        if (!(what)) {                                                                           \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);            \
            abort();                                                                             \
        }                                                                                        \
    } while (0)
