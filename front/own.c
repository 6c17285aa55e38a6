/* front/own.c - see own.h. */
#include "front/own.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/modern.h"
#include "mcp/modern.h"

#include <string.h>

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

/* {"jsonrpc":"2.0"[,"id":"poold-N"],"method":METHOD[,"params":PARAMS]}; number 0: no id. */
static bool write_request(struct buf *body, unsigned number, const char *method, struct span params)
{
    return buf_add_str(body, "{\"jsonrpc\":\"2.0\"") &&
           (!number || buf_printf(body, ",\"id\":\"poold-%u\"", number)) &&
           buf_printf(body, ",\"method\":\"%s\"", method) &&
           (!params.n ||
            (buf_add_str(body, ",\"params\":") && buf_add(body, params.p, params.n))) &&
           buf_add_str(body, "}");
}

static struct flight *make(struct session *s, const char *method, struct span params, char *headers)
{
    static unsigned number;
    struct buf body = BUF_INIT(2 * CAP_BODY);
    struct rpc_peek peek;
    if (!write_request(&body, ++number, method, params))
        abort(); /* our own requests are small */
    rpc_peek(body.data, body.len, &peek);
    struct flight *f = flight_new(s, FLIGHT_OWN, &own_sink, NULL,
                                  (struct span){body.data, body.len}, &peek, headers);
    buf_release(&body);
    return f;
}

/* A request to a daemon that knows no sessions says all that it needs (2026-07-28, basic, _meta).
 */
static struct flight *make_modern(struct session *s, const char *method, struct span more)
{
    const struct modern_client *m = s->modern;
    struct buf params = BUF_INIT(CAP_BODY + 2 * CAP_EVENT);
    struct span capabilities = {m->capabilities, m->capabilities ? strlen(m->capabilities) : 0};
    char *headers =
        xasprintf("Mcp-Method: %s\r\n%s%s%s", method, m->authorization ? "Authorization: " : "",
                  m->authorization ? m->authorization : "", m->authorization ? "\r\n" : "");
    struct flight *f = NULL;
    if (modern_write_params(&params, more, capabilities))
        f = make(s, method, (struct span){params.data, params.len}, headers);
    else
        abort(); /* capabilities are kept up to CAP_EVENT, params are a cursor */
    buf_release(&params);
    return f;
}

void own_say(struct session *s, struct span message)
{
    struct rpc_peek peek;
    if (!link_is_open(&s->link))
        return;
    rpc_peek(message.p, message.n, &peek);
    flight_go(flight_new(s, FLIGHT_ONEWAY, &flight_client_none, NULL, message, &peek,
                         s->credential ? xstrdup(link_credential(&s->link)) : NULL));
}

void own_notify(struct session *s, const char *method, struct span params)
{
    struct buf body = BUF_INIT(CAP_BODY);
    if (write_request(&body, 0, method, params))
        own_say(s, (struct span){body.data, body.len});
    buf_release(&body);
}

void own_request(struct session *s, const char *method, struct span params, own_done_fn *done,
                 void *arg)
{
    bool is_stateless = link_is_open(&s->link) && s->link.transport == &link_modern;
    struct flight *f =
        is_stateless
            ? make_modern(s, method, params)
            : make(s, method, params, s->credential ? xstrdup(link_credential(&s->link)) : NULL);
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
