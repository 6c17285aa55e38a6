/* keeper/spec.h - what one keeper is told to keep: the text of keeper/wire.h, checked. */
#pragma once
#include "base/str.h"

#include <stdint.h>

#define SPEC_MAX (8 * 1024 * 1024) /* bytes of a spec; the system's limit on argv + env is below   \
                                    */

struct spec {
    char *id, *project, *project_key, *server, *definition, *transport; /* echoed in STATUS */
    char *run_dir, *log, *cwd;
    int64_t generation, port, instance, log_max_bytes, orphan_ms, grace_ms, epoch;
    bool is_stdio;
    struct strv argv, env; /* empty after spec_forget_command */
};

/* Parse and check n bytes of spec text; unknown keys are ignored. ERR_USAGE names the key. */
bool spec_parse(const char *text, size_t n, struct spec *out, struct err *err) MUST_CHECK;
/* The same from fd until its end. */
bool spec_read(int fd, struct spec *out, struct err *err) MUST_CHECK;
/* Give back what is needed only to start the daemon. */
void spec_forget_command(struct spec *spec);
void spec_finish(struct spec *spec);
