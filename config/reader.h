/* config/reader.h - inside config: where in the file a value stands, and saying what is wrong
 * with it: "FILE:LINE: mcpServers.x.args[1]: expected a text, found 12". */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

#include <jansson.h>
#include <stddef.h>

struct reader {
    const char *file;
    const char *text; /* blanked */
    size_t n;
    struct strv *warnings;
    struct err *err;
};

/* A place in the file; a chain on the stack, from the value up to the top (NULL). */
struct place {
    const struct place *parent;
    const char *name; /* NULL: element index of an array */
    size_t index;
};

/* A mistake at a place (NULL: the file as a whole): fills the reader's err, returns false. */
bool reader_mistake(const struct reader *in, const struct place *at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The same for a value of the wrong kind: "expected WHAT, found VALUE". */
bool reader_expected(const struct reader *in, const struct place *at, const char *what,
                     const json_t *found);
void reader_warn(const struct reader *in, const struct place *at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
int reader_line(const struct reader *in, const struct place *at);

/* config/config.c: the whole content of an open file into b; file is its name, for err CONFIG. */
bool reader_content(int fd, const char *file, struct buf *b, struct err *err) MUST_CHECK;

/* Take a value if it is of this kind; else a mistake. Texts are non-empty unless said. */
bool reader_text(const struct reader *in, const struct place *at, const json_t *value,
                 const char *what, char **out);
bool reader_bool(const struct reader *in, const struct place *at, const json_t *value, bool *out);

/* Take a setting (row known) into s. */
bool reader_setting(const struct reader *in, const struct place *at, const json_t *value,
                    const struct setting *row, struct settings *s);

/* config/server.c: one entry of mcpServers; settings are the global ones. *out is NULL if the
 * entry is left out (disabled). */
bool server_read(const struct reader *in, const struct place *at, const json_t *entry,
                 const struct settings *global, struct config_server **out) MUST_CHECK;
void server_free(struct config_server *server);

/* config/expand.c: NULL if every ${...} of the text is well-formed, else what is wrong. */
const char *expand_fault(const char *text);
/* Does the text use this variable? */
bool expand_uses(const char *text, const char *name);
