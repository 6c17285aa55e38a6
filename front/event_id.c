/* front/event_id.c - see event_id.h. */
#include "front/event_id.h"

#include "base/digest.h"
#include "base/str.h"
#include "front/session_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_MAX 128 /* bytes of a request's id as it stands in an event id */
#define SESSION_TAIL 13

void event_run_make(char out[14])
{
    uint8_t random[8];
    digest_random(random, sizeof random);
    digest_base32(random, sizeof random, out);
}

const char *event_session(const struct session *s)
{
    size_t n = s->id ? strlen(s->id) : 0;
    return n > SESSION_TAIL ? s->id + n - SESSION_TAIL : "-"; /* half of its proof */
}

/* A raw JSON id as visible ASCII without '~': other bytes stand as %XX. */
static bool escape(struct span raw, char out[REQUEST_MAX + 1])
{
    static const char hex[] = "0123456789ABCDEF";
    size_t at = 0;
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char byte = (unsigned char)raw.p[i];
        bool is_plain = byte > ' ' && byte < 0x7f && byte != '%' && byte != '~';
        if (at + (is_plain ? 1 : 3) > REQUEST_MAX)
            return false;
        if (is_plain) {
            out[at++] = (char)byte;
        } else {
            out[at++] = '%';
            out[at++] = hex[byte >> 4];
            out[at++] = hex[byte & 15];
        }
    }
    out[at] = '\0';
    return true;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The opposite, in place. */
static bool unescape(char *text, struct span *out)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        if (*p != '%') {
            *to++ = *p;
            continue;
        }
        int high = digit(p[1]), low = high < 0 ? -1 : digit(p[2]);
        if (low < 0)
            return false;
        *to++ = (char)(high * 16 + low);
        p += 2;
    }
    *out = (struct span){text, (size_t)(to - text)};
    return true;
}

bool event_name_make(const struct session *s, uint64_t stream, struct span request,
                     char out[EVENT_NAME_MAX])
{
    char escaped[REQUEST_MAX + 1];
    if (!escape(request, escaped))
        return false;
    int n = snprintf(out, EVENT_NAME_MAX, "e1~%s~%" PRIx64 "~%s~%s", s->front->run, stream,
                     event_session(s), escaped);
    if (n < 0 || n + 1 + SESSION_MAC_TEXT >= EVENT_NAME_MAX)
        return false;
    session_mac(s->front, out, (size_t)n, out + n + 1);
    out[n] = '~';
    return true;
}

/* Cut the text at its last tilde: what stands behind it, NULL if there is none. */
static char *cut_last(char *text)
{
    char *tilde = strrchr(text, '~');
    if (!tilde)
        return NULL;
    *tilde = '\0';
    return tilde + 1;
}

static bool to_number(const char *text, int base, uint64_t *out)
{
    size_t n = strspn(text, base == 16 ? "0123456789abcdef" : "0123456789");
    if (!n || n > 16 || text[n])
        return false;
    *out = strtoull(text, NULL, base);
    return true;
}

bool event_id_read(const struct front *f, struct span id, struct event_id *out)
{
    char mac[SESSION_MAC_TEXT + 1];
    if (id.n < 4 || id.n >= EVENT_ID_MAX || memchr(id.p, '\0', id.n) || memcmp(id.p, "e1~", 3) != 0)
        return false;
    memcpy(out->text, id.p, id.n);
    out->text[id.n] = '\0';
    const char *event = cut_last(out->text), *proof = event ? cut_last(out->text) : NULL;
    if (!proof || strlen(proof) != SESSION_MAC_TEXT || !to_number(event, 10, &out->event))
        return false;
    session_mac(f, out->text, strlen(out->text), mac);
    if (!digest_equal(mac, proof, SESSION_MAC_TEXT))
        return false;
    char *request = cut_last(out->text), *session = request ? cut_last(out->text) : NULL;
    const char *stream = session ? cut_last(out->text) : NULL;
    out->session = session;
    out->run = out->text + 3;
    return stream && strlen(out->text) > 3 && !strchr(out->run, '~') &&
           to_number(stream, 16, &out->stream) && unescape(request, &out->request);
}
