/* keeper/main_keeper.c - the program poold-keeper: `daemon` keeps a daemon, `hold` keeps poold. */
#include "base/str.h"
#include "keeper/holder.h"
#include "keeper/keeper.h"
#include "keeper/lock_file.h"
#include "platform/net.h"
#include "platform/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
    "poold-keeper holds what must outlive poold. poold starts it; people rarely do.\n"
    "  poold-keeper daemon < SPEC     keep one daemon (the spec's keys: keeper/wire.h)\n"
    "  poold-keeper hold --run-dir DIR --fd-names NAME[:NAME...] -- POOLD [ARG...]\n"
    "                                 keep poold: hold the listening sockets that are given as\n"
    "                                 descriptors 3, 4, ... and start it again when it dies\n"
    "  poold-keeper --version\n";

struct places { /* the files that show a keeper */
    char *lock, *socket;
    int lock_fd, listen_fd;
};

static bool places_take(const struct spec *spec, struct places *out, struct err *err)
{
    struct places places = {
        .lock = xasprintf("%s/%s.lock", spec->run_dir, spec->id),
        .socket = xasprintf("%s/%s.sock", spec->run_dir, spec->id),
        .lock_fd = -1,
        .listen_fd = -1,
    };
    if (!lock_file_take(places.lock, &places.lock_fd, err))
        goto fail;
    if (!net_listen_unix(places.socket, &places.listen_fd, err) ||
        !lock_file_sign(places.lock_fd, err)) {
        unlink(places.lock);
        goto fail;
    }
    *out = places;
    return true;
fail:
    if (places.lock_fd >= 0)
        close(places.lock_fd);
    free(places.lock);
    free(places.socket);
    return false;
}

static void places_give_back(struct places *places)
{
    unlink(places->socket);
    unlink(places->lock); /* while it is still locked, so that it is surely ours */
    close(places->lock_fd);
    free(places->lock);
    free(places->socket);
}

static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    if (null > 2)
        close(null);
    if (chdir("/"))
        return; /* then some folder stays in use, no more */
}

/* The background process. What it has to say about its start goes into `report`. */
static int keep(struct spec *spec, int argc, char **argv, int report)
{
    static struct keeper keeper;
    struct places places;
    struct err err = {0};
    char *title = xasprintf("poold-keeper: %s %s (%s)", spec->server, spec->project, spec->id);
    setsid();
    bool has_places = places_take(spec, &places, &err);
    bool is_ready = has_places && keeper_init(&keeper, spec, places.listen_fd, &err);
    if (is_ready)
        leave_terminal();
    ssize_t written = write(report, &err, sizeof err);
    (void)written; /* nobody waits for us any more: go on all the same */
    close(report);
    if (is_ready) {
        spawn_set_title(argc, argv, title);
        keeper_run(&keeper);
    }
    if (has_places) {
        places_give_back(&places);
        keeper_finish(&keeper);
    }
    spec_finish(spec); /* whoever has taken it over left it empty */
    free(title);
    return is_ready ? 0 : 1;
}

static int fail(const struct err *err)
{
    fprintf(stderr, "poold-keeper: %s\n", err_text(err));
    return err->code == ERR_USAGE || err->code == ERR_ALREADY_RUNNING ? err_row(err->code)->exit
                                                                      : 1;
}

static int command_daemon(int argc, char **argv)
{
    struct spec spec;
    struct err err = {0};
    int report[2];
    if (!spec_read(STDIN_FILENO, &spec, &err))
        return fail(&err);
    if (!spawn_pipe(report)) {
        err_set(&err, ERR_SYSTEM, errno, "unable to make a pipe");
        return fail(&err);
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(report[0]);
        return keep(&spec, argc, argv, report[1]);
    }
    close(report[1]);
    spec_finish(&spec);
    struct err told = {0};
    ssize_t n;
    do
        n = pid > 0 ? read(report[0], &told, sizeof told) : 0;
    while (n < 0 && errno == EINTR);
    close(report[0]);
    if (n != (ssize_t)sizeof told)
        err_set(&told, ERR_INTERNAL, 0, "the background process died before it was ready");
    return told.code == ERR_OK ? 0 : fail(&told);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "daemon") == 0 && argc == 2)
        return command_daemon(argc, argv);
    if (strcmp(command, "hold") == 0)
        return holder_main(argc - 2, argv + 2);
    if (strcmp(command, "--version") == 0) {
        puts("poold-keeper " POOLD_VERSION);
        return 0;
    }
    bool is_help = strcmp(command, "--help") == 0;
    fputs(usage, is_help ? stdout : stderr);
    return is_help ? 0 : 2;
}
