/* keeper/lines_in.c - see lines_in.h. */
#include "keeper/lines_in.h"

#include "base/caps.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

void lines_in_init(struct lines_in *lines)
{
    *lines = (struct lines_in){
        .frames = BUF_INIT(WIRE_WINDOW + CAP_KEEPER_FRAME + sizeof(struct wire_header))};
}

void lines_in_finish(struct lines_in *lines)
{
    buf_release(&lines->frames);
}

bool lines_in_take(struct lines_in *lines, uint64_t sequence, const char *line, size_t n)
{
    if (sequence <= lines->taken)
        return true;
    if (!wire_put(&lines->frames, WIRE_INPUT, sequence, line, n))
        return false;
    lines->taken = sequence;
    return true;
}

bool lines_in_are_waiting(const struct lines_in *lines)
{
    return lines->frames.len > 0;
}

bool lines_in_write(struct lines_in *lines, int fd)
{
    while (lines->frames.len) {
        struct wire_header header;
        memcpy(&header, lines->frames.data, sizeof header);
        size_t from = lines->written < header.length ? lines->written : header.length;
        struct iovec parts[2] = {
            {.iov_base = lines->frames.data + sizeof header + from,
             .iov_len = header.length - from},
            {.iov_base = (char *)"\n", .iov_len = 1},
        };
        ssize_t n = writev(fd, parts, 2);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        lines->written += (size_t)n;
        if (lines->written <= header.length)
            return true; /* the pipe is full */
        lines->written = 0;
        lines->done = header.sequence;
        wire_drop(&lines->frames, &header);
    }
    if (lines->frames.room > 64 * 1024)
        buf_release(&lines->frames);
    return true;
}
