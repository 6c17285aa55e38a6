/* cli/progress.h - the one line on a terminal that shows how a start is getting on. Silent when
 * stderr is no terminal, and for what is over at once. */
#pragma once
#include "cli/field.h"

#define PROGRESS_STEPS 8

struct progress {
    bool is_shown;    /* may be shown at all */
    bool is_on;       /* something is on the line now */
    char *name;       /* "serena for ~/repo" */
    int64_t began_ms; /* clock_ms() */
    struct {
        char *word;
        int64_t ms;
    } steps[PROGRESS_STEPS];
    size_t count;
};

/* name is taken over; is_wanted false: stay silent. */
void progress_begin(struct progress *p, char *name, bool is_wanted);
/* {"step":"port-open","ms":1900} has been reached. */
void progress_step(struct progress *p, const json_t *step);
/* Time has passed: write the line anew. */
void progress_tick(struct progress *p);
/* The last word ("ready", "failed") if anything was shown. Frees. */
void progress_end(struct progress *p, const char *word);
