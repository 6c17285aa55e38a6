/* api/on_metrics.c - for programs: metrics and the OpenAPI document. */
#include "api/handlers.h"
#include "api/metrics.h"
#include "api/request.h"
#include "api/routes.h"
#include "base/str.h"

#define CAP_METRICS (4 * 1024 * 1024)

void on_metrics(struct request *r)
{
    struct buf out = BUF_INIT(CAP_METRICS);
    struct err err = {0};
    if (metrics_print(r->api->metrics, &out)) {
        request_answer_text(r, "text/plain; version=0.0.4; charset=utf-8", buf_take(&out));
        return;
    }
    buf_release(&out);
    err_set(&err, ERR_TOO_BIG, 0, "the metrics have more than %d bytes", CAP_METRICS);
    request_refuse_as(r, err_row(ERR_INTERNAL)->http, &err, NULL);
}

void on_openapi(struct request *r)
{
    char *url = xasprintf("http://%s", r->api->host.listen);
    request_answer(r, 200, routes_openapi(url));
    free(url);
}
