/* tests/fuzz/fuzz_sse_filter.c - whatever way bytes of events are cut, the filter lets the same
 * through: every line but the id and retry fields, byte for byte. */
#include "mcp/sse_filter.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>

static bool is_numbering(const char *line, size_t n)
{
    return (n >= 2 && memcmp(line, "id", 2) == 0 && (n == 2 || line[2] == ':')) ||
           (n >= 5 && memcmp(line, "retry", 5) == 0 && (n == 5 || line[5] == ':'));
}

/* Line by line, the plain way. */
static void expect(const char *p, const char *end, struct buf *out)
{
    while (p < end) {
        const char *eol = p;
        while (eol < end && *eol != '\n' && *eol != '\r')
            eol++;
        const char *next = eol < end ? eol + 1 : end;
        if (next < end && *eol == '\r' && *next == '\n')
            next++;
        if (!is_numbering(p, (size_t)(eol - p)))
            MUST(buf_add(out, p, (size_t)(next - p)));
        p = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    const char *text = (const char *)data + 1;
    size_t step = 1 + data[0] % 9;
    n--;
    struct buf wanted = BUF_INIT(2 * n + 8), whole = BUF_INIT(2 * n + 8), cut = BUF_INIT(2 * n + 8);
    char *events = malloc(n + 1); /* at its end the last line is a whole one */
    memcpy(events, text, n);
    events[n] = '\n';
    expect(events, events + n + 1, &wanted);
    struct sse_filter one = {0}, many = {0};
    MUST(sse_filter(&one, events, n + 1, &whole));
    for (size_t at = 0; at < n + 1; at += step)
        MUST(sse_filter(&many, events + at, n + 1 - at < step ? n + 1 - at : step, &cut));
    MUST(whole.len == wanted.len && (!wanted.len || !memcmp(whole.data, wanted.data, wanted.len)));
    MUST(cut.len == wanted.len && (!wanted.len || !memcmp(cut.data, wanted.data, wanted.len)));
    buf_release(&wanted);
    buf_release(&whole);
    buf_release(&cut);
    free(events);
    return 0;
}
