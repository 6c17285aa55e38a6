/* api/api.h - what the files of api/ share about the one server. Not for other folders. */
#pragma once
#include "api/server.h"
#include "base/list.h"

struct MHD_Daemon;
struct mhd_loop;
struct events;
struct metrics;

struct api {
    struct ev_loop *loop;
    struct pool *pool;         /* borrowed */
    struct registry *registry; /* borrowed */
    struct api_host host;
    struct MHD_Daemon *mhd;
    struct mhd_loop *runner;
    struct list requests; /* struct request, every one that has not been completed */
    struct events *events;
    struct metrics *metrics;
    bool is_shutting_down; /* poold stops its daemons and then ends: none is started any more */
    bool is_ending;       /* api_destroy runs: nothing is answered any more */
};
