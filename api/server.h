/* api/server.h - the management HTTP API: libmicrohttpd on api.sock, driven by poold's loop.
 * Requests come from poolctl directly or, relayed and re-written by the front, from its port; the
 * front has then already checked who is asking and says so in API_PEER_HEADER, which is believed
 * only when this very process is at the other end of the connection.
 * Owns: its MHD daemon and suspended requests.   Logs: one line per change that was asked for.
 * Threads: loop only. */
#pragma once
#include "base/buf.h"
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
    void (*sessions_each)(void *arg,
                          void (*each)(void *each_arg, const struct api_session *s),
                          void *each_arg);
    /* URL of the front for this slot ("http://127.0.0.1:7337/p/KEY/mcp" or with /s/SERVER): new
     * string. */
    char *(*front_url)(void *arg, const struct project *project, const char *server);
    /* Read the configuration again; a mistake is ERR_CONFIG and changes nothing. */
    bool (*reload)(void *arg, struct err *err);
    void (*shutdown)(void *arg, bool keep_daemons); /* once its answer is out; from MHD's turn, so
                                                    * without destroying the api */
    /* pid and uid of the peer of a connected unix socket (peer_of_unix). */
    bool (*peer_of)(void *arg, int fd, int *pid, unsigned *uid);
    /* Current directory of a process of ours, canonical: new string; or false and *why (new). */
    bool (*cwd_of)(void *arg, int pid, char **cwd, char **why);
    /* Memory and CPU time of this process. May be NULL. */
    void (*usage)(void *arg, int64_t *rss_bytes, int64_t *cpu_ms);
    /* The others' numbers in Prometheus' text format; false: out is full. May be NULL. */
    bool (*metrics)(void *arg, struct buf *out);
    const char *config_file, *state_dir, *run_dir, *listen;
    int64_t started_unix_ms;
};

/* listen_fd: a listening, non-blocking unix socket (taken, also on failure). host is copied, what
 * it points to is borrowed; so are pool and registry, until api_destroy. New. */
struct api *api_create(struct ev_loop *loop, int listen_fd, struct pool *pool,
                       struct registry *registry, const struct api_host *host,
                       struct err *err) MUST_CHECK;
/* Ends what waits. The pool must not run the loop again afterwards: it knows us as a listener. NULL
 * is fine. */
void api_destroy(struct api *a);
/* News for the readers of /events that the pool does not tell: a session has come or gone (change:
 * opened taken-back put-aside closed), the configuration was read again. a may be NULL. */
void api_session_changed(struct api *a, const struct api_session *s, const char *change);
void api_config_changed(struct api *a);
