/* cli/client.h - a blocking HTTP/1.1 client for one request over a unix socket, with a deadline.
 * Answers may have a length, be chunked or end with the connection; streams are read as they come.
 *
 * Owns: its channel.
 * Errors: NOT_RUNNING when nobody serves the socket, when the connection is lost or the deadline
 * passes; BAD_REQUEST for an answer that is no HTTP; TOO_BIG past the cap. */
#pragma once
#include "cli/channel.h"
#include "mcp/http_chunked.h"

#include <stdint.h>

enum client_body { CLIENT_SIZED, CLIENT_CHUNKED, CLIENT_TO_END };

struct client {
    struct channel channel;
    int status;     /* of the answer */
    bool is_ndjson; /* its content type is application/x-ndjson */
    enum client_body body;
    int64_t left; /* CLIENT_SIZED: body bytes to come */
    struct http_chunked chunked;
    size_t lent; /* bytes read ahead that the last read used up */
};

struct client_request {
    const char *socket_path, *method, *target;
    const char *accept; /* NULL: application/json */
    const char *body;   /* JSON text, or NULL */
    int64_t wait_ms;    /* for all of it; -1: for ever */
};

/* Send the request and read the head of the answer. client_close afterwards (only on success). */
bool client_open(const struct client_request *request, struct client *out,
                 struct err *err) MUST_CHECK;
void client_close(struct client *c);

enum client_news { CLIENT_DATA, CLIENT_END, CLIENT_QUIET, CLIENT_FAILED };
/* The next bytes of the body (borrowed until the next call); QUIET when none came within
 * quiet_ms (-1: wait up to the deadline). */
enum client_news client_read(struct client *c, int64_t quiet_ms, const char **data, size_t *n,
                             struct err *err) MUST_CHECK;
/* The (rest of the) body as a new string, at most cap bytes. */
bool client_read_all(struct client *c, size_t cap, char **out, struct err *err) MUST_CHECK;
