/* registry/known.c - the known table. See registry.h. */
#include "registry/statements.h"

#include "base/caps.h"

#include <string.h>

/* Of one server of one project: five kinds for a dozen kinds of clients. */
#define KNOWN_MAX 64

static bool put_and_bound(struct registry *r, const struct known_row *row, struct err *err)
{
    return statement_run(
               r, STATEMENT_KNOWN_OTHERS,
               VALUES(TEXT(row->project_key), TEXT(row->server), TEXT(row->definition)), NULL,
               err) &&
           statement_run(r, STATEMENT_KNOWN_PUT,
                         VALUES(TEXT(row->project_key), TEXT(row->server),
                                TEXT(row->definition), TEXT(row->era), TEXT(row->protocol),
                                TEXT(row->hash), TEXT(row->kind), TEXT(row->result),
                                NUMBER(row->seen_unix_ms)),
                         NULL, err) &&
           statement_run(
               r, STATEMENT_KNOWN_BOUND,
               VALUES(TEXT(row->project_key), TEXT(row->server), NUMBER(KNOWN_MAX)), NULL, err);
}

bool registry_known_put(struct registry *r, const struct known_row *row, struct err *err)
{
    if (row->result && strlen(row->result) > CAP_HANDSHAKE)
        return err_set(err, ERR_REGISTRY, 0, "an answer of %zu bytes is not remembered",
                       strlen(row->result));
    if (!registry_begin(r, err))
        return false;
    if (put_and_bound(r, row, err))
        return registry_commit(r, err);
    registry_rollback(r);
    return false;
}

bool registry_known(struct registry *r, const char *project_key, const char *server,
                    known_row_fn *each, void *arg, struct err *err)
{
    struct statement s;
    if (!statement_start(r, STATEMENT_KNOWN, VALUES(TEXT(project_key), TEXT(server)), &s, err))
        return false;
    while (statement_next(&s)) {
        struct known_row row = {
            .project_key = statement_text(&s, 0),
            .server = statement_text(&s, 1),
            .definition = statement_text(&s, 2),
            .era = statement_text(&s, 3),
            .protocol = statement_text(&s, 4),
            .hash = statement_text(&s, 5),
            .kind = statement_text(&s, 6),
            .result = statement_text(&s, 7),
            .seen_unix_ms = statement_number(&s, 8),
        };
        each(arg, &row);
    }
    return statement_finish(&s, err);
}

bool registry_known_drop(struct registry *r, const char *project_key, const char *server,
                         const char *kind, struct err *err)
{
    return statement_run(r, STATEMENT_KNOWN_DROP,
                         VALUES(TEXT(project_key), TEXT(server), TEXT(kind)), NULL, err);
}
