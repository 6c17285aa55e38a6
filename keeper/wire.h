/* keeper/wire.h - what poold and a keeper say to each other over the keeper's unix socket.
 *
 * Keepers outlive poold upgrades by months, so this only ever grows: frames of unknown type are
 * ignored, unknown keys in a text payload are ignored, and the version is negotiated by HELLO
 * (poold offers the newest it speaks; the keeper answers with the smaller of both).
 *
 * A frame is a 16-byte header in native byte order (both ends are on one machine), then length
 * bytes of payload. Text payloads are lines "key value\n"; a value has \n and \\ escaped.
 *
 * Epoch: a number that grows with every start of poold, from 1. A keeper obeys only the newest
 * connection of the highest epoch it has seen (the owner); an older epoch gets SUPERSEDED and is
 * closed. Epoch 0 is an observer (a command line while poold is down): it may ask for STATUS and
 * USAGE, nothing else, and does not count as a poold for the orphan clock.
 *
 * Flow: either end sends at most WIRE_WINDOW bytes of LINE or INPUT frames that are not yet
 * acknowledged, or one frame if that alone is bigger. The keeper stops reading the daemon's stdout
 * then; it closes a connection that passes the window of INPUT. */
#pragma once
#include "base/buf.h"

#include <stdint.h>

#define WIRE_VERSION 1
#define WIRE_CUT 1024                 /* bytes of each end of a line that is too long */
#define WIRE_WINDOW (4 * 1024 * 1024) /* unacknowledged bytes of frames under way, each direction */

struct wire_header {
    uint32_t length;   /* of the payload */
    uint16_t type;     /* enum wire_type */
    uint16_t flags;    /* 0 */
    uint64_t sequence; /* LINE, INPUT and their acknowledgements; else 0 */
};

enum wire_type {
    WIRE_HELLO = 1,  /* poold: version, epoch. First frame of a connection; else it is closed */
    WIRE_WELCOME,    /* keeper: version + everything of WIRE_STATUS; first answer */
    WIRE_SUPERSEDED, /* keeper: epoch; a newer poold owns this keeper, it closes */
    WIRE_STATUS_ASK, /* poold: answer with STATUS now */
    WIRE_STATUS,     /* keeper: see below; also sent unasked at every change */
    WIRE_USAGE_ASK,  /* poold: answer with USAGE */
    WIRE_USAGE,      /* keeper: rss_bytes pss_bytes cpu_ms processes; of the tree without keeper */
    WIRE_STOP,       /* poold: grace_ms, reason (word). Ends the tree; news comes as STATUS */
    WIRE_BYE,        /* poold: it goes away in good order; the orphan clock starts */
    /* Stdio servers: one JSON-RPC line per frame, without its line end. Of a line of the daemon's
     * that no frame can hold: its first and its last WIRE_CUT bytes, with '\n' between them. */
    WIRE_LINE,       /* keeper: a line of the daemon's stdout, numbered from 1 */
    WIRE_LINE_ACK,   /* poold: all lines up to `sequence` were taken */
    WIRE_INPUT,      /* poold: a line for the daemon's stdin, numbered from 1 (inputs_taken + 1) */
    WIRE_INPUT_ACK,  /* keeper: written to the daemon up to `sequence` */
};

/* Keys of a STATUS/WELCOME payload (poold can rebuild its registry from them):
 *   version        negotiated wire version (WELCOME)
 *   id generation project project_key server definition transport   echoed from the spec
 *   state          starting | running | stopping | exited
 *   keeper_pid pid start_time boot_id   the daemon's main process (pid 0 before the spawn)
 *   instance       echoed too; absent (of an older keeper): 0
 *   port           0 for stdio servers
 *   started_unix_ms
 *   exec_errno     set when the command could not be executed at all (state exited)
 *   exit_code | exit_signal            how the main process ended (once it has; the rest of its
 *                  tree may still be there while the state is stopping)
 *   stop_reason    the word of the first STOP, "orphaned", "terminated" (SIGTERM to the keeper);
 *                  absent: it ended by itself
 *   tail           last lines of the daemon's output (up to 4 KiB)
 *   lines_sent lines_acked lines_lost  stdio servers: lines read, taken by poold, too long to keep
 *   inputs_taken   stdio servers: the highest INPUT it has; a new poold counts on from there, and
 *                  an INPUT that is not higher is dropped as a repetition
 * State exited is sent only when the whole tree is gone; the keeper then removes its files and
 * exits 0. If the daemon ended by itself while no poold was connected, the keeper first waits up to
 * KEEPER_LINGER_MS for one to tell (the start that failed at once, the poold that is just being
 * restarted). For stdio servers the last STATUS comes after the last LINE, also where WELCOME has
 * said exited already. A new owner gets all LINEs again that are not acknowledged. */
#define KEEPER_LINGER_MS 10000

/* The spec: what a keeper is told at its start, as "key value\n" text on its stdin:
 *   id, generation, project (also the daemon's default cwd), project_key, server,
 *   definition (hash), transport (http|sse|stdio), port, instance (may be absent),
 *   run_dir        where <id>.sock and <id>.lock go (keepers/ of the run dir)
 *   log            path of the log file; log_max_bytes rotate size (one old copy: LOG.1)
 *   cwd
 *   arg            repeated: argv
 *   env            repeated: NAME=VALUE, the whole environment (the keeper adds POOLD_DAEMON_ID)
 *   orphan_ms      stop after this long without a poold
 *   grace_ms       TERM to KILL when it stops by itself
 *   epoch          of the poold that starts it
 * The keeper command: `poold-keeper daemon` with the spec on stdin. It checks the spec, takes the
 * lock, listens, goes into the background (own session) and only then exits 0 in the foreground
 * process. Then it spawns the daemon. On failure one line on stderr and exit 1 (a place cannot be
 * used), 2 (the spec makes no sense) or 8 (the keeper of this id is running already). */

/* Append a frame. False past out's cap. */
bool wire_put(struct buf *out, enum wire_type type, uint64_t sequence, const void *payload,
              size_t n) MUST_CHECK;
/* Take one whole frame off the front of in: 1 and header/payload (borrowed until in changes; the
 * caller then calls wire_drop), 0 if not complete, -1 if it is malformed (too long). */
int wire_get(const struct buf *in, struct wire_header *header, const char **payload);
void wire_drop(struct buf *in, const struct wire_header *header);

/* Append "key value\n" to a text payload (value escaped). */
bool wire_text_add(struct buf *out, const char *key, const char *value) MUST_CHECK;
bool wire_text_add_int(struct buf *out, const char *key, int64_t value) MUST_CHECK;
/* Next pair of a text payload: *at moves on; key and value are new strings (caller frees both).
 * False at the end. */
bool wire_text_next(const char **at, const char *end, char **key, char **value) MUST_CHECK;
