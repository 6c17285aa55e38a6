/* api/server.h - the management HTTP API: libmicrohttpd on api.sock, driven by poold's loop.
 * Requests come from poolctl directly or, relayed and re-written by the front, from its port; the
 * front has then already checked who is asking.
 * Owns: its MHD daemon and suspended requests.   Threads: loop only. */
#pragma once
#include "base/err.h"
#include "pool/pool.h"

struct ev_loop;
struct api;

struct api_session {          /* one client session, for lists; borrowed for the call */
    const char *project_key, *server;
    const char *client;       /* "claude-code 2.1.330" or "" */
    const char *transport;    /* http sse */
    int pid;                  /* of the client process, 0 unknown */
    const char *cwd, *program;/* may be "" */
    const char *route;        /* the rule that decided */
    int in_flight;
    int64_t oldest_call_ms;   /* age of its oldest call, -1 none */
    int64_t last_use_unix_ms;
    bool has_stream;
};

/* What only the composition root knows; api sees neither front nor poold.c. */
struct api_host {
    void *arg;
    void (*sessions_each)(void *arg, void (*each)(void *each_arg, const struct api_session *s), void *each_arg);
    /* URL of the front for this slot ("http://127.0.0.1:7337/p/KEY/mcp" or with /s/SERVER): new string. */
    char *(*front_url)(void *arg, const struct project *project, const char *server);
    bool (*reload)(void *arg, struct err *err);
    void (*shutdown)(void *arg, bool keep_daemons);
    const char *config_file, *state_dir, *run_dir, *listen;
    int64_t started_unix_ms;
};

/* listen_fd: a listening unix socket (taken). New. */
struct api *api_create(struct ev_loop *loop, int listen_fd, struct pool *pool, struct registry *registry,
                       const struct api_host *host, struct err *err) MUST_CHECK;
void api_destroy(struct api *a);
