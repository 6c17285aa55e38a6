/* base/metrics.c - see metrics.h. */
#include "base/metrics.h"

#include <inttypes.h>

void histogram_add(struct histogram *h, int64_t us)
{
    size_t i = 0;
    while (h->bounds_us[i] && us > h->bounds_us[i])
        i++;
    h->counts[i]++;
    h->sum_us += us > 0 ? (uint64_t)us : 0;
}

bool metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

bool metrics_value(struct buf *out, const char *name, const char *labels, int64_t value)
{
    return buf_printf(out, *labels ? "%s{%s} %" PRId64 "\n" : "%s%s %" PRId64 "\n", name, labels,
                      value);
}

bool metrics_seconds(struct buf *out, const char *name, int64_t us)
{
    return buf_printf(out, "%s %" PRId64 ".%06" PRId64 "\n", name, us / 1000000, us % 1000000);
}

bool metrics_label(struct buf *out, const char *name, const char *value)
{
    if (!buf_printf(out, "%s%s=\"", out->len ? "," : "", name))
        return false;
    for (const char *c = value; *c; c++) {
        const char *escaped = *c == '\\' ? "\\\\" : *c == '"' ? "\\\"" : *c == '\n' ? "\\n" : NULL;
        if (!(escaped ? buf_add_str(out, escaped) : buf_add(out, c, 1)))
            return false;
    }
    return buf_add_str(out, "\"");
}

bool metrics_histogram(struct buf *out, const char *name, const char *help,
                       const struct histogram *h)
{
    uint64_t count = 0;
    size_t i = 0;
    if (!metrics_family(out, name, "histogram", help))
        return false;
    for (; h->bounds_us[i]; i++) {
        count += h->counts[i];
        if (!buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                        (double)h->bounds_us[i] / 1e6, count))
            return false;
    }
    count += h->counts[i];
    return buf_printf(out,
                      "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %" PRIu64 ".%06" PRIu64
                      "\n%s_count %" PRIu64 "\n",
                      name, count, name, h->sum_us / 1000000, h->sum_us % 1000000, name, count);
}
