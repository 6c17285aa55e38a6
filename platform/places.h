/* platform/places.h - the places where one poold serves: the locks, pid and port files of its run
 * directory, its listening sockets, and the keeper that holds them while poold is away.
 *
 * run_dir: poold.lock (the serving poold's), holder.flock (the holder's), poold.pid, port,
 * api.sock, mcp.sock. Errors: ALREADY_RUNNING names the pid that serves. */
#pragma once
#include "base/err.h"
#include "platform/activate.h"

struct places {
    const char *run_dir, *listen;    /* borrowed; listen as HOST:PORT */
    struct activate_sockets sockets; /* as handed over; completed by places_serve */
    char *api_socket, *mcp_socket;
    char *address; /* where the front really is, once we serve */
    int lock_fd;   /* -1 until we serve */
};

/* run_dir and listen are borrowed for the struct's life. */
void places_init(struct places *p, const char *run_dir, const char *listen);
void places_finish(struct places *p);

/* Open the sockets and become `keeper_program hold`, which starts this program again with argv (its
 * own arguments, from argv[1]) and the sockets. Returns only on failure. */
bool places_hold(const struct places *p, const char *keeper_program, const char *log_format,
                 char **argv, struct err *err) MUST_CHECK;
/* Serve here: take the lock, open the sockets that were not handed over, write who and where we
 * are. */
bool places_serve(struct places *p, struct err *err) MUST_CHECK;
/* We serve no more: the files that say so go. */
void places_leave(const struct places *p);
