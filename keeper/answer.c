/* keeper/answer.c - see answer.h. */
#include "keeper/answer.h"

#include "base/caps.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const state_names[] = {"starting", "running", "stopping", "exited"};

static bool fill_identity(const struct keeper *keeper, struct buf *text)
{
    const struct spec *spec = &keeper->spec;
    return wire_text_add(text, "id", spec->id) &&
           wire_text_add_int(text, "generation", spec->generation) &&
           wire_text_add(text, "project", spec->project) &&
           wire_text_add(text, "project_key", spec->project_key) &&
           wire_text_add(text, "server", spec->server) &&
           wire_text_add(text, "definition", spec->definition) &&
           wire_text_add(text, "transport", spec->transport) &&
           wire_text_add_int(text, "port", spec->port) &&
           wire_text_add_int(text, "instance", spec->instance) &&
           wire_text_add(text, "state", state_names[keeper->state]) &&
           wire_text_add_int(text, "keeper_pid", getpid());
}

static bool fill_process(const struct daemon_child *child, struct buf *text)
{
    bool ok = wire_text_add_int(text, "pid", child->pid) &&
              buf_printf(text, "start_time %" PRIu64 "\n", child->start_time) &&
              wire_text_add(text, "boot_id", proc_boot_id()) &&
              wire_text_add_int(text, "started_unix_ms", child->started_unix_ms);
    if (child->exec_errno)
        ok = ok && wire_text_add_int(text, "exec_errno", child->exec_errno);
    if (child->has_ended && WIFEXITED(child->status))
        ok = ok && wire_text_add_int(text, "exit_code", WEXITSTATUS(child->status));
    if (child->has_ended && WIFSIGNALED(child->status))
        ok = ok && wire_text_add_int(text, "exit_signal", WTERMSIG(child->status));
    return ok;
}

static bool fill_lines(const struct keeper *keeper, struct buf *text)
{
    return wire_text_add_int(text, "lines_sent", (int64_t)keeper->lines_out.sent) &&
           wire_text_add_int(text, "lines_acked", (int64_t)keeper->lines_out.acked) &&
           wire_text_add_int(text, "lines_lost", (int64_t)keeper->lines_out.lost) &&
           wire_text_add_int(text, "inputs_taken", (int64_t)keeper->lines_in.taken);
}

void answer_fill_status(const struct keeper *keeper, struct buf *text, int64_t version)
{
    char tail[TAIL_SIZE + 1];
    tail_text(&keeper->tail, tail);
    bool ok = !version || wire_text_add_int(text, "version", version);
    ok = ok && fill_identity(keeper, text) && fill_process(&keeper->child, text);
    if (keeper->stop_reason)
        ok = ok && wire_text_add(text, "stop_reason", keeper->stop_reason);
    if (keeper->spec.is_stdio)
        ok = ok && fill_lines(keeper, text);
    ok = ok && wire_text_add(text, "tail", tail);
    (void)ok; /* a text that passes its limit is cut after a whole pair */
}

void answer_send_status(struct keeper *keeper, struct peer *to)
{
    struct buf text = BUF_INIT(CAP_OUT);
    answer_fill_status(keeper, &text, 0);
    server_send(&keeper->server, to, WIRE_STATUS, 0, text.data, text.len);
    buf_release(&text);
}

static void send_usage(struct keeper *keeper, struct peer *to)
{
    struct proc_list members = {0};
    int64_t rss = 0, pss = 0, cpu_ms = 0;
    tree_members(&keeper->tree, &members);
    for (size_t i = 0; i < members.count; i++) {
        proc_memory(members.items[i].pid, &rss, &pss);
        cpu_ms += proc_cpu_ms(members.items[i].pid);
    }
    struct buf text = BUF_INIT(512);
    if (wire_text_add_int(&text, "rss_bytes", rss) && wire_text_add_int(&text, "pss_bytes", pss) &&
        wire_text_add_int(&text, "cpu_ms", cpu_ms) &&
        wire_text_add_int(&text, "processes", (int64_t)members.count))
        server_send(&keeper->server, to, WIRE_USAGE, 0, text.data, text.len);
    buf_release(&text);
    free(members.items);
}

static void take_stop(struct keeper *keeper, const char *payload, size_t n)
{
    int64_t grace_ms = keeper->spec.grace_ms;
    const char *at = payload;
    char *key, *value, *reason = NULL;
    while (wire_text_next(&at, payload + n, &key, &value)) {
        int64_t number;
        if (strcmp(key, "grace_ms") == 0 && str_to_int(value, 0, INT64_MAX / 4, &number))
            grace_ms = number;
        if (strcmp(key, "reason") == 0)
            str_replace(&reason, value);
        free(key);
        free(value);
    }
    keeper_stop(keeper, grace_ms, reason ? reason : "asked");
    free(reason);
}

/* What only the poold that is obeyed may say. */
static void take_order(struct keeper *keeper, struct peer *from, const struct wire_header *header,
                       const char *payload)
{
    switch (header->type) {
    case WIRE_STOP:
        take_stop(keeper, payload, header->length);
        break;
    case WIRE_BYE:
        server_close_later(&keeper->server, from);
        break;
    case WIRE_LINE_ACK:
        lines_out_ack(&keeper->lines_out, header->sequence);
        keeper_hand_lines(keeper);
        break;
    case WIRE_INPUT:
        if (keeper->child.in_fd >= 0 &&
            !lines_in_take(&keeper->lines_in, header->sequence, payload, header->length))
            server_drop(&keeper->server, from);
        break;
    default:
        break; /* of a later version, or none of ours to take */
    }
}

void answer_frame(struct keeper *keeper, struct peer *from, const struct wire_header *header,
                  const char *payload)
{
    if (header->type == WIRE_STATUS_ASK)
        answer_send_status(keeper, from);
    else if (header->type == WIRE_USAGE_ASK)
        send_usage(keeper, from);
    else if (from == keeper->server.owner)
        take_order(keeper, from, header, payload);
}
