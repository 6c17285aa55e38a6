/* cli/progress.c - see progress.h. */
#include "cli/progress.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/daemon_text.h"

#include <string.h>
#include <unistd.h>

#define LINE_CAP 4096
#define SILENT_MS 150 /* what is faster needs no progress */

void progress_begin(struct progress *p, char *name, bool is_wanted)
{
    *p = (struct progress){
        .is_shown = is_wanted && isatty(STDERR_FILENO), .name = name, .began_ms = clock_ms()};
}

/* Steps with their seconds, that of queueing only while it lasts. False past the cap: then the
 * line is as long as it may be. */
static bool add_steps(const struct progress *p, struct buf *line)
{
    size_t first = p->count > 1 && strcmp(p->steps[0].word, "queued") == 0 ? 1 : 0;
    for (size_t i = first; i < p->count; i++) {
        char *took = say_duration(p->steps[i].ms);
        bool ok = buf_printf(line, "%s%s %s", i > first ? ", " : "", p->steps[i].word, took);
        free(took);
        if (!ok)
            return false;
    }
    return true;
}

static void write_line(struct progress *p)
{
    struct buf line = BUF_INIT(LINE_CAP);
    char *now = say_duration(clock_ms() - p->began_ms);
    if (buf_printf(&line, "starting %s  %s%s", p->name, now, p->count ? "  " : "") &&
        add_steps(p, &line)) {
        size_t fits = say_fit(buf_text(&line), say_columns(stderr) - 1);
        fprintf(stderr, "\r\033[K%.*s", (int)fits, buf_text(&line));
        fflush(stderr);
        p->is_on = true;
    }
    free(now);
    buf_release(&line);
}

void progress_tick(struct progress *p)
{
    if (p->is_shown && clock_ms() - p->began_ms >= SILENT_MS)
        write_line(p);
}

void progress_step(struct progress *p, const json_t *step)
{
    if (p->count < PROGRESS_STEPS) {
        p->steps[p->count].word = daemon_step_text(field_text(step, "step"));
        p->steps[p->count++].ms = field_number(step, "ms", 0);
    }
    progress_tick(p);
}

void progress_end(struct progress *p, const char *word)
{
    if (p->is_on) {
        struct buf steps = BUF_INIT(LINE_CAP);
        char *took = say_duration(clock_ms() - p->began_ms);
        bool ok = add_steps(p, &steps) && steps.len;
        fprintf(stderr, "\r\033[K%s: %s after %s%s%s%s\n", p->name, word, took, ok ? " (" : "",
                ok ? buf_text(&steps) : "", ok ? ")" : "");
        free(took);
        buf_release(&steps);
    }
    for (size_t i = 0; i < p->count; i++)
        free(p->steps[i].word);
    free(p->name);
    *p = (struct progress){0};
}
