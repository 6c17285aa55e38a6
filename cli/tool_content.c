/* cli/tool_content.c - see tool_content.h. */
#include "cli/tool_content.h"

#include "base/base64.h"
#include "base/str.h"
#include "cli/field.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILES_MOST 10000 /* names that are tried */

static const struct {
    const char *type, *ending;
} endings[] = {
    {"image/png", "png"},       {"image/jpeg", "jpg"},      {"image/gif", "gif"},
    {"image/webp", "webp"},     {"image/svg+xml", "svg"},   {"audio/wav", "wav"},
    {"audio/x-wav", "wav"},     {"audio/mpeg", "mp3"},      {"audio/ogg", "ogg"},
    {"application/pdf", "pdf"}, {"application/zip", "zip"}, {"application/gzip", "gz"},
    {"text/plain", "txt"},      {"text/html", "html"},      {"application/json", "json"},
};

static const char *ending_of(const char *type)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcmp(endings[i].type, type) == 0)
            return endings[i].ending;
    return "bin";
}

struct writing {
    const char *tool, *dir;
    FILE *out;
    struct err *err;
    int files;
};

/* A tool's name as part of a file's: what could lead elsewhere is replaced. */
static char *file_stem(const char *tool)
{
    char *stem = xstrdup(tool);
    for (char *p = stem; *p; p++)
        if (*p == '/' || (unsigned char)*p < ' ' || (p == stem && *p == '.'))
            *p = '_';
    return stem;
}

/* A new file for the next piece; its path is new. -1 with err. */
static int make_file(struct writing *w, const char *type, char **path)
{
    char *stem = file_stem(w->tool);
    int fd = -1;
    while (fd < 0 && ++w->files <= FILES_MOST) {
        char *name = xasprintf("%s-%d.%s", stem, w->files, ending_of(type));
        *path = str_path(w->dir, name);
        free(name);
        fd = open(*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0)
            break;
        int sys = errno;
        if (sys != EEXIST) {
            err_set(w->err, ERR_SYSTEM, sys, "unable to write %s", *path);
            free(*path);
            break;
        }
        free(*path);
    }
    free(stem);
    if (fd < 0)
        err_set(w->err, ERR_SYSTEM, 0, "no file name is free in %s", w->dir);
    return fd;
}

static bool write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t did = write(fd, bytes, n);
        if (did < 0 && errno == EINTR)
            continue;
        if (did < 0)
            return false;
        bytes += did;
        n -= (size_t)did;
    }
    return true;
}

static bool write_binary(struct writing *w, const char *base64, const char *type)
{
    uint8_t *bytes;
    size_t n;
    char *path;
    if (!base64_read(base64, strlen(base64), &bytes, &n))
        return err_set(w->err, ERR_PARSE, 0, "the tool's %s is not base64",
                       *type ? type : "content");
    int fd = make_file(w, type, &path);
    bool ok = fd >= 0;
    if (ok) {
        ok = write_all(fd, bytes, n);
        if (close(fd) != 0 || !ok)
            ok = err_set(w->err, ERR_SYSTEM, errno, "unable to write %s", path);
        else
            fprintf(w->out, "%s\n", path);
        free(path);
    }
    free(bytes);
    return ok;
}

static void write_text(struct writing *w, const char *text)
{
    size_t n = strlen(text);
    fwrite(text, 1, n, w->out);
    if (n && text[n - 1] != '\n')
        fputc('\n', w->out);
}

static void write_json(struct writing *w, const json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
    write_text(w, text ? text : "");
    free(text);
}

static bool write_piece(struct writing *w, const json_t *piece)
{
    const char *type = field_text(piece, "type");
    const json_t *resource = json_object_get(piece, "resource");
    const json_t *bearer = resource ? resource : piece;
    const char *mime = field_text(bearer, "mimeType");
    if (strcmp(type, "resource_link") == 0)
        write_text(w, field_text(piece, "uri"));
    else if (json_object_get(bearer, "text"))
        write_text(w, field_text(bearer, "text"));
    else if (json_object_get(bearer, resource ? "blob" : "data"))
        return write_binary(w, field_text(bearer, resource ? "blob" : "data"), mime);
    else
        write_json(w, piece); /* of a kind that a later revision may bring */
    return true;
}

bool tool_content_write(const json_t *result, const char *tool, const char *dir, FILE *out,
                        struct err *err)
{
    struct writing w = {.tool = tool, .dir = dir, .out = out, .err = err};
    const json_t *content = json_object_get(result, "content"), *piece;
    const json_t *structured = json_object_get(result, "structuredContent");
    size_t i;
    if (!json_array_size(content) && structured)
        write_json(&w, structured);
    json_array_foreach(content, i, piece)
    {
        if (!write_piece(&w, piece))
            return false;
    }
    return true;
}
