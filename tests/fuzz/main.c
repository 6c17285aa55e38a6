/* tests/fuzz/main.c - runs a fuzz target once over every file in the given directories (and their
 * subdirectories), for builds without libFuzzer. */
#include "base/str.h"
#include "tests/fuzz/fuzz.h"

#include <ftw.h>

static int inputs;

static int run_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)where;
    if (type != FTW_F)
        return 0;
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    uint8_t *bytes = xmalloc(1 << 20);
    size_t n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    bytes = xrealloc(bytes, n); /* so that AddressSanitizer sees a step past the end */
    LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
    inputs++;
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], run_file, 8, FTW_PHYS) != 0)
            fprintf(stderr, "unable to read %s\n", argv[i]);
    printf("%d inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
