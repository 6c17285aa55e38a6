/* pool/inputs.c - see inputs.h. */
#include "pool/inputs.h"

#include "base/caps.h"
#include "keeper/wire.h"

#include <string.h>

void inputs_init(struct inputs *in)
{
    *in = (struct inputs){
        .frames = BUF_INIT(WIRE_WINDOW + CAP_KEEPER_FRAME + sizeof(struct wire_header))};
}

void inputs_finish(struct inputs *in)
{
    buf_release(&in->frames);
}

static void drop_to(struct inputs *in, uint64_t sequence)
{
    while (in->frames.len) {
        struct wire_header header;
        memcpy(&header, in->frames.data, sizeof header);
        if (header.sequence > sequence)
            break;
        wire_drop(&in->frames, &header);
    }
    if (!in->frames.len && in->frames.room > 64 * 1024)
        buf_release(&in->frames);
}

void inputs_greet(struct inputs *in, uint64_t taken)
{
    if (in->given < taken)
        in->given = taken; /* an earlier poold's; this one counts on from there */
    drop_to(in, taken);
    in->is_known = true;
}

bool inputs_add(struct inputs *in, const char *json, size_t n, const char **frame, size_t *size,
                struct err *err)
{
    size_t whole = sizeof(struct wire_header) + n, before = in->frames.len;
    if (!in->is_known)
        return err_set(err, ERR_DAEMON_LOST, 0, "its keeper has not answered yet");
    if (n > CAP_KEEPER_FRAME)
        return err_set(err, ERR_TOO_BIG, 0, "a message of %zu bytes is over the limit of %d", n,
                       CAP_KEEPER_FRAME);
    if (before && before + whole > WIRE_WINDOW) {
        in->was_refused = true;
        return err_set(err, ERR_CONFLICT, 0, "the daemon does not read its input: %zu bytes wait",
                       before);
    }
    if (!wire_put(&in->frames, WIRE_INPUT, in->given + 1, json, n))
        return err_set(err, ERR_TOO_BIG, 0, "a message of %zu bytes is too long", n);
    in->given++;
    *frame = in->frames.data + before;
    *size = whole;
    return true;
}

bool inputs_ack(struct inputs *in, uint64_t sequence)
{
    drop_to(in, sequence);
    bool is_room = in->was_refused && in->frames.len <= WIRE_WINDOW / 2;
    in->was_refused = in->was_refused && !is_room;
    return is_room;
}
