/* tests/unit/test_api_loop.c - libmicrohttpd in the loop: answers that come late come at once, with
 * epoll and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "scratch.h"

#include "api/mhd_loop.h"
#include "base/clock.h"
#include "platform/net.h"

#include <errno.h>
#include <ev.h>
#include <microhttpd.h>
#include <sys/socket.h>

/* MHD's own time-out here: an answer that comes only with it fails the test by its time. */
#define CONNECTION_TIMEOUT_S 20
#define SOON_MS 5000

struct fixture {
    struct ev_loop *loop;
    struct MHD_Daemon *mhd;
    struct mhd_loop *runner;
    ev_timer later, limit;
    struct MHD_Connection *suspended;
    bool is_resumed;
    int client, turns;
    ev_io readable;
    char got[4096];
    size_t got_n;
    bool is_closed;
};

/* "/late" is suspended on its first call and answered on the second. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n, void **memory)
{
    (void)method, (void)version, (void)bytes, (void)n;
    struct fixture *f = cls;
    f->turns++;
    if (!*memory) {
        *memory = f;
        return MHD_YES;
    }
    if (strcmp(path, "/late") == 0 && !f->is_resumed) {
        f->suspended = connection;
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(5, "hello", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result queued = MHD_queue_response(connection, 200, r);
    MHD_destroy_response(r);
    return queued;
}

static void resume(struct fixture *f)
{
    assert_non_null(f->suspended);
    f->is_resumed = true;
    MHD_resume_connection(f->suspended);
    f->suspended = NULL;
    mhd_loop_kick(f->runner);
}

static void on_later(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)events;
    resume(w->data);
}

static void on_before_block(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)events;
    struct fixture *f = w->data;
    if (!f->suspended)
        return;
    ev_prepare_stop(loop, w);
    resume(f);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)w, (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    (void)events;
    struct fixture *f = w->data;
    ssize_t n = recv(w->fd, f->got + f->got_n, sizeof f->got - f->got_n - 1, 0);
    if (n > 0)
        f->got_n += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        f->is_closed = true;
    if (f->is_closed || strstr(f->got, "hello"))
        ev_break(loop, EVBREAK_ALL);
}

static void begin(struct fixture *f, bool has_epoll)
{
    int listen_fd;
    struct err err = {0};
    *f = (struct fixture){.client = -1, .loop = ev_loop_new(EVFLAG_AUTO)};
    assert_true(net_listen_unix(scratch_path("s"), &listen_fd, &err));
    f->mhd = MHD_start_daemon(mhd_loop_flags(has_epoll), 0, NULL, NULL, on_request, f,
                              MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd,
                              MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
                              MHD_OPTION_END);
    assert_non_null(f->mhd);
    f->runner = mhd_loop_new(f->loop, f->mhd);
    ev_timer_init(&f->limit, on_limit, SOON_MS / 1000.0, 0.);
    ev_timer_start(f->loop, &f->limit);
    ev_timer_init(&f->later, on_later, 0.1, 0.);
    f->later.data = f;
}

static void ask(struct fixture *f, const char *path)
{
    char text[200];
    struct err err = {0};
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    if (f->client < 0) {
        assert_true(net_connect_unix(scratch_path("s"), &f->client, &err));
        ev_io_init(&f->readable, on_readable, f->client, EV_READ);
        f->readable.data = f;
        ev_io_start(f->loop, &f->readable);
    }
    memset(f->got, 0, sizeof f->got);
    f->got_n = 0;
    assert_int_equal(send(f->client, text, (size_t)n, 0), n);
    ev_run(f->loop, 0);
}

static void end(struct fixture *f)
{
    if (f->client >= 0) {
        ev_io_stop(f->loop, &f->readable);
        close(f->client);
    }
    ev_timer_stop(f->loop, &f->limit);
    ev_timer_stop(f->loop, &f->later);
    mhd_loop_free(f->runner);
    MHD_stop_daemon(f->mhd);
    ev_loop_destroy(f->loop);
}

static void late_answer_comes_at_once(bool has_epoll)
{
    struct fixture f;
    begin(&f, has_epoll);
    ev_timer_start(f.loop, &f.later);
    int64_t began_ms = clock_ms();
    ask(&f, "/late");
    assert_non_null(strstr(f.got, "hello"));
    assert_true(clock_ms() - began_ms < SOON_MS);
    end(&f);
}

static void a_request_resumed_by_a_timer_is_answered_at_once(void **state)
{
    (void)state;
    late_answer_comes_at_once(true);
}

static void so_it_is_without_epoll(void **state)
{
    (void)state;
    late_answer_comes_at_once(false);
}

static void a_request_resumed_just_before_the_loop_blocks_is_answered_at_once(void **state)
{
    (void)state;
    struct fixture f;
    ev_prepare last;
    begin(&f, true);
    ev_prepare_init(&last, on_before_block);
    ev_set_priority(&last, EV_MINPRI); /* runs after the one of mhd_loop */
    last.data = &f;
    ev_prepare_start(f.loop, &last);
    ask(&f, "/late");
    assert_non_null(strstr(f.got, "hello"));
    ev_prepare_stop(f.loop, &last);
    end(&f);
}

static void several_requests_on_one_connection_are_answered(void **state)
{
    (void)state;
    for (int has_epoll = 0; has_epoll < 2; has_epoll++) {
        struct fixture f;
        begin(&f, has_epoll);
        for (int i = 0; i < 20; i++) {
            ask(&f, "/now");
            assert_non_null(strstr(f.got, "hello"));
        }
        end(&f);
    }
}

static void count_turn(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)loop, (void)events;
    ++*(int *)w->data;
}

static void an_idle_server_lets_the_loop_sleep(void **state)
{
    (void)state;
    struct fixture f;
    int loops = 0;
    ev_prepare count;
    begin(&f, true);
    ask(&f, "/now"); /* its connection stays open */
    ev_prepare_init(&count, count_turn);
    count.data = &loops;
    ev_prepare_start(f.loop, &count);
    ev_timer_stop(f.loop, &f.limit);
    ev_timer_set(&f.limit, 0.5, 0.);
    ev_timer_start(f.loop, &f.limit);
    ev_run(f.loop, 0);
    assert_true(loops <= 5);
    ev_prepare_stop(f.loop, &count);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_resumed_by_a_timer_is_answered_at_once,
                                        scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(so_it_is_without_epoll, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(
            a_request_resumed_just_before_the_loop_blocks_is_answered_at_once, scratch_make,
            scratch_remove),
        cmocka_unit_test_setup_teardown(several_requests_on_one_connection_are_answered,
                                        scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(an_idle_server_lets_the_loop_sleep, scratch_make,
                                        scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
