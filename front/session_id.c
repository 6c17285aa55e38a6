/* front/session_id.c - see session_id.h. */
#include "front/session_id.h"

#include "base/digest.h"
#include "base/str.h"
#include "platform/dirs.h"

#include <inttypes.h>
#include <string.h>

#define MAC_BYTES 16

bool session_key_load(struct front *f, struct err *err)
{
    char *path = str_path(f->places->state_dir, "key");
    char *bytes = NULL;
    size_t n = 0;
    struct err reading = {0};
    bool ok = dirs_read_file(path, 1024, &bytes, &n, &reading);
    if (ok && n == sizeof f->session_key) {
        memcpy(f->session_key, bytes, n);
    } else if (ok || reading.code == ERR_NOT_FOUND) {
        digest_random(f->session_key, sizeof f->session_key);
        ok = dirs_write_file(path, f->session_key, sizeof f->session_key, 0600, err);
    } else { /* a new key would disown every session there is */
        err_set(err, reading.code, 0, "%s", err_text(&reading));
    }
    free(bytes);
    free(path);
    return ok;
}

void session_mac(const struct front *f, const char *text, size_t n, char out[SESSION_MAC_TEXT + 1])
{
    uint8_t mac[DIGEST_SIZE];
    digest_hmac(f->session_key, sizeof f->session_key, text, n, mac);
    digest_base32(mac, MAC_BYTES, out);
}

char *session_id_make(const struct session *s)
{
    uint8_t random[10];
    char random_text[17], mac[SESSION_MAC_TEXT + 1];
    digest_random(random, sizeof random);
    digest_base32(random, sizeof random, random_text);
    char *proof =
        xasprintf("1~%" PRIx64 "~%s~%s~%s%s~%s", (uint64_t)s->created_unix_ms, random_text,
                  s->protocol[0] ? s->protocol : "-", s->roots.state == ROOTS_NONE ? "" : ".",
                  s->daemon->project->key, s->daemon->server[0] ? s->daemon->server : s->server);
    session_mac(s->front, proof, strlen(proof), mac);
    char *id = xasprintf("%s~%s", proof, mac);
    free(proof);
    return id;
}

struct span session_id_tag(const char *id)
{
    const char *from = id ? strchr(id, '~') : NULL;
    const char *random = from ? strchr(from + 1, '~') : NULL;
    const char *end = random ? strchr(random + 1, '~') : NULL;
    return end ? (struct span){from + 1, (size_t)(end - from - 1)} : (struct span){0};
}

bool session_id_read(const struct front *f, struct span id, struct session_id_parts *out)
{
    if (id.n <= SESSION_MAC_TEXT + 1 || id.n >= SESSION_ID_MAX)
        return false;
    memcpy(out->text, id.p, id.n);
    out->text[id.n] = '\0';
    size_t proof_n = id.n - SESSION_MAC_TEXT - 1;
    char mac[SESSION_MAC_TEXT + 1];
    session_mac(f, out->text, proof_n, mac);
    if (out->text[proof_n] != '~' || !digest_equal(mac, out->text + proof_n + 1, SESSION_MAC_TEXT))
        return false;
    out->text[proof_n] = '\0';
    char *fields[6] = {out->text};
    for (int i = 1; i < 6; i++) {
        char *tilde = strchr(fields[i - 1], '~');
        if (!tilde)
            return false;
        *tilde = '\0';
        fields[i] = tilde + 1;
    }
    out->created = fields[1];
    out->protocol = fields[3];
    out->has_roots = fields[4][0] == '.';
    out->key = fields[4] + out->has_roots;
    out->server = fields[5];
    return strcmp(fields[0], "1") == 0;
}
