/* front/dispatch.c - a whole request is here: may it pass, and whose is it? */
#include "front/api_relay.h"
#include "front/check.h"
#include "front/client_http.h"
#include "front/client_sse.h"
#include "front/conn.h"
#include "front/route.h"

static bool refuses(struct conn *c, const struct http_head *head, bool is_mcp)
{
    struct check_result check =
        check_request(head, &c->peer, c->front->uid, is_mcp, c->front->port);
    if (!check.status)
        return false;
    c->will_close = true;
    enum err_code code = check.status == 403   ? ERR_DENIED
                         : check.status == 405 ? ERR_METHOD
                                               : ERR_BAD_REQUEST;
    if (is_mcp)
        conn_answer_error(c, check.status, (struct span){0}, err_row(code)->rpc, check.text);
    else
        conn_answer_problem(c, check.status, code, check.text);
    return true;
}

bool dispatch_refuses(struct conn *c, const struct http_head *head)
{
    return refuses(c, head, route_parse(head->path).endpoint != ENDPOINT_API);
}

void dispatch(struct conn *c, const struct request *request)
{
    struct route_url url = route_parse(request->head.path);
    if (refuses(c, &request->head, url.endpoint != ENDPOINT_API))
        return;
    switch (url.endpoint) {
    case ENDPOINT_MCP:
        client_http_request(c, request, &url);
        break;
    case ENDPOINT_SSE:
        client_sse_open(c, request, &url);
        break;
    case ENDPOINT_MESSAGES:
        client_sse_message(c, request);
        break;
    case ENDPOINT_API:
        api_relay_request(c, request);
        break;
    }
}
