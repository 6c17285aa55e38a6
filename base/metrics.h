/* base/metrics.h - histograms, and numbers in Prometheus' text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Each folder keeps its own
 * counters as plain integers and prints them with these. Pure; only the output's buf allocates. */
#pragma once
#include "base/buf.h"

#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 20

/* Counts of durations. Set bounds_us once: upper bounds in microseconds, rising, ended by 0,
 * static; the rest starts zeroed. */
struct histogram {
    const int64_t *bounds_us;
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* by bound; behind the last one: longer ones */
    uint64_t sum_us;
};

/* Count one. No call into the system. */
void histogram_add(struct histogram *h, int64_t us);

/* "# HELP" and "# TYPE" of a family (counter, gauge); its samples follow. */
bool metrics_family(struct buf *out, const char *name, const char *type,
                    const char *help) MUST_CHECK;
/* A sample; labels as `state="down"` without braces (see metrics_label), "" for none. */
bool metrics_value(struct buf *out, const char *name, const char *labels, int64_t value) MUST_CHECK;
/* The same with a fraction, for seconds. */
bool metrics_seconds(struct buf *out, const char *name, int64_t us) MUST_CHECK;
/* `name="value"`, with a comma before it if out is not empty; value is escaped. */
bool metrics_label(struct buf *out, const char *name, const char *value) MUST_CHECK;
/* A whole family: buckets in seconds, sum and count. */
bool metrics_histogram(struct buf *out, const char *name, const char *help,
                       const struct histogram *h) MUST_CHECK;
