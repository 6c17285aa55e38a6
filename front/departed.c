/* front/departed.c - see departed.h. */
#include "front/departed.h"

#include "base/str.h"
#include "front/session.h"
#include "platform/proc_exit.h"

#include <unistd.h>

struct client_process {
    struct list node; /* of front->processes */
    struct front *front;
    struct proc_id id;
    int sessions;
    ev_io exit; /* the descriptor is ours */
};

static void stop(struct client_process *p)
{
    if (!ev_is_active(&p->exit))
        return;
    ev_io_stop(p->front->loop, &p->exit);
    close(p->exit.fd);
}

static void leave(void *arg, struct session *s)
{
    if (s->process == arg)
        session_departed(s);
}

static void on_exit_seen(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop;
    (void)events;
    struct client_process *p = container_of(w, struct client_process, exit);
    p->sessions++; /* the last session would take it along */
    stop(p);
    session_each(p->front, leave, p);
    if (--p->sessions == 0) {
        list_remove(&p->node);
        free(p);
    }
}

void departed_watch(struct session *s)
{
    struct front *f = s->front;
    if (!s->pid || s->process)
        return;
    struct proc_id id = {s->pid, s->pid_start};
    list_each(node, after, &f->processes)
    {
        struct client_process *p = container_of(node, struct client_process, node);
        if (p->id.pid == id.pid && p->id.start_time == id.start_time && ev_is_active(&p->exit)) {
            s->process = p;
            p->sessions++;
            return;
        }
    }
    int fd = proc_exit_fd(id);
    if (fd < 0)
        return;
    struct client_process *p = xcalloc(1, sizeof *p);
    p->front = f;
    p->id = id;
    p->sessions = 1;
    ev_io_init(&p->exit, on_exit_seen, fd, EV_READ);
    ev_io_start(f->loop, &p->exit);
    list_add_tail(&f->processes, &p->node);
    s->process = p;
}

void departed_unwatch(struct session *s)
{
    struct client_process *p = s->process;
    s->process = NULL;
    if (!p || --p->sessions > 0)
        return;
    stop(p);
    list_remove(&p->node);
    free(p);
}
