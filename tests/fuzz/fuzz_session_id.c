/* tests/fuzz/fuzz_session_id.c - a session id that we have not signed is refused; one that we have
 * signed, whatever it holds, is taken apart into exactly the bytes that were signed. */
#include "front/session_id.h"

#include "base/digest.h"
#include "front/state.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static struct front front; /* the key is zeros */

/* "PROOF~MAC" in out: its length, 0 where it is longer than an id can be. */
static size_t sign(const char *proof, size_t n, char out[SESSION_ID_MAX])
{
    uint8_t mac[DIGEST_SIZE];
    char text[27];
    if (n + sizeof text >= SESSION_ID_MAX)
        return 0;
    digest_hmac(front.session_key, sizeof front.session_key, proof, n, mac);
    digest_base32(mac, 16, text);
    memcpy(out, proof, n);
    out[n] = '~';
    memcpy(out + n + 1, text, sizeof text - 1);
    return n + sizeof text;
}

/* The fields are the signed text between its first tildes; the last one takes the rest. A point
 * before the key says that its client has roots. */
static void must_be_parts_of(const char *proof, size_t n, const struct session_id_parts *parts)
{
    const char *key = parts->key - (parts->has_roots ? 1 : 0);
    const char *fields[] = {parts->text, parts->created, NULL, parts->protocol, key, parts->server};
    MUST(parts->has_roots == (key[0] == '.'));
    const char *at = proof, *end = proof + n;
    for (int i = 0; i < 6; i++) {
        const char *stop = i < 5 ? memchr(at, '~', (size_t)(end - at)) : end;
        MUST(stop);
        if (fields[i])
            MUST(strlen(fields[i]) == (size_t)(stop - at) &&
                 memcmp(fields[i], at, (size_t)(stop - at)) == 0);
        at = stop + 1;
    }
    MUST(strcmp(parts->text, "1") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    struct session_id_parts parts;
    char id[SESSION_ID_MAX];
    MUST(!session_id_read(&front, (struct span){text, n}, &parts) || n > 27);
    size_t id_n = sign(text, n, id);
    if (!id_n)
        return 0;
    if (session_id_read(&front, (struct span){id, id_n}, &parts) && !memchr(text, '\0', n))
        must_be_parts_of(text, n, &parts);
    for (size_t i = 0; i < id_n; i += 7) { /* any changed bit breaks the proof */
        id[i] ^= 1;
        MUST(!session_id_read(&front, (struct span){id, id_n}, &parts));
        id[i] ^= 1;
    }
    MUST(!session_id_read(&front, (struct span){id, id_n - 1}, &parts));
    return 0;
}
