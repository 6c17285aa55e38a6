/* tests/fuzz/fuzz_event_id.c - an event id that we have not made is refused; one that we have made
 * gives back the request's id, whatever bytes that holds, and no changed byte of it passes. */
#include "front/event_id.h"

#include "front/session_id.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <string.h>

static struct front front = {.run = "abcdefghijklm"}; /* the key is zeros */
static char session_id[] = "1~0~r~2025-11-25~k~s~abcdefghijklmnopqrstuvwxyz";

/* "PROOF~MAC~7" in out, whatever the proof says: its length, 0 where it is too long. */
static size_t sign(const char *proof, size_t n, char out[EVENT_ID_MAX])
{
    if (n + SESSION_MAC_TEXT + 4 >= EVENT_ID_MAX)
        return 0;
    memcpy(out, proof, n);
    session_mac(&front, proof, n, out + n + 1);
    out[n] = '~';
    memcpy(out + n + 1 + SESSION_MAC_TEXT, "~7", 3);
    return n + SESSION_MAC_TEXT + 3;
}

static void signed_text_is_safe(const char *text, size_t n)
{
    char id[EVENT_ID_MAX];
    struct event_id out;
    size_t id_n = sign(text, n, id);
    if (id_n && event_id_read(&front, (struct span){id, id_n}, &out)) {
        MUST(n >= 3 && memcmp(text, "e1~", 3) == 0 && !memchr(text, '\0', n));
        MUST(out.event == 7 && out.request.n <= n);
        MUST(strlen(out.run) + strlen(out.session) < n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    const struct session s = {.front = &front, .id = n % 2 ? session_id : NULL};
    char name[EVENT_NAME_MAX], id[EVENT_ID_MAX];
    struct event_id out;
    MUST(!event_id_read(&front, (struct span){text, n}, &out) || n > SESSION_MAC_TEXT);
    signed_text_is_safe(text, n);
    if (!event_name_make(&s, n * 77, (struct span){text, n}, name)) {
        MUST(n > 40);
        return 0;
    }
    size_t id_n = (size_t)snprintf(id, sizeof id, "%s~%zu", name, n);
    MUST(event_id_read(&front, (struct span){id, id_n}, &out));
    MUST(out.stream == n * 77 && out.event == n && out.request.n == n);
    MUST(!n || memcmp(out.request.p, text, n) == 0);
    MUST(strcmp(out.run, front.run) == 0 && strcmp(out.session, event_session(&s)) == 0);
    for (size_t i = 0; i < strlen(name); i += 3) { /* the number behind the name proves nothing */
        id[i] ^= 1;
        MUST(!event_id_read(&front, (struct span){id, id_n}, &out));
        id[i] ^= 1;
    }
    return 0;
}
