/* registry/leases.c - the port_lease table. See registry.h. */
#include "registry/statements.h"

#include "base/str.h"

int64_t registry_lease_of(struct registry *r, const char *project_key, const char *server)
{
    struct statement s;
    int64_t port = 0;
    if (!statement_start(r, STATEMENT_LEASE_OF, VALUES(TEXT(project_key), TEXT(server)), &s,
                         NULL))
        return 0;
    if (statement_next(&s))
        port = statement_number(&s, 0);
    return statement_finish(&s, NULL) ? port : 0;
}

bool registry_lease_holder(struct registry *r, int64_t port, char **project_key, char **server)
{
    struct statement s;
    bool found = false;
    if (!statement_start(r, STATEMENT_LEASE_HOLDER, VALUES(NUMBER(port)), &s, NULL))
        return false;
    if (statement_next(&s)) {
        *project_key = xstrdup(statement_text(&s, 0));
        *server = xstrdup(statement_text(&s, 1));
        found = true;
    }
    statement_finish(&s, NULL);
    return found;
}

bool registry_lease_put(struct registry *r, int64_t port, const char *project_key,
                        const char *server, struct err *err)
{
    char *key, *name;
    if (registry_lease_holder(r, port, &key, &name)) { /* one writer: nobody comes between */
        bool is_same = str_equal(key, project_key) && str_equal(name, server);
        if (!is_same)
            err_set(err, ERR_CONFLICT, 0, "port %lld is leased to %s of %s", (long long)port,
                    name, key);
        free(key);
        free(name);
        return is_same;
    }
    return statement_run(r, STATEMENT_LEASE_PUT,
                         VALUES(NUMBER(port), TEXT(project_key), TEXT(server)), NULL, err);
}

bool registry_lease_drop(struct registry *r, int64_t port, struct err *err)
{
    return statement_run(r, STATEMENT_LEASE_DROP, VALUES(NUMBER(port)), NULL, err);
}
