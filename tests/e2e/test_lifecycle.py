"""A daemon's life and poold's own, seen from outside: cold starts, ports, failures, kills, shutdown."""
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from conftest import BIN, alive, fake_server, wait_until
from mcp_client import Client, RpcError

START_FAILED, CONFIG = 4, 9


def open_client(pool, path, **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(path)}, **kw).open()


def shell(script, **entry):
    """A server that is a shell script."""
    return {"command": "sh", "type": "http", "args": ["-c", script + "\n: ${POOLD_PORT}"], **entry}


def programs(pool, name):
    """pids of this pool's processes with this program."""
    return [p for p in pool.ours() if os.path.basename(os.readlink(f"/proc/{p}/exe")) == name]


def tree(pool):
    """pids of all daemons' processes."""
    return [p for p in pool.ours() if os.path.basename(os.readlink(f"/proc/{p}/exe")) not in ("poold", "poold-keeper")]


def reasons(pool, path, event):
    """The reasons of the events of this kind, newest first."""
    return [h["reason"] for h in pool.json("history", path) if h["event"] == event]


@contextmanager
def stranger(port=0):
    """A listener that is none of ours; it must see no connection."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        s.setblocking(False)
        yield s
        with pytest.raises(BlockingIOError):
            s.accept()


# --- cold starts ---

def test_two_hundred_at_once_start_one_poold_and_one_daemon(pool, project):
    repo = project()
    all_of_them = [subprocess.Popen([BIN / "poolctl", "ensure", str(repo)], env=pool.env, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True) for _ in range(200)]
    said = [p.communicate(timeout=60) for p in all_of_them]
    assert {p.returncode for p in all_of_them} == {0}, [e for _, e in said if e][:3]
    urls = {out for out, _ in said}
    assert len(urls) == 1 and urls.pop().startswith(pool.url + "/p/repo-")
    assert len(programs(pool, "poold")) == 1
    assert pool.daemon(repo)["starts"] == 1 and len(reasons(pool, repo, "start")) == 1


# --- ports ---

def test_a_taken_port_is_given_up_for_another_one(pool, project):
    repo = project()
    pool.ctl("ensure", repo)
    port = pool.daemon(repo)["port"]
    pool.ctl("stop", repo)
    with stranger(port):
        pool.ctl("ensure", repo)
        d = pool.daemon(repo)
        assert d["state"] == "ready" and d["port"] != port
        assert open_client(pool, repo).whoami()["pid"] == d["pid"]


def test_a_port_that_is_grabbed_during_the_start_is_given_up_too(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--start-delay", "0.7")})
    pool.start()
    pool.ctl("ensure", "--no-wait", repo)
    d = wait_until(lambda: (lambda d: d if d["pid"] else None)(pool.daemon(repo)), "it is spawned")
    with stranger(d["port"]):
        assert pool.ctl("ensure", repo).stdout
        again = pool.daemon(repo)
        assert again["port"] != d["port"] and again["state"] == "ready"
        assert "port-taken" in reasons(pool, repo, "fail")
        assert open_client(pool, repo).whoami()["pid"] == again["pid"]
    assert not alive(d["pid"])


@pytest.mark.parametrize("before", [[], ["--no-reuse"]], ids=["that of another server", "its own"])
def test_a_port_where_old_connections_linger_is_given_up_if_the_server_cannot_take_it(pool, project, before):
    repo = project()
    pool.configure({"fake": fake_server(*before)})
    pool.start()
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    other = Client(d["directUrl"]).open()
    os.kill(d["pid"], signal.SIGKILL)
    assert other.connection.sock.recv(1) == b""  # the daemon's side closes first: it is the one that lingers
    other.close()
    wait_until(lambda: pool.daemon(repo)["state"] == "down", "it is dead")
    pool.configure({"fake": fake_server("--no-reuse")})
    pool.ctl("reload")
    pool.ctl("ensure", repo)
    assert pool.daemon(repo)["port"] != d["port"]


@contextmanager
def two_strangers(first):
    """On two ports one after the other, from first on."""
    for port in range(first, first + 90, 2):
        with ExitStack() as both:
            try:
                both.enter_context(stranger(port))
                both.enter_context(stranger(port + 1))
            except OSError:
                continue
            yield port
            return
    pytest.fail("no two ports are free")


def test_no_free_port_at_all_is_an_error_that_says_so(pool, project):
    with two_strangers(int(pool.port_range.split("-")[0])) as port:
        pool.configure(portRange=f"{port}-{port + 1}")
        done = pool.ctl("ensure", project(), check=False)
        assert done.returncode == START_FAILED
        assert f"no port of {port}-{port + 1} is free" in done.stderr and "portRange" in done.stderr


def test_a_recorded_pid_that_is_a_stranger_now_is_never_ended(pool, project):
    repo = project()
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    pool.ctl("shutdown", "--keep-daemons")
    wait_until(lambda: not programs(pool, "poold"), "poold is gone")
    os.kill(d["keeperPid"], signal.SIGKILL)
    wait_until(lambda: not alive(d["pid"]), "the daemon goes with its keeper")
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        with stranger(d["port"]), closing(sqlite3.connect(pool.state / "registry.db")) as db:
            db.execute("UPDATE daemon SET pid = ?, keeper_pid = ?", (bystander.pid, bystander.pid))
            db.commit()
            pool.ctl("ensure", repo)
            again = pool.daemon(repo)
            assert again["port"] != d["port"] and again["pid"] != bystander.pid
            pool.ctl("stop", "--all")
            assert bystander.poll() is None
            assert "gone-while-away" in reasons(pool, repo, "end")
    finally:
        bystander.kill()
        bystander.wait()


# --- starts that fail ---

FAILURES = {
    # name: (server, reason, words in every telling)
    "no-such-command": ({"command": "no-such-program-anywhere", "type": "http", "args": ["${POOLD_PORT}"]},
                        "exec-failed", ["no-such-program-anywhere"]),
    "not-executable": ({"command": "/etc/passwd", "type": "http", "args": ["${POOLD_PORT}"]},
                       "exec-failed", ["/etc/passwd", "Permission denied"]),
    "exits-at-once": (fake_server("--exit-code", "7"), "start-exited", ["exit status 7"]),
    "killed-by-a-signal": (shell("kill -SEGV $$"), "start-exited", ["signal 11"]),
    "never-listens": (fake_server("--never-listen", startTimeoutSeconds=1), "start-timeout",
                      ["nothing listened on port", "startTimeoutSeconds"]),
    "open-but-mute": (shell("exec python3 -c 'import socket,os,time; s=socket.create_server("
                            "(\"127.0.0.1\", int(os.environ[\"POOLD_PORT\"]))); time.sleep(600)'",
                            startTimeoutSeconds=2), "start-timeout", ["is open", "handshake"]),
    "forks-away": (fake_server("--fork-away", "--start-delay", "600"), "start-exited", ["exit status 0"]),
    "handshake-refused": (fake_server("--handshake-error", "no licence", startTimeoutSeconds=2), "handshake-failed",
                          ["refuses the MCP handshake", "no licence"]),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_start_that_fails_is_told_alike_everywhere(pool, project, name):
    server, reason, words = FAILURES[name]
    repo = project()
    pool.configure({"bad": server})
    done = pool.ctl("ensure", repo, check=False)
    assert done.returncode == START_FAILED, done
    assert done.stdout == ""
    d = pool.daemon(repo)
    assert d["state"] == "failed" and d["retryInMs"] > 0
    with pytest.raises(RpcError) as refused:
        open_client(pool, repo).call("echo", text="x")
    status = pool.ctl("status", repo).stdout
    for told in (done.stderr, str(refused.value), status, d["detail"], pool.json("history", repo)[0]["detail"]):
        for word in words:
            assert word in " ".join(told.split()), (word, told)
    assert refused.value.code == -31004
    assert d["reason"] == reason and reasons(pool, repo, "fail")[0] == reason and reason in status
    wait_until(lambda: not tree(pool), "nothing is left of it")


def test_the_last_lines_of_a_failed_start_are_shown(pool, project):
    repo = project()
    pool.configure({"bad": fake_server("--exit-code", "7")})
    done = pool.ctl("ensure", repo, check=False)
    assert "gives up: no reason given" in done.stderr
    assert "  | fake server gives up: no reason given\n" in pool.ctl("status", repo).stdout
    with pytest.raises(RpcError, match="gives up: no reason given"):
        open_client(pool, repo).call("echo", text="x")


def test_the_pause_grows_is_shown_and_force_skips_it(pool, project):
    repo = project()
    pool.configure({"bad": fake_server("--exit-code", "7")})
    waits = []
    for starts in (1, 2, 3):
        pool.ctl("ensure", "--force", repo, check=False)
        d = pool.daemon(repo)
        assert d["starts"] == starts
        waits.append(d["retryInMs"])
    assert waits[0] < 1001 < waits[1] < 2001 < waits[2] < 4001
    began = time.monotonic()
    fast = pool.ctl("ensure", repo, check=False)
    assert time.monotonic() - began < 0.8 and fast.returncode == START_FAILED
    assert pool.daemon(repo)["starts"] == 3
    assert re.search(r"next try in \d|tried again in \d|retr\w+ in \d", fast.stderr + pool.ctl("status", repo).stdout)


def test_mending_the_configuration_and_reload_heals_at_once(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--exit-code", "7")})
    for _ in range(4):
        pool.ctl("ensure", "--force", repo, check=False)
    assert pool.daemon(repo)["retryInMs"] > 4000
    pool.configure({"fake": fake_server()})
    pool.ctl("reload")
    assert pool.ctl("ensure", repo).stdout
    assert open_client(pool, repo).whoami()["project"] == str(repo)


def test_a_hundred_megabytes_while_starting_do_no_harm(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--print-megabytes", "100")})
    pool.ctl("ensure", repo)
    logs = sum(f.stat().st_size for f in (pool.state / "logs").iterdir())
    assert logs < 25 << 20
    assert open_client(pool, repo).call("echo", text="x") == "x"


def test_the_whole_tree_goes_even_if_it_ignores_term(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--ignore-term", "--with-child")}, stopGraceSeconds=1)
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    pids = tree(pool)
    assert len(pids) == 2 and d["pid"] in pids
    began = time.monotonic()
    pool.ctl("stop", repo)
    assert 0.9 < time.monotonic() - began < 8
    assert not any(alive(p) for p in pids)
    assert reasons(pool, repo, "end")[0] == "asked"


# --- the configuration ---

def test_a_typo_at_the_first_start_names_place_and_key(pool, project):
    pool.config_file.write_text('{\n  "idleSecond": 5\n}\n')
    done = pool.ctl("ensure", project(), check=False)
    assert done.returncode == CONFIG
    assert f"{pool.config_file}:2" in done.stderr and "idleSecond" in done.stderr and "idleSeconds" in done.stderr
    assert not programs(pool, "poold")


def test_a_typo_at_reload_leaves_the_running_configuration_in_force(pool, project):
    repo = project()
    pool.configure(idleSeconds=77)
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    pool.config_file.write_text('{\n  "idleSeconds": "soon"\n}\n')
    done = pool.ctl("reload", check=False)
    assert done.returncode == CONFIG and f"{pool.config_file}:2" in done.stderr and "idleSeconds" in done.stderr
    os.kill(pool.pid(), signal.SIGHUP)
    wait_until(lambda: "configuration not changed" in pool.log_tail(), "SIGHUP is answered in the log")
    assert f"{pool.config_file}:2" in pool.log_tail()
    assert 70_000 < pool.daemon(repo)["evictInMs"] <= 77_000
    assert pool.daemon(repo)["daemonId"] == d["daemonId"]
    pool.configure(idleSeconds=50)
    os.kill(pool.pid(), signal.SIGHUP)
    wait_until(lambda: 0 < pool.daemon(repo)["evictInMs"] <= 50_000, "the good file is in force")


# --- kills ---

def test_ten_kills_of_poold_leave_the_daemon_and_start_no_second(pool, project):
    repo = project()
    pool.start()
    client = open_client(pool, repo)
    d = pool.daemon(repo) if client.whoami() else None
    for _ in range(10):
        pool.kill()
        client.connection.close()
        assert client.whoami()["pid"] == d["pid"]
        assert pool.daemon(repo)["daemonId"] == d["daemonId"]
    assert tree(pool) == [d["pid"]] and len(reasons(pool, repo, "start")) == 1
    assert len(programs(pool, "poold")) == 1


def test_kill_of_the_holder_and_then_of_poold(pool, project):
    repo = project()
    pool.start()
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    os.kill(pool.process.pid, signal.SIGKILL)
    pool.process.wait()
    assert pool.json("list")[0]["daemonId"] == d["daemonId"]  # poold itself goes on
    old = pool.pid()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: not alive(old), "poold is dead")
    assert pool.ctl("list").stdout  # readable when poold is down
    pool.ctl("ensure", repo)
    again = pool.daemon(repo)
    assert again["daemonId"] == d["daemonId"] and again["pid"] == d["pid"] and again["reason"] == "adopted"
    assert len(programs(pool, "poold")) == 1


@pytest.mark.parametrize("how", ["term to poold", "term to the holder", "shutdown --keep-daemons"])
def test_a_clean_end_leaves_daemons_that_the_next_ensure_takes_back(pool, project, how):
    repo = project()
    pool.start()
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    if how == "term to poold":
        os.kill(pool.pid(), signal.SIGTERM)
    elif how == "term to the holder":
        os.kill(pool.process.pid, signal.SIGTERM)
    else:
        pool.ctl("shutdown", "--keep-daemons")
    assert pool.process.wait(10) == 0
    assert not programs(pool, "poold") and not (pool.run / "poold.pid").exists()
    assert alive(d["pid"]) and alive(d["keeperPid"])
    pool.ctl("ensure", repo)
    assert pool.daemon(repo)["daemonId"] == d["daemonId"]
    assert "adopted" in reasons(pool, repo, "adopt")


def test_shutdown_leaves_nothing(pool, project):
    pool.configure({"fake": fake_server("--ignore-term", "--with-child")}, stopGraceSeconds=1)
    for name in ("a", "b"):
        pool.ctl("ensure", project(name))
    keepers = [d["keeperPid"] for d in pool.json("list")]
    assert len(pool.ours()) == 6  # poold, its holder, and two trees of two
    pool.ctl("shutdown")
    assert not any(alive(k) for k in keepers)
    wait_until(lambda: not pool.ours(), "the holder is gone too", 2)
    assert os.listdir(pool.run / "keepers") == []
    assert pool.ctl("shutdown").returncode == 0


def test_kill_of_the_keeper_of_a_daemon_that_ignores_term(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--ignore-term", "--with-child")}, stopGraceSeconds=1)
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    pids = tree(pool)
    os.kill(d["keeperPid"], signal.SIGKILL)
    wait_until(lambda: not any(alive(p) for p in pids), "no orphan for long", 8)
    wait_until(lambda: "keeper-lost" in reasons(pool, repo, "end"), "the history says why")
    wait_until(lambda: pool.daemon(repo)["state"] == "ready", "it is started anew")
    assert pool.daemon(repo)["daemonId"] != d["daemonId"]


def test_kill_of_poold_and_keeper_at_the_same_time(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--ignore-term", "--with-child")}, stopGraceSeconds=1)
    pool.start()
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    pids = tree(pool)
    poold = pool.pid()
    os.kill(poold, signal.SIGKILL)
    os.kill(d["keeperPid"], signal.SIGKILL)
    wait_until(lambda: not any(alive(p) for p in pids), "the next poold ends what is left", 10)
    pool.ctl("ensure", repo)
    again = pool.daemon(repo)
    assert again["daemonId"] != d["daemonId"] and again["generation"] == d["generation"] + 1


def test_keepers_without_poold_stop_their_daemons_after_orphan_seconds(pool, project):
    repo = project()
    pool.configure(orphanSeconds=2)
    pool.start()
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    pool.ctl("shutdown", "--keep-daemons")
    wait_until(lambda: not alive(d["pid"]) and not alive(d["keeperPid"]), "they are gone", 10)
    assert pool.ctl("list").returncode == 0
    pool.ctl("ensure", repo)
    assert {"orphaned", "gone-while-away"} & set(reasons(pool, repo, "end"))


# --- sockets handed over ---

class Manager:
    """Starts poold the way systemd does, with sockets that stay open."""

    def __init__(self, pool):
        self.pool = pool
        pool.run.mkdir(mode=0o700)
        (pool.state / "logs").mkdir(parents=True)
        self.front = socket.create_server(("127.0.0.1", pool.port), backlog=512)
        self.api = socket.socket(socket.AF_UNIX)
        self.api.bind(str(pool.run / "api.sock"))
        self.api.listen(128)
        self.process = None

    def start(self):
        code = ("import os, sys\nfds = [int(a) for a in sys.argv[1:3]]\n"
                "for i, fd in enumerate(fds): os.dup2(fd, 13 + i)\n"
                "for i in range(2): os.dup2(13 + i, 3 + i); os.set_inheritable(3 + i, True); os.close(13 + i)\n"
                "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='front:api')\n"
                "os.execv(sys.argv[3], sys.argv[3:])")
        log = open(self.pool.state / "logs" / "poold.log", "ab")
        fds = (self.front.fileno(), self.api.fileno())
        self.process = subprocess.Popen([sys.executable, "-c", code, *map(str, fds), str(BIN / "poold")], pass_fds=fds,
                                        env=self.pool.env, stderr=log, stdout=log, start_new_session=True)
        log.close()

    def close(self):
        self.process.wait(10)
        self.front.close()
        self.api.close()


def test_sockets_of_a_service_manager_outlive_poold(pool, project):
    repo = project()
    manager = Manager(pool)
    manager.start()
    wait_until(pool.serves, "poold serves")
    assert pool.pid() == manager.process.pid  # it serves itself: no holder of its own
    client = open_client(pool, repo)
    pid, refused, stop = client.whoami()["pid"], [], threading.Event()

    def knock():
        while not stop.is_set():
            try:
                socket.create_connection(("127.0.0.1", pool.port), timeout=5).close()
            except OSError as e:
                refused.append(e)
    knocker = threading.Thread(target=knock)
    knocker.start()
    try:
        for _ in range(3):
            manager.process.kill()
            manager.process.wait()
            manager.start()
            client.connection.close()
            assert client.whoami()["pid"] == pid
    finally:
        stop.set()
        knocker.join()
    assert refused == []
    pool.ctl("shutdown")  # it sees the end although nobody has waited for the process yet
    assert manager.process.wait(10) == 0
    assert (pool.run / "api.sock").exists()  # the manager's, not ours to remove
    manager.close()
    (pool.run / "api.sock").unlink()


# --- the environment of a daemon ---

def environment(pool, repo):
    return json.loads(open_client(pool, repo).call("env"))


def test_the_environment_is_the_same_whoever_asked_first(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    pool.ctl("ensure", a)
    strange = {**pool.env, "PATH": "/nowhere", "VIRTUAL_ENV": "/x", "LANG": "xx", "SECRET": "1", "HOME": "/root"}
    done = subprocess.run([BIN / "poolctl", "ensure", str(b)], env=strange, capture_output=True, text=True)
    assert done.returncode == 0, done
    ea, eb = environment(pool, a), environment(pool, b)
    own = {"POOLD_PROJECT", "POOLD_PROJECT_KEY", "POOLD_PORT", "POOLD_DAEMON_ID", "PWD"}
    assert {k: v for k, v in ea.items() if k not in own} == {k: v for k, v in eb.items() if k not in own}
    assert "SECRET" not in eb and "VIRTUAL_ENV" not in eb


@pytest.mark.parametrize("who", ["poolctl ensure", "a poold with a poor PATH"])
def test_daemons_get_the_path_of_a_terminal(pool, project, who):
    repo, bin_dir = project(), pool.home / "my tools"
    bin_dir.mkdir()
    (pool.home / ".profile").write_text(f'PATH="{bin_dir}:$PATH"\nexport PATH\necho noise\n')
    for name in ("SHELL", "BASH_ENV", "ENV"):
        pool.env.pop(name, None)
    pool.env["SHELL"] = "/bin/sh"
    if who == "a poold with a poor PATH":
        pool.env["PATH"] = "/bin"
    pool.ctl("ensure", repo)
    assert str(bin_dir) in environment(pool, repo)["PATH"].split(":")
    assert str(bin_dir) in pool.ctl("why", repo).stdout


# --- in the middle of things ---

def test_a_start_goes_on_while_poold_is_killed(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--start-delay", "1.5")})
    pool.start()
    pool.ctl("ensure", "--no-wait", repo)
    d = wait_until(lambda: (lambda d: d if d["pid"] else None)(pool.daemon(repo)), "it is spawned")
    pool.kill()
    assert pool.daemon(repo)["state"] == "starting"
    pool.ctl("ensure", repo)
    again = pool.daemon(repo)
    assert again["pid"] == d["pid"] and again["daemonId"] == d["daemonId"] and again["state"] == "ready"
    assert open_client(pool, repo).whoami()["pid"] == d["pid"]


def test_a_stop_goes_on_while_poold_is_killed_and_the_next_start_waits_for_it(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--ignore-term", "--with-child")}, stopGraceSeconds=2)
    pool.start()
    pool.ctl("ensure", repo)
    d, pids = pool.daemon(repo), tree(pool)
    stopping = subprocess.Popen([BIN / "poolctl", "stop", str(repo)], env=pool.env, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    wait_until(lambda: pool.daemon(repo)["state"] == "stopping", "it is being stopped")
    pool.kill()
    assert pool.daemon(repo)["state"] in ("stopping", "down")
    pool.ctl("ensure", repo)
    assert not any(alive(p) for p in pids)
    again = pool.daemon(repo)
    assert again["daemonId"] != d["daemonId"] and again["state"] == "ready"
    assert open_client(pool, repo).whoami()["pid"] == again["pid"]
    assert reasons(pool, repo, "end")[0] == "asked"
    stopping.wait(20)


def test_a_killed_daemon_whose_tree_lingers_is_slow_but_no_error(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--with-child")}, stopGraceSeconds=2)
    pool.start()
    client = open_client(pool, repo)
    first, pids = client.whoami()["pid"], tree(pool)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pool.daemon(repo)["state"] == "stopping", "its end is known, and not yet complete")
    assert client.whoami()["pid"] != first
    assert len(pids) == 2 and not any(alive(p) for p in pids)


def test_a_change_of_the_definition_during_a_start_counts(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--start-delay", "0.7")})
    pool.start()
    pool.ctl("ensure", "--no-wait", repo)
    wait_until(lambda: pool.daemon(repo)["pid"], "it is spawned")
    pool.configure({"fake": fake_server(env={"NEW": "yes"})})
    pool.ctl("reload")
    pool.ctl("ensure", repo)
    wait_until(lambda: "definition-changed" in reasons(pool, repo, "end"), "the old one goes")
    assert environment(pool, repo)["NEW"] == "yes"


def test_a_crash_loop_is_slowed_down_and_named(pool, project):
    repo = project()
    pool.start()
    client = open_client(pool, repo)
    for _ in range(3):
        with pytest.raises(RpcError, match="ended before it answered"):
            client.call("crash")
    with pytest.raises(RpcError, match="signal 9") as refused:
        client.call("echo", text="x")
    assert refused.value.code == -31004
    d = pool.daemon(repo)
    assert d["state"] == "failed" and d["reason"] == "crashed" and d["retryInMs"] > 0
    pool.ctl("ensure", "--force", repo)
    assert client.call("echo", text="x") == "x"


def test_a_project_whose_directory_is_gone_is_an_error_that_says_what_to_do(pool, project):
    repo = project()
    pool.ctl("ensure", repo)
    key = pool.daemon(repo)["projectKey"]
    pool.ctl("stop", repo)
    repo.rename(repo.with_name("moved"))
    done = pool.ctl("ensure", key, check=False)
    assert done.returncode == START_FAILED
    assert f"{repo} is gone" in done.stderr and "poolctl forget" in done.stderr


def test_a_profile_that_hangs_delays_the_first_start_by_five_seconds_at_most(pool, project):
    (pool.home / ".profile").write_text("sleep 600\n")
    pool.env["SHELL"] = "/bin/sh"
    began = time.monotonic()
    pool.ctl("ensure", project("a"))
    assert time.monotonic() - began < 8
    began = time.monotonic()
    pool.ctl("ensure", project("b"))
    assert time.monotonic() - began < 3
    assert len(tree(pool)) == 2, "no shell is left"


def test_many_lives_leave_no_descriptor_and_no_zombie(pool, project):
    repo = project()
    pool.start()

    def cycle():
        pool.ctl("ensure", repo)
        pool.ctl("stop", repo)
    cycle()
    poold = pool.pid()

    def descriptors():
        return sorted(os.readlink(f"/proc/{poold}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{poold}/fd"))
    before = descriptors()
    for _ in range(8):
        cycle()
    wait_until(lambda: len(descriptors()) <= len(before), f"as many descriptors as before: {before}", 5)
    children = Path(f"/proc/{poold}/task/{poold}/children").read_text().split()
    assert children == []
    assert pool.daemon(repo)["generation"] == 9
