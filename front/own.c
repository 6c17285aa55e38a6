/* front/own.c - see own.h. */
#include "front/own.h"

#include "base/caps.h"
#include "base/str.h"

struct own { /* one request: the flight's client_self */
    own_done_fn *done;
    void *arg;
    struct buf answer;
};

static void message(struct flight *f, struct span json, bool is_answer)
{
    struct own *own = f->client_self;
    if (!is_answer)
        return;
    buf_release(&own->answer);
    if (!buf_add(&own->answer, json.p, json.n))
        buf_release(&own->answer);
}

static void json_end(struct flight *f)
{
    message(f, (struct span){f->held.data, f->held.len}, true);
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len) {
        struct buf data = BUF_INIT(CAP_MESSAGE);
        if (sse_event_data(bytes + at, len, &data) && rpc_is_response(data.data, data.len) == 1)
            message(f, (struct span){data.data, data.len}, true);
        buf_release(&data);
    }
}

static void end(struct flight *f)
{
    struct own *own = f->client_self;
    f->client_self = NULL;
    own->done(own->arg, f->session, (struct span){own->answer.data, own->answer.len});
    buf_release(&own->answer);
    free(own);
}

static void nothing(struct flight *f)
{
    (void)f;
}

static bool never(struct flight *f)
{
    (void)f;
    return false;
}

static const struct flight_client own_sink = {flight_hold_begin, flight_hold_data,
                                              json_end,          events,
                                              message,           end,
                                              nothing,           never,
                                              nothing,           NULL};

static struct flight *make(struct session *s, const char *method, struct span params)
{
    static unsigned number;
    struct buf body = BUF_INIT(CAP_BODY);
    struct rpc_peek peek;
    bool ok =
        buf_printf(&body, "{\"jsonrpc\":\"2.0\",\"id\":\"poold-%u\",\"method\":\"%s\"", ++number,
                   method) &&
        (!params.n || (buf_add_str(&body, ",\"params\":") && buf_add(&body, params.p, params.n))) &&
        buf_add_str(&body, "}");
    if (!ok)
        abort(); /* our own requests are small */
    rpc_peek(body.data, body.len, &peek);
    struct flight *f =
        flight_new(s, FLIGHT_OWN, &own_sink, NULL, (struct span){body.data, body.len}, &peek, NULL);
    buf_release(&body);
    return f;
}

void own_request(struct session *s, const char *method, struct span params, own_done_fn *done,
                 void *arg)
{
    struct flight *f = make(s, method, params);
    struct own *own = xcalloc(1, sizeof *own);
    own->done = done;
    own->arg = arg;
    own->answer.cap = CAP_MESSAGE;
    f->client_self = own;
    if (link_is_open(&s->link))
        flight_go(f);
    else /* it fails, but not from in here */
        front_look_soon(s->front);
}
