/* keeper/keeper.c - see keeper.h. */
#include "keeper/keeper.h"

#include "base/clock.h"
#include "keeper/answer.h"
#include "keeper/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK (16 * 1024)
#define EOF_MOST_MS 1000      /* at most, for a stdio server to go by the end of its input */
#define REST_GRACE_MS 4000    /* at most, for what the main process has left behind */
#define KILL_STEP_MAX_MS 1000 /* a member that cannot be killed (yet) costs a look a second */
#define FLUSH_MS 2000         /* for a poold that does not take the last STATUS */
#define REMEMBER_MS 2000      /* how often a tree is looked at that we do not inherit */
#define NEVER INT64_MAX

/* Places in the array for poll. */
enum { AT_SIGNALS, AT_OUT, AT_ERR, AT_IN, AT_SERVER, AT_END = AT_SERVER + SERVER_POLLS };

static void on_welcome(void *arg, struct buf *text, int64_t version)
{
    answer_fill_status(arg, text, version);
}

static void on_frame(void *arg, struct peer *from, const struct wire_header *header,
                     const char *payload)
{
    answer_frame(arg, from, header, payload);
}

static void on_owner(void *arg)
{
    struct keeper *keeper = arg;
    lines_out_rewind(&keeper->lines_out);
    keeper->is_told = false;
    keeper_hand_lines(keeper);
}

bool keeper_init(struct keeper *keeper, struct spec *spec, int listen_fd, struct err *err)
{
    static const int caught[] = {SIGCHLD, SIGTERM, 0}, ignored[] = {SIGPIPE, SIGHUP, SIGINT, 0};
    signals_ignore(ignored);
    *keeper = (struct keeper){
        .spec = *spec, .may_linger = true, .term_at_ms = NEVER, .kill_at_ms = NEVER};
    *spec = (struct spec){0};
    keeper->log.fd = -1;
    keeper->child.in_fd = keeper->child.out_fd = keeper->child.err_fd = -1;
    tree_init(&keeper->tree);
    lines_out_init(&keeper->lines_out);
    lines_in_init(&keeper->lines_in);
    server_init(&keeper->server, listen_fd, (uint64_t)keeper->spec.epoch);
    keeper->server.fill_welcome = on_welcome;
    keeper->server.on_frame = on_frame;
    keeper->server.on_owner = on_owner;
    keeper->server.arg = keeper;
    return log_file_open(&keeper->log, keeper->spec.log, keeper->spec.log_max_bytes, err) &&
           signals_catch(caught, &keeper->signal_fd, err);
}

void keeper_finish(struct keeper *keeper)
{
    server_finish(&keeper->server);
    daemon_child_close(&keeper->child);
    tree_finish(&keeper->tree);
    lines_out_finish(&keeper->lines_out);
    lines_in_finish(&keeper->lines_in);
    log_file_close(&keeper->log);
    spec_finish(&keeper->spec);
    free(keeper->stop_reason);
}

/* --- changes of state --- */

static void set_state(struct keeper *keeper, enum keeper_state state)
{
    keeper->state = state;
    if (state != KEEPER_EXITED && keeper->server.owner) /* the last one follows the last line */
        answer_send_status(keeper, keeper->server.owner);
}

static void note_end(struct keeper *keeper)
{
    int status = keeper->child.status;
    const char *why = keeper->stop_reason ? keeper->stop_reason : "by itself";
    if (WIFSIGNALED(status))
        log_file_note(&keeper->log, "pid %d was ended by signal %d (%s)", (int)keeper->child.pid,
                      WTERMSIG(status), why);
    else
        log_file_note(&keeper->log, "pid %d exited with code %d (%s)", (int)keeper->child.pid,
                      WEXITSTATUS(status), why);
}

static void start(struct keeper *keeper)
{
    struct err err = {0};
    if (daemon_child_start(&keeper->child, &keeper->spec, &err)) {
        log_file_note(&keeper->log, "started pid %d: %s in %s", (int)keeper->child.pid,
                      keeper->spec.argv.items[0], keeper->spec.cwd);
        set_state(keeper, KEEPER_RUNNING);
    } else {
        log_file_note(&keeper->log, "%s", err_text(&err));
        tail_add(&keeper->tail, err_text(&err), strlen(err_text(&err)));
        keeper->exited_ms = clock_ms();
        set_state(keeper, KEEPER_EXITED);
    }
    spec_forget_command(&keeper->spec);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void drop_input(struct keeper *keeper)
{
    if (keeper->child.in_fd >= 0)
        close(keeper->child.in_fd);
    keeper->child.in_fd = -1;
    lines_in_finish(&keeper->lines_in);
}

void keeper_stop(struct keeper *keeper, int64_t grace_ms, const char *reason)
{
    if (keeper->state == KEEPER_EXITED)
        return;
    if (!keeper->stop_reason && !keeper->child.has_ended) { /* else it went by itself */
        str_replace(&keeper->stop_reason, reason);
        keeper->stop_grace_ms = grace_ms;
    }
    keeper->stop_grace_ms = least(keeper->stop_grace_ms, grace_ms);
    keeper->kill_at_ms = least(keeper->kill_at_ms, clock_ms() + grace_ms);
    if (keeper->state == KEEPER_STOPPING)
        return;
    log_file_note(&keeper->log, "stopping pid %d (%s)", (int)keeper->child.pid, reason);
    drop_input(keeper);
    if (keeper->spec.is_stdio)
        keeper->term_at_ms = clock_ms() + least(EOF_MOST_MS, grace_ms / 2);
    else
        daemon_child_signal(&keeper->child, SIGTERM);
    daemon_child_signal(&keeper->child, SIGCONT);
    set_state(keeper, KEEPER_STOPPING);
}

/* The end of the main process is the end of the daemon; what it leaves gets TERM and little
 * time. */
static void on_main_end(struct keeper *keeper)
{
    int64_t grace_ms = keeper->stop_reason ? keeper->stop_grace_ms : keeper->spec.grace_ms;
    note_end(keeper);
    drop_input(keeper);
    tree_terminate(&keeper->tree);
    keeper->kill_at_ms = least(keeper->kill_at_ms, clock_ms() + least(grace_ms, REST_GRACE_MS));
    if (keeper->state != KEEPER_STOPPING)
        set_state(keeper, KEEPER_STOPPING);
}

/* --- the daemon's output and input --- */

/* Read one chunk; false when there is none (the fd is closed at its end). */
static bool pump(struct keeper *keeper, int *fd, bool is_lines)
{
    static char chunk[CHUNK];
    ssize_t n = read(*fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        if (is_lines)
            lines_out_end(&keeper->lines_out);
        close(*fd);
        *fd = -1;
        return false;
    }
    if (is_lines) {
        lines_out_add(&keeper->lines_out, chunk, (size_t)n);
        keeper_hand_lines(keeper);
    } else {
        tail_add(&keeper->tail, chunk, (size_t)n);
        log_file_write(&keeper->log, chunk, (size_t)n);
    }
    return true;
}

void keeper_hand_lines(struct keeper *keeper)
{
    const char *frame;
    size_t n;
    while (keeper->server.owner && keeper->server.owner->out.len < 64 * 1024 &&
           (frame = lines_out_next(&keeper->lines_out, &n)))
        server_send_frame(&keeper->server, keeper->server.owner, frame, n);
}

static void write_input(struct keeper *keeper)
{
    uint64_t before = keeper->lines_in.done;
    if (!lines_in_write(&keeper->lines_in, keeper->child.in_fd))
        drop_input(keeper);
    if (keeper->lines_in.done != before && keeper->server.owner)
        server_send(&keeper->server, keeper->server.owner, WIRE_INPUT_ACK, keeper->lines_in.done,
                    NULL, 0);
}

/* --- the end --- */

/* Take what children have to say; false if there are none left. */
static bool reap(struct keeper *keeper)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != keeper->child.pid || keeper->child.has_ended)
            continue; /* some descendant that has lost its parent */
        keeper->child.has_ended = true;
        keeper->child.status = status;
        on_main_end(keeper);
    }
    return pid == 0;
}

static void on_tree_gone(struct keeper *keeper)
{
    while (keeper->child.out_fd >= 0 && pump(keeper, &keeper->child.out_fd, keeper->spec.is_stdio))
        continue;
    while (keeper->child.err_fd >= 0 && pump(keeper, &keeper->child.err_fd, false))
        continue;
    if (keeper->spec.is_stdio)
        lines_out_end(&keeper->lines_out);
    keeper->exited_ms = clock_ms();
    set_state(keeper, KEEPER_EXITED);
}

static void look_at_children(struct keeper *keeper)
{
    bool has_children = reap(keeper);
    if (keeper->child.has_ended && tree_is_empty(&keeper->tree, has_children))
        on_tree_gone(keeper);
}

/* After the exit: say so to the owner once it has all lines. True when nothing is left to do. */
static bool has_said_goodbye(struct keeper *keeper)
{
    struct peer *owner = keeper->server.owner;
    int64_t now = clock_ms();
    if (!owner)
        return keeper->is_told || !keeper->may_linger ||
               now >= keeper->exited_ms + KEEPER_LINGER_MS;
    keeper_hand_lines(keeper);
    if (!keeper->is_told && keeper->server.owner &&
        keeper->lines_out.handed == keeper->lines_out.frames.len) {
        keeper->is_told = true;
        keeper->exited_ms = now;
        answer_send_status(keeper, owner);
    }
    owner = keeper->server.owner; /* it may have gone meanwhile */
    return owner && keeper->is_told && (!owner->out.len || now >= keeper->exited_ms + FLUSH_MS);
}

/* --- the loop --- */

static int64_t orphan_at(const struct keeper *keeper)
{
    if (keeper->server.owner || !keeper->spec.orphan_ms || keeper->state != KEEPER_RUNNING)
        return NEVER;
    return keeper->server.owner_gone_ms + keeper->spec.orphan_ms;
}

static void on_time(struct keeper *keeper)
{
    int64_t now = clock_ms();
    if (now >= orphan_at(keeper)) {
        keeper->may_linger = false;
        keeper_stop(keeper, keeper->spec.grace_ms, "orphaned");
    }
    if (keeper->state == KEEPER_STOPPING && now >= keeper->term_at_ms) {
        keeper->term_at_ms = NEVER;
        daemon_child_signal(&keeper->child, SIGTERM);
    }
    if (keeper->state == KEEPER_STOPPING && now >= keeper->kill_at_ms) {
        tree_kill(&keeper->tree);
        keeper->kill_step_ms =
            keeper->kill_step_ms ? least(keeper->kill_step_ms * 2, KILL_STEP_MAX_MS) : 20;
        keeper->kill_at_ms = now + keeper->kill_step_ms;
    }
    if (keeper->state == KEEPER_RUNNING)
        tree_remember(&keeper->tree);
}

/* How long poll may sleep. */
static int next_wait(const struct keeper *keeper)
{
    int64_t now = clock_ms(), at = orphan_at(keeper);
    if (keeper->state == KEEPER_STOPPING)
        at = least(at, least(keeper->term_at_ms, keeper->kill_at_ms));
    if (keeper->state == KEEPER_EXITED && !keeper->server.owner)
        at = keeper->exited_ms + KEEPER_LINGER_MS;
    if (keeper->state == KEEPER_EXITED && keeper->is_told)
        at = keeper->exited_ms + FLUSH_MS;
    if (!keeper->tree.adopts)
        at = least(at, now + (keeper->state == KEEPER_STOPPING ? 50 : REMEMBER_MS));
    if (at == NEVER)
        return -1;
    return at <= now ? 0 : (int)least(at - now, 1000 * 1000);
}

static void fill_polls(struct keeper *keeper, struct pollfd *polls)
{
    const struct daemon_child *child = &keeper->child;
    bool reads = !keeper->spec.is_stdio || lines_out_have_room(&keeper->lines_out);
    bool writes = lines_in_are_waiting(&keeper->lines_in);
    polls[AT_SIGNALS] = (struct pollfd){.fd = keeper->signal_fd, .events = POLLIN};
    polls[AT_OUT] = (struct pollfd){.fd = reads ? child->out_fd : -1, .events = POLLIN};
    polls[AT_ERR] = (struct pollfd){.fd = child->err_fd, .events = POLLIN};
    polls[AT_IN] = (struct pollfd){.fd = writes ? child->in_fd : -1, .events = POLLOUT};
    server_polls(&keeper->server, polls + AT_SERVER);
}

static void turn(struct keeper *keeper)
{
    struct pollfd polls[AT_END];
    fill_polls(keeper, polls);
    if (poll(polls, AT_END, next_wait(keeper)) < 0)
        return; /* a signal; the next turn finds it in the pipe */
    if (polls[AT_OUT].revents)
        pump(keeper, &keeper->child.out_fd, keeper->spec.is_stdio);
    if (polls[AT_ERR].revents)
        pump(keeper, &keeper->child.err_fd, false);
    if (polls[AT_IN].revents)
        write_input(keeper);
    server_handle(&keeper->server, polls + AT_SERVER);
    keeper_hand_lines(keeper);
    if (polls[AT_SIGNALS].revents)
        signals_drain();
    if (signals_take(SIGTERM)) {
        keeper->may_linger = false;
        keeper_stop(keeper, keeper->spec.grace_ms, "terminated");
    }
    on_time(keeper);
    if (keeper->state != KEEPER_EXITED &&
        (signals_take(SIGCHLD) || keeper->state == KEEPER_STOPPING))
        look_at_children(keeper);
}

void keeper_run(struct keeper *keeper)
{
    start(keeper);
    while (keeper->state != KEEPER_EXITED || !has_said_goodbye(keeper))
        turn(keeper);
}
