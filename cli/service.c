/* cli/service.c - see service.h: what both managers have in common. */
#include "cli/service.h"

#include "base/buf.h"
#include "cli/say.h"
#include "platform/dirs.h"

#include <string.h>

#define TEXT_CAP (256 * 1024)

const struct service_manager *service_find(const char *name, struct err *err)
{
    static const struct service_manager *const all[] = {&service_systemd, &service_launchd};
    if (!name)
        return service_native;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    err_set(err, ERR_USAGE, 0, "\"%s\" is no service manager that is known: systemd, launchd",
            name);
    return NULL;
}

/* The end of a placeholder that starts at at ('@'), or NULL: letters only. */
static const char *placeholder_end(const char *at)
{
    const char *p = at + 1;
    while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
        p++;
    return *p == '@' && p > at + 1 ? p : NULL;
}

char *service_fill(const char *text, service_fill_fn *fill, void *arg)
{
    struct buf out = BUF_INIT(TEXT_CAP);
    bool fits = true;
    while (*text && fits) {
        const char *end = *text == '@' ? placeholder_end(text) : NULL;
        char *name = end ? xstrndup(text + 1, (size_t)(end - text - 1)) : NULL;
        char *value = name ? fill(arg, name) : NULL;
        fits = value ? buf_add_str(&out, value) : buf_add(&out, text, 1);
        text = value ? end + 1 : text + 1;
        free(name);
        free(value);
    }
    return fits && out.len ? buf_take(&out) : (buf_release(&out), xstrdup(""));
}

struct filling {
    const struct service_manager *manager;
    const struct service_places *places;
};

/* The exit statuses after which a new start would only fail again, as in keeper/holder.c. */
static char *final_statuses(void)
{
    static const enum err_code codes[] = {ERR_USAGE, ERR_ALREADY_RUNNING, ERR_CONFIG, ERR_REGISTRY,
                                          ERR_ADDRESS};
    char *text = xstrdup("");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char *more = xasprintf("%s%s%d", text, i ? " " : "", err_row(codes[i])->exit);
        free(text);
        text = more;
    }
    return text;
}

/* HOST or PORT of HOST:PORT; brackets of an IPv6 host are dropped. New string. */
static char *part_of(const char *listen, bool is_port)
{
    const char *colon = strrchr(listen, ':');
    if (!colon)
        return xstrdup(is_port ? "" : listen);
    if (is_port)
        return xstrdup(colon + 1);
    size_t n = (size_t)(colon - listen);
    return n > 2 && listen[0] == '[' ? xstrndup(listen + 1, n - 2) : xstrndup(listen, n);
}

/* value said by say, and freed. */
static char *take(char *(*say)(const char *value), char *value)
{
    char *said = say(value);
    free(value);
    return said;
}

static char *fill(void *arg, const char *name)
{
    const struct filling *f = arg;
    const struct service_places *p = f->places;
    const struct {
        const char *name, *value;
    } plain[] = {{"poold", p->poold},
                 {"config", p->config_file},
                 {"stateDir", p->state_dir},
                 {"runDir", p->run_dir},
                 {"listen", p->listen}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(name, plain[i].name) == 0)
            return f->manager->word(plain[i].value);
    if (strcmp(name, "host") == 0)
        return take(f->manager->word, part_of(p->listen, false));
    if (strcmp(name, "port") == 0)
        return take(f->manager->word, part_of(p->listen, true));
    if (strcmp(name, "apiSocket") == 0)
        return take(f->manager->line, str_path(p->run_dir, "api.sock"));
    if (strcmp(name, "mcpSocket") == 0)
        return take(f->manager->line, str_path(p->run_dir, "mcp.sock"));
    if (strcmp(name, "log") == 0)
        return take(f->manager->word, str_path(p->state_dir, "logs/poold.log"));
    if (strcmp(name, "finalStatuses") == 0)
        return final_statuses();
    return strcmp(name, "environment") == 0 ? f->manager->environment(p->environment) : NULL;
}

static void look_at(struct service_file *file)
{
    char *have = NULL;
    struct err err = {0};
    if (dirs_read_file(file->path, TEXT_CAP, &have, NULL, &err))
        file->state = strcmp(have, file->text) == 0 ? SERVICE_CURRENT : SERVICE_DIFFERS;
    else
        file->state = err.code == ERR_NOT_FOUND ? SERVICE_ABSENT : SERVICE_DIFFERS;
    free(have);
}

bool service_files_make(const struct service_manager *m, const struct service_places *places,
                        struct service_files *out, struct err *err)
{
    if (!m->list(out, err))
        return false;
    struct filling f = {m, places};
    for (size_t i = 0; i < out->count; i++) {
        out->items[i].text = service_fill(out->items[i].pattern, fill, &f);
        look_at(&out->items[i]);
    }
    return true;
}

void service_files_finish(struct service_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
        free(files->items[i].text);
    }
    *files = (struct service_files){0};
}

bool service_is_installed(const struct service_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i].state == SERVICE_ABSENT)
            return false;
    return true;
}

bool service_is_current(const struct service_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i].state != SERVICE_CURRENT)
            return false;
    return true;
}

void service_look_finish(struct service_look *look)
{
    free(look->problem);
    free(look->state);
    *look = (struct service_look){0};
}

char *service_step_text(const struct strv *argv)
{
    char *text = xstrdup("");
    for (size_t i = 0; i < argv->count; i++) {
        char *word = say_quoted(argv->items[i]);
        char *more = xasprintf("%s%s%s", text, i ? " " : "", word);
        free(word);
        free(text);
        text = more;
    }
    return text;
}

/* The value behind the first of the marks that is in text, up to the end mark. New, or NULL. */
static char *between(const char *text, const char *begin, const char *end)
{
    const char *from = strstr(text, begin);
    if (!from)
        return NULL;
    from += strlen(begin);
    const char *to = strstr(from, end);
    return to ? xstrndup(from, (size_t)(to - from)) : NULL;
}

char *service_installed_path(const struct service_manager *m)
{
    struct service_files files = {0};
    struct err ignored = {0};
    char *path = NULL;
    if (!m->list(&files, &ignored))
        return NULL;
    for (size_t i = 0; i < files.count && !path; i++) {
        char *text = NULL;
        if (!dirs_read_file(files.items[i].path, TEXT_CAP, &text, NULL, &ignored))
            continue;
        path = between(text, "\nEnvironment=\"PATH=", "\"\n");
        if (!path)
            path = between(text, "<key>PATH</key><string>", "</string>");
        free(text);
    }
    service_files_finish(&files);
    return path;
}
