/* tests/unit/test_peer.c - who is at the other end: real processes that really connect (Linux). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

/* The file itself, so that its second way (without sock_diag) can be asked too. */
#include "platform/peer_sock_linux.c"

#include "base/clock.h"
#include "base/str.h"
#include "platform/net.h"
#include "platform/proc.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define NOBODY 65534
#define WAIT_MS 10000

static char root[PATH_MAX], here[PATH_MAX], there[PATH_MAX];

/* --- clients: child processes that connect, say so, and stay until they are told to end --- */

struct plan {
    const char *cwd;
    int port, family;                /* family 0: AF_INET; AF_INET6 with mapped: ::ffff:127.0.0.1 */
    bool mapped, drop_own;           /* drop_own: after forking a sharer, close our own end */
    const char *name;                /* comm */
    uid_t uid;                       /* 0: stay */
    const char *sharer_cwd;          /* fork a child that keeps the socket, in this directory */
    const char *bind_from, *bind_to; /* in a mount namespace of its own */
    const char *tmpfs_at;
    bool hide, many_files, linger_shortly;
};

struct client {
    pid_t pid;      /* the process that was forked */
    int said, hold; /* read its word; closing hold ends it */
    int accepted;
};

struct word { /* what a client says once it is connected */
    bool ok;
    pid_t sharer;
};

static int dial(const struct plan *p)
{
    int fd = socket(p->family ? p->family : AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)p->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)p->port)};
    inet_pton(AF_INET6, p->mapped ? "::ffff:127.0.0.1" : "::1", &v6.sin6_addr);
    int rc = p->family == AF_INET6 ? connect(fd, (struct sockaddr *)&v6, sizeof v6)
                                   : connect(fd, (struct sockaddr *)&v4, sizeof v4);
    return rc == 0 ? fd : -1;
}

static bool make_sandbox(const struct plan *p)
{
    if (!p->bind_from && !p->tmpfs_at)
        return true;
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    if (p->tmpfs_at && mount("none", p->tmpfs_at, "tmpfs", 0, NULL) != 0)
        return false;
    return !p->bind_from || mount(p->bind_from, p->bind_to, NULL, MS_BIND, NULL) == 0;
}

static bool become(const struct plan *p)
{
    for (int i = 0; p->many_files && i < 400; i++)
        if (open("/dev/null", O_RDONLY) < 0)
            return false;
    return (!p->name || prctl(PR_SET_NAME, p->name) == 0) && make_sandbox(p) &&
           (!p->cwd || chdir(p->cwd) == 0) &&
           (!p->uid || (setgid(p->uid) == 0 && setuid(p->uid) == 0));
}

static void wait_to_end(int hold)
{
    char byte;
    while (read(hold, &byte, 1) < 0)
        ;
    _exit(0);
}

static void act(const struct plan *p, int say, int hold)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct word w = {.ok = become(p)};
    int fd = w.ok ? dial(p) : -1;
    w.ok = fd >= 0;
    if (p->linger_shortly) { /* FIN_WAIT2 lasts one second, then the kernel forgets the socket */
        int second = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &second, sizeof second);
    }
    if (p->sharer_cwd) {
        w.sharer = fork();
        if (w.sharer == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            struct word second = {.ok = chdir(p->sharer_cwd) == 0};
            if (write(say, &second, sizeof second) != sizeof second)
                _exit(1);
            wait_to_end(hold);
        }
    }
    if (p->drop_own)
        close(fd);
    if (p->hide)
        prctl(PR_SET_DUMPABLE, 0);
    if (write(say, &w, sizeof w) != sizeof w)
        _exit(1);
    wait_to_end(hold);
}

static int listen_any(const char *address)
{
    struct err err = {0};
    int fd = -1;
    return net_listen_tcp(address, &fd, &err) ? fd : -1;
}

static int accept_within(int server)
{
    struct pollfd p = {.fd = server, .events = POLLIN};
    return poll(&p, 1, WAIT_MS) == 1 ? net_accept(server) : -1;
}

/* Start it; .accepted is -1 if it could not do what the plan says. sharer may be NULL. */
static struct client start(struct plan p, int server, pid_t *sharer)
{
    int said[2], hold[2];
    struct client c = {.accepted = -1};
    p.port = net_port(server);
    if (pipe(said) != 0 || pipe(hold) != 0 || (c.pid = fork()) < 0)
        abort();
    if (c.pid == 0) {
        close(said[0]);
        close(hold[1]);
        act(&p, said[1], hold[0]);
    }
    close(said[1]);
    close(hold[0]);
    c.said = said[0];
    c.hold = hold[1];
    bool ok = true;
    for (int i = 0; i < (p.sharer_cwd ? 2 : 1); i++) {
        struct word w = {0};
        if (read(c.said, &w, sizeof w) != sizeof w || !w.ok)
            ok = false;
        if (w.sharer && sharer)
            *sharer = w.sharer;
    }
    c.accepted = ok ? accept_within(server) : -1;
    return c;
}

static void stop(struct client *c)
{
    close(c->hold);
    close(c->said);
    kill(c->pid, SIGKILL); /* a later client may have inherited our end of hold */
    if (c->accepted >= 0)
        close(c->accepted);
    waitpid(c->pid, NULL, 0);
}

static struct peer_id identify(int accepted)
{
    struct peer_id id = {0};
    struct err err = {0};
    if (!peer_identify(accepted, &id, &err))
        fail_msg("%s", err_text(&err));
    return id;
}

static enum peer_state search(const struct peer_id *id, struct peer_process *out)
{
    struct peer_search *s = peer_search_new(id);
    enum peer_state state;
    memset(out, 0, sizeof *out);
    while ((state = peer_search_step(s, 1000, out)) == PEER_MORE)
        ;
    peer_search_free(s);
    return state;
}

/* A client by this plan is found, and in this directory. */
static void assert_found_in(struct plan p, const char *listen, const char *expected)
{
    int server = listen_any(listen);
    struct client c = start(p, server, NULL);
    assert_true(c.accepted >= 0);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    assert_true(id.is_known);
    assert_int_equal(id.uid, geteuid());
    if (search(&id, &found) != PEER_FOUND)
        fail_msg("unknown: %s", found.why);
    assert_int_equal(found.pid, c.pid);
    assert_int_equal(found.start_time, proc_start_time(c.pid));
    assert_string_equal(found.cwd, expected);
    assert_string_equal(found.why, "");
    stop(&c);
    close(server);
}

static void assert_unknown_because(struct plan p, const char *why)
{
    int server = listen_any("127.0.0.1:0");
    struct client c = start(p, server, NULL);
    assert_true(c.accepted >= 0);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    assert_int_equal(search(&id, &found), PEER_UNKNOWN);
    if (!strstr(found.why, why))
        fail_msg("'%s' does not say '%s'", found.why, why);
    assert_string_equal(found.cwd, "");
    stop(&c);
    close(server);
}

/* --- tests --- */

static void a_client_is_found_with_its_directory(void **state)
{
    (void)state;
    assert_found_in((struct plan){.cwd = here}, "127.0.0.1:0", here);
    assert_found_in((struct plan){.cwd = there}, "127.0.0.1:0", there);
}

static void two_clients_at_once_are_told_apart(void **state)
{
    (void)state;
    int server = listen_any("127.0.0.1:0");
    struct client a = start((struct plan){.cwd = here, .name = "one two) 3"}, server, NULL);
    struct client b = start((struct plan){.cwd = there}, server, NULL);
    struct peer_id ida = identify(a.accepted), idb = identify(b.accepted);
    struct peer_process pa, pb;
    assert_int_equal(search(&ida, &pa), PEER_FOUND);
    assert_int_equal(search(&idb, &pb), PEER_FOUND);
    assert_int_equal(pa.pid, a.pid);
    assert_string_equal(pa.name, "one two) 3");
    assert_string_equal(pa.cwd, here);
    assert_int_equal(pb.pid, b.pid);
    assert_string_equal(pb.cwd, there);
    assert_int_not_equal(ida.client_port, idb.client_port);
    assert_int_equal(ida.server_port, net_port(server));
    stop(&a);
    stop(&b);
    close(server);
}

static void a_symbolic_link_comes_back_as_what_it_leads_to(void **state)
{
    (void)state;
    char *link = str_path(root, "link");
    assert_int_equal(symlink("here", link), 0);
    assert_found_in((struct plan){.cwd = link}, "127.0.0.1:0", here);
    unlink(link);
    free(link);
}

/* May we make mounts that only we see? In a chroot, / is no mount that could be made private. */
static bool can_make_mounts(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit((unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
                      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
                  ? 0
                  : 1);
    waitpid(pid, &status, 0);
    if (status)
        print_message("skipped in part: no mounts of our own can be made here\n");
    return status == 0;
}

static void a_directory_with_a_strange_name_is_found(void **state)
{
    (void)state;
    char *odd = str_path(root, "a b\\040\n(deleted)");
    assert_int_equal(mkdir(odd, 0700), 0);
    assert_found_in((struct plan){.cwd = odd}, "127.0.0.1:0", odd);
    if (can_make_mounts())
        assert_found_in((struct plan){.cwd = there, .bind_from = odd, .bind_to = there},
                        "127.0.0.1:0", odd);
    free(odd);
}

static void ipv6_clients_are_found(void **state)
{
    (void)state;
    int probe = listen_any("[::1]:0");
    if (probe < 0) {
        print_message("skipped: no IPv6 here\n");
        skip();
    }
    close(probe);
    assert_found_in((struct plan){.cwd = here, .family = AF_INET6}, "[::1]:0", here);
}

static int listen_both_families(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), off = 0;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
        bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 8) != 0)
        return -1;
    return fd;
}

static void mapped_addresses_are_understood_at_either_end(void **state)
{
    (void)state;
    int servers[] = {listen_both_families(), listen_any("127.0.0.1:0")};
    if (servers[0] < 0) {
        print_message("skipped: no IPv6 here\n");
        skip();
    }
    for (int i = 0; i < 2; i++) {
        for (int mapped = 0; mapped < 2; mapped++) {
            struct plan p = {.cwd = here, .family = mapped ? AF_INET6 : AF_INET, .mapped = mapped};
            struct client c = start(p, servers[i], NULL);
            struct peer_process found;
            struct peer_id id = identify(c.accepted);
            assert_int_equal(search(&id, &found), PEER_FOUND);
            assert_int_equal(found.pid, c.pid);
            stop(&c);
        }
        close(servers[i]);
    }
}

static void the_text_files_of_the_kernel_say_the_same(void **state)
{
    (void)state;
    int servers[] = {listen_any("127.0.0.1:0"), listen_any("[::1]:0"), listen_any("127.0.0.1:0")};
    for (int i = 0; i < 3; i++) {
        if (servers[i] < 0)
            continue; /* no IPv6 */
        struct plan p = {.cwd = here, .family = i ? AF_INET6 : AF_INET, .mapped = i == 2};
        struct client c = start(p, servers[i], NULL);
        struct ends e;
        struct peer_id text = {0}, diag = identify(c.accepted);
        assert_true(ends_of(c.accepted, &e));
        assert_true(by_proc_net(&e, &text));
        assert_true(diag.inode > 0);
        assert_int_equal(text.inode, diag.inode);
        assert_int_equal(text.uid, diag.uid);
        stop(&c);
        close(servers[i]);
    }
}

static void a_client_that_is_gone_is_unknown_and_not_root(void **state)
{
    (void)state;
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.cwd = here}, server, NULL);
    assert_true(identify(c.accepted).is_known);
    kill(c.pid, SIGKILL);
    waitpid(c.pid, NULL, 0);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    assert_false(id.is_known);
    assert_int_not_equal(id.uid, 0);
    assert_int_equal(search(&id, &found), PEER_UNKNOWN);
    assert_true(found.why[0]);
    stop(&c);
    close(server);
}

static bool kernel_lists_port(int port)
{
    char line[512], local[64], wanted[8];
    bool listed = false;
    snprintf(wanted, sizeof wanted, ":%04X", (unsigned)port);
    FILE *f = fopen("/proc/self/net/tcp", "re");
    while (f && !listed && fgets(line, sizeof line, f))
        listed = sscanf(line, " %*d: %63s", local) == 1 && str_ends(local, wanted);
    if (f)
        fclose(f);
    return listed;
}

static void a_listener_on_the_port_of_a_client_that_is_gone_is_not_taken_for_it(void **state)
{
    (void)state;
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.cwd = here, .linger_shortly = true}, server, NULL);
    struct peer_id before = identify(c.accepted);
    kill(c.pid, SIGKILL);
    int64_t deadline_ms = clock_ms() + WAIT_MS;
    while (kernel_lists_port(before.client_port) && clock_ms() < deadline_ms)
        poll(NULL, 0, 20);
    assert_false(kernel_lists_port(before.client_port));
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", before.client_port);
    int impostor = listen_any(address);
    assert_true(impostor >= 0);
    assert_false(identify(c.accepted).is_known);
    stop(&c);
    close(impostor);
    close(server);
}

static void another_users_client_is_known_by_uid_and_not_looked_for(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root to become another user\n");
        skip();
    }
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.uid = NOBODY, .cwd = "/"}, server, NULL);
    assert_true(c.accepted >= 0);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    assert_true(id.is_known);
    assert_int_equal(id.uid, NOBODY);
    assert_int_equal(search(&id, &found), PEER_UNKNOWN);
    assert_non_null(strstr(found.why, "another user (uid 65534)"));
    assert_int_equal(peer_of_pid(c.pid, &found), PEER_UNKNOWN);
    stop(&c);
    close(server);
}

static void processes_that_share_a_connection_and_a_directory_agree(void **state)
{
    (void)state;
    /* the elder of the two is named, whichever is seen first */
    assert_found_in((struct plan){.cwd = here, .sharer_cwd = here}, "127.0.0.1:0", here);
}

static void processes_that_share_a_connection_must_agree(void **state)
{
    (void)state;
    assert_unknown_because((struct plan){.cwd = here, .sharer_cwd = there},
                           "different directories");
}

static void a_child_that_alone_kept_the_connection_is_the_owner(void **state)
{
    (void)state;
    int server = listen_any("127.0.0.1:0");
    pid_t sharer = 0;
    struct plan p = {.cwd = here, .sharer_cwd = there, .drop_own = true};
    struct client c = start(p, server, &sharer);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    assert_int_equal(search(&id, &found), PEER_FOUND);
    assert_int_equal(found.pid, sharer);
    assert_string_equal(found.cwd, there);
    stop(&c);
    close(server);
}

static void a_forwarder_is_unknown_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"socat",       "ssh",        "sshd-session", "docker-proxy",
                                        "slirp4netns", "pasta.avx2", "nginx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_unknown_because((struct plan){.cwd = here, .name = names[i]}, names[i]);
    assert_found_in((struct plan){.cwd = here, .name = "ssh-like"}, "127.0.0.1:0", here);
}

static void a_bridge_on_a_unix_socket_works_where_its_client_does(void **state)
{
    (void)state;
    int server = listen_any("127.0.0.1:0");
    struct peer_process found;
    struct client c = start((struct plan){.cwd = here, .name = "socat"}, server, NULL);
    assert_int_equal(peer_of_pid(c.pid, &found), PEER_FOUND);
    assert_string_equal(found.cwd, here);
    stop(&c);
    c = start((struct plan){.cwd = here, .name = "sshd"}, server, NULL);
    assert_int_equal(peer_of_pid(c.pid, &found), PEER_UNKNOWN);
    stop(&c);
    close(server);
    assert_int_equal(peer_of_pid(0, &found), PEER_UNKNOWN);
    assert_int_equal(peer_of_pid(c.pid, &found), PEER_UNKNOWN); /* gone */
}

static void a_deleted_directory_is_unknown(void **state)
{
    (void)state;
    char *gone = str_path(root, "gone");
    assert_int_equal(mkdir(gone, 0700), 0);
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.cwd = gone}, server, NULL);
    assert_int_equal(rmdir(gone), 0);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    assert_int_equal(search(&id, &found), PEER_UNKNOWN);
    assert_non_null(strstr(found.why, "deleted"));
    /* one that now stands in its place is not it */
    assert_int_equal(mkdir(gone, 0700), 0);
    assert_int_equal(search(&id, &found), PEER_UNKNOWN);
    rmdir(gone);
    stop(&c);
    close(server);
    free(gone);
}

static void a_moved_directory_is_read_again(void **state)
{
    (void)state;
    char *old = str_path(root, "old"), *new = str_path(root, "new");
    assert_int_equal(mkdir(old, 0700), 0);
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.cwd = old}, server, NULL);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    assert_int_equal(search(&id, &found), PEER_FOUND);
    assert_string_equal(found.cwd, old);
    assert_int_equal(rename(old, new), 0);
    assert_int_equal(search(&id, &found), PEER_FOUND);
    assert_string_equal(found.cwd, new);
    stop(&c);
    close(server);
    free(old);
    free(new);
}

static void a_bind_mount_that_pretends_to_be_elsewhere_is_seen_through(void **state)
{
    (void)state;
    if (!can_make_mounts())
        skip();
    /* the link says `there`, which exists here and is another directory */
    assert_found_in((struct plan){.cwd = there, .bind_from = here, .bind_to = there}, "127.0.0.1:0",
                    here);
    /* and below it */
    char *inside = str_path(here, "sub"), *seen = str_path(there, "sub");
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_found_in((struct plan){.cwd = seen, .bind_from = here, .bind_to = there}, "127.0.0.1:0",
                    inside);
    rmdir(inside);
    free(inside);
    free(seen);
}

static void a_directory_that_exists_only_in_a_sandbox_is_unknown(void **state)
{
    (void)state;
    if (!can_make_mounts())
        skip();
    assert_unknown_because((struct plan){.cwd = there, .tmpfs_at = there}, "sandbox");
}

/* Is bwrap there, and may it make namespaces? */
static bool bwrap_runs(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        execlp("bwrap", "bwrap", "--dev-bind", "/", "/", "true", (char *)NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}

static void a_client_under_bubblewrap_is_where_it_really_is(void **state)
{
    (void)state;
    char self[PATH_MAX], port[16];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    if (!bwrap_runs()) {
        print_message("skipped: bwrap is missing, or may make no namespaces\n");
        skip();
    }
    int server = listen_any("127.0.0.1:0");
    snprintf(port, sizeof port, "%d", net_port(server));
    pid_t pid = fork();
    if (pid == 0) {
        execlp("bwrap", "bwrap", "--dev-bind", "/", "/", "--bind", here, "/mnt", "--chdir", "/mnt",
               "--die-with-parent", self, "--client", port, (char *)NULL);
        _exit(127);
    }
    int accepted = accept_within(server);
    assert_true(accepted >= 0);
    struct peer_id id = identify(accepted);
    struct peer_process found;
    if (search(&id, &found) != PEER_FOUND)
        fail_msg("unknown: %s", found.why);
    assert_string_equal(found.cwd, here);
    close(accepted); /* ends it */
    waitpid(pid, NULL, 0);
    close(server);
}

static void the_directory_is_never_taken_from_a_cache(void **state)
{
    (void)state;
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.cwd = here}, server, NULL);
    struct peer_id id = identify(c.accepted);
    struct peer_process found;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(search(&id, &found), PEER_FOUND);
        assert_int_equal(found.pid, c.pid);
    }
    /* the remembered owner is gone; the same inode must not lead to it */
    kill(c.pid, SIGKILL);
    waitpid(c.pid, NULL, 0);
    assert_int_equal(search(&id, &found), PEER_UNKNOWN);
    assert_non_null(strstr(found.why, "no process was found"));
    stop(&c);
    close(server);
}

static void a_search_goes_on_in_slices(void **state)
{
    (void)state;
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.cwd = here, .many_files = true}, server, NULL);
    struct peer_id id = identify(c.accepted);
    struct peer_search *s = peer_search_new(&id);
    struct peer_process found;
    enum peer_state got;
    int steps = 0;
    while ((got = peer_search_step(s, 0, &found)) == PEER_MORE && steps < 1000000)
        steps++;
    assert_int_equal(got, PEER_FOUND);
    assert_int_equal(found.pid, c.pid);
    assert_true(steps >= 400 / 16); /* within the process with 400 files already */
    assert_int_equal(peer_search_step(s, 0, &found), PEER_FOUND); /* it stays so */
    peer_search_free(s);
    s = peer_search_new(&id);
    peer_search_step(s, 0, &found);
    peer_search_free(s); /* given up half-way: nothing leaks (the sanitizer looks) */
    stop(&c);
    close(server);
}

/* As a user without root's rights: such a process hides its descriptors and its directory. */
static void look_at_a_hidden_one(void)
{
    if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        _exit(2);
    prctl(PR_SET_DUMPABLE, 1); /* the change of user took that */
    int server = listen_any("127.0.0.1:0");
    struct client c = start((struct plan){.cwd = "/", .hide = true}, server, NULL);
    struct peer_id id = {0};
    struct err err = {0};
    struct peer_process found, by_pid;
    bool ok = c.accepted >= 0 && peer_identify(c.accepted, &id, &err) && id.is_known &&
              search(&id, &found) == PEER_UNKNOWN && strstr(found.why, "do not let others look") &&
              peer_of_pid(c.pid, &by_pid) == PEER_UNKNOWN && strstr(by_pid.why, "does not let");
    if (!ok)
        fprintf(stderr, "why: '%s', '%s'\n", found.why, by_pid.why);
    stop(&c);
    close(server);
    _exit(ok ? 0 : 1);
}

static void a_process_that_hides_itself_is_unknown_with_the_reason(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        look_at_a_hidden_one();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_unix_peer_tells_pid_and_uid(void **state)
{
    (void)state;
    struct err err = {0};
    int server = -1, hold[2];
    char *path = str_path(root, "s");
    assert_true(net_listen_unix(path, &server, &err));
    assert_int_equal(pipe(hold), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = -1;
        close(hold[1]);
        if (!net_connect_unix(path, &fd, &err))
            _exit(1);
        wait_to_end(hold[0]);
    }
    int accepted = accept_within(server);
    pid_t who = 0;
    uid_t uid = (uid_t)-1;
    assert_true(peer_of_unix(accepted, &who, &uid));
    assert_int_equal(who, pid);
    assert_int_equal(uid, geteuid());
    close(hold[0]);
    close(hold[1]);
    waitpid(pid, NULL, 0);
    close(accepted);
    close(server);
    unlink(path);
    free(path);
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    assert_false(peer_of_unix(pair[0], &who, &uid)); /* no socket */
    close(pair[0]);
    close(pair[1]);
}

static void what_is_no_tcp_connection_cannot_be_identified(void **state)
{
    (void)state;
    struct err err = {0};
    struct peer_id id = {.inode = 5};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_false(peer_identify(pair[0], &id, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
    assert_int_equal(id.inode, 5);
    close(pair[0]);
    close(pair[1]);
}

static int make_dirs(void **state)
{
    (void)state;
    char template[] = "/tmp/poold-peer-XXXXXX";
    if (!mkdtemp(template) || chmod(template, 0755) != 0 || !realpath(template, root))
        return -1;
    char *a = str_path(root, "here"), *b = str_path(root, "there");
    snprintf(here, sizeof here, "%s", a);
    snprintf(there, sizeof there, "%s", b);
    free(a);
    free(b);
    return mkdir(here, 0755) || mkdir(there, 0755);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_dirs(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* "test_peer --client PORT": connect and wait for the end. */
static int be_a_client(const char *port)
{
    int64_t number;
    char byte;
    if (!str_to_int(port, 1, 65535, &number))
        return 2;
    int fd = dial(&(struct plan){.port = (int)number});
    return fd >= 0 && read(fd, &byte, 1) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--client") == 0)
        return be_a_client(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_found_with_its_directory),
        cmocka_unit_test(two_clients_at_once_are_told_apart),
        cmocka_unit_test(a_symbolic_link_comes_back_as_what_it_leads_to),
        cmocka_unit_test(a_directory_with_a_strange_name_is_found),
        cmocka_unit_test(ipv6_clients_are_found),
        cmocka_unit_test(mapped_addresses_are_understood_at_either_end),
        cmocka_unit_test(the_text_files_of_the_kernel_say_the_same),
        cmocka_unit_test(a_client_that_is_gone_is_unknown_and_not_root),
        cmocka_unit_test(a_listener_on_the_port_of_a_client_that_is_gone_is_not_taken_for_it),
        cmocka_unit_test(another_users_client_is_known_by_uid_and_not_looked_for),
        cmocka_unit_test(processes_that_share_a_connection_and_a_directory_agree),
        cmocka_unit_test(processes_that_share_a_connection_must_agree),
        cmocka_unit_test(a_child_that_alone_kept_the_connection_is_the_owner),
        cmocka_unit_test(a_forwarder_is_unknown_by_name),
        cmocka_unit_test(a_bridge_on_a_unix_socket_works_where_its_client_does),
        cmocka_unit_test(a_deleted_directory_is_unknown),
        cmocka_unit_test(a_moved_directory_is_read_again),
        cmocka_unit_test(a_bind_mount_that_pretends_to_be_elsewhere_is_seen_through),
        cmocka_unit_test(a_directory_that_exists_only_in_a_sandbox_is_unknown),
        cmocka_unit_test(a_client_under_bubblewrap_is_where_it_really_is),
        cmocka_unit_test(the_directory_is_never_taken_from_a_cache),
        cmocka_unit_test(a_search_goes_on_in_slices),
        cmocka_unit_test(a_process_that_hides_itself_is_unknown_with_the_reason),
        cmocka_unit_test(a_unix_peer_tells_pid_and_uid),
        cmocka_unit_test(what_is_no_tcp_connection_cannot_be_identified),
    };
    return cmocka_run_group_tests(tests, make_dirs, remove_dirs);
}
