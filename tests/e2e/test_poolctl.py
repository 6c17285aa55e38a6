"""poolctl as its users meet it: with a real poold, keepers and a small MCP server; and without."""
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import BIN, alive, fake_server, wait_until
from mcp_client import Client

USAGE, NO_PROJECT, START_FAILED, START_TIMEOUT, DEGRADED, NOT_RUNNING = 2, 3, 4, 5, 6, 7
CONFIG, DENIED, NO_SERVER, CONFLICT, METHOD = 9, 12, 13, 17, 21


def on_terminal(pool, *words, cwd=None, answer=None, seconds=30):
    """Run poolctl on a terminal of its own; (exit status, all it wrote)."""
    pid, fd = pty.fork()
    if pid == 0:
        if cwd:
            os.chdir(cwd)
        os.execve(str(BIN / "poolctl"), ["poolctl", *map(str, words)], {**pool.env, "TERM": "xterm"})
    out, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([fd], [], [], 0.2)
        if ready:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
        if answer and b"[y/N]" in out:
            os.write(fd, answer.encode())
            answer = None
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode(errors="replace")


# --- ensure ---

def test_ensure_starts_poold_and_prints_the_url_alone(pool, project):
    repo = project()
    done = pool.ctl("ensure", repo / "sub")
    assert re.fullmatch(re.escape(pool.url) + r"/p/repo-[a-z2-7]{10}/mcp\n", done.stdout)
    assert done.stderr == ""
    again = pool.ctl("ensure", cwd=repo)
    assert again.stdout == done.stdout
    assert pool.daemon(repo)["starts"] == 1


def test_poold_started_by_ensure_holds_nothing_of_its_caller(pool, project):
    repo = project()
    read, write = os.pipe()
    os.set_inheritable(write, True)
    subprocess.run([BIN / "poolctl", "ensure", repo], env=pool.env, pass_fds=[write], check=True,
                   stdout=subprocess.DEVNULL)
    os.close(write)
    assert select.select([read], [], [], 5)[0], "the pipe's write end is still open somewhere"
    assert os.read(read, 1) == b""
    os.close(read)
    pid = pool.pid()
    assert os.getsid(pid) not in (os.getsid(0), 0)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"


def test_ensure_json_is_the_daemon_and_direct_its_own_url(pool, project):
    repo = project()
    daemon = pool.json("ensure", repo)
    assert daemon["state"] == "ready" and daemon["project"] == str(repo)
    direct = pool.ctl("ensure", "--direct", repo).stdout.strip()
    assert direct == daemon["directUrl"] == f"http://127.0.0.1:{daemon['port']}/mcp"


def test_ensure_knows_a_project_by_its_key(pool, project):
    repo = project()
    daemon = pool.json("ensure", repo)
    assert pool.json("ensure", daemon["projectKey"], cwd="/")["daemonId"] == daemon["daemonId"]


def test_many_at_once_start_one_poold_and_one_daemon(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--start-delay", "0.5")})
    with ThreadPoolExecutor(60) as many:
        done = list(many.map(lambda _: pool.ctl("ensure", repo, check=False, timeout=120), range(200)))
    assert {d.returncode for d in done} == {0}, {d.stderr for d in done}
    assert len({d.stdout for d in done}) == 1
    log = (pool.state / "logs" / "poold.log").read_text()
    assert log.count('msg="poold serves"') == 1
    assert [h["event"] for h in pool.json("history")] == ["ready", "start"]


def test_ensure_shows_its_steps_on_a_terminal(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--start-delay", "0.6")})
    status, out = on_terminal(pool, "ensure", repo)
    assert status == 0
    lines = out.replace("\r\n", "\n").split("\n")
    assert re.search(r"~/repo: ready after [\d.]+ s \(spawned .*, port open .*, handshake .*\)$", lines[-3])
    assert lines[-2].startswith(pool.url)
    status, out = on_terminal(pool, "ensure", repo)
    assert out.strip().startswith(pool.url), "nothing but the URL when it is warm"


def test_ensure_no_wait_returns_while_it_starts(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--start-delay", "20")})
    assert pool.json("ensure", "--no-wait", repo)["state"] == "starting"
    assert pool.ctl("ensure", "--no-wait", repo).stdout.startswith(pool.url)
    late = pool.ctl("ensure", "--timeout", "1", repo, check=False)
    assert (late.returncode, late.stdout) == (START_TIMEOUT, "")
    assert "still starting" in late.stderr and "poolctl status" in late.stderr
    assert re.search(r"starting [\d.]+ s", pool.ctl("list").stdout)


def test_a_start_that_fails_says_why_with_the_last_lines(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--exit-code", "3"), "absent": fake_server(command="/no/such/program")})
    done = pool.ctl("ensure", repo, check=False)
    assert (done.returncode, done.stdout) == (START_FAILED, "")
    assert "exit status 3" in done.stderr
    assert f"poolctl logs {repo}" in done.stderr
    done = pool.ctl("ensure", "-s", "absent", ".", cwd=repo, check=False)
    assert done.returncode == START_FAILED
    assert "/no/such/program" in done.stderr and "poolctl ensure --force -s absent ." in done.stderr
    problem = json.loads(pool.ctl("ensure", repo, "--json", check=False).stderr)
    assert problem["code"] == "start-failed" and problem["daemon"]["state"] == "failed" and problem["remedy"]
    rows = pool.ctl("list").stdout.splitlines()
    assert any(row.startswith("  ! ") for row in rows) and any("try: poolctl logs" in row for row in rows)


def test_a_degraded_daemon_is_printed_with_its_cause_and_an_exit_status_of_its_own(pool, project):
    repo = project()
    sick = fake_server("--warm-text", "Error executing tool: no language server", warmup={"tool": "warm"})
    pool.configure({"fake": sick})
    done = pool.ctl("ensure", "--warm", repo, check=False)
    assert done.returncode == DEGRADED
    assert done.stdout.startswith(pool.url)
    assert "no language server" in done.stderr and "poolctl restart" in done.stderr
    out = pool.ctl("list").stdout
    assert "useful failed" in out and "no language server" in out


@pytest.mark.parametrize("dir, status", [("/", NO_PROJECT), ("/no/such/place", NO_PROJECT), ("no-key", NO_PROJECT)])
def test_places_that_are_no_project(pool, dir, status):
    done = pool.ctl("ensure", dir, check=False)
    assert (done.returncode, done.stdout) == (status, "") and done.stderr.startswith("poolctl: ")


def test_a_server_that_is_not_configured(pool, project):
    done = pool.ctl("ensure", "-s", "other", project(), check=False)
    assert done.returncode == NO_SERVER and "fake" in done.stderr


def test_ensure_survives_a_killed_poold(pool, project):
    repo = project()
    first = pool.json("ensure", repo)
    os.kill(pool.pid(), signal.SIGKILL)
    again = pool.json("ensure", repo)
    assert (again["daemonId"], again["pid"]) == (first["daemonId"], first["pid"])


# --- a poold that does not start, or does not answer ---

def test_a_mistake_in_the_configuration_is_shown_when_poold_cannot_start(pool, project):
    pool.config_file.write_text('{\n  "idleSecond": 5\n}\n')
    done = pool.ctl("ensure", project(), check=False)
    assert done.returncode == CONFIG
    assert f"{pool.config_file}:2" in done.stderr and "idleSeconds" in done.stderr
    check = pool.ctl("config", "--check", check=False)
    assert check.returncode == CONFIG and f"{pool.config_file}:2" in check.stderr
    pool.config_file.unlink()
    pool.configure()
    assert "no mistake" in pool.ctl("config", "--check").stdout


def test_an_address_in_use_is_shown_when_poold_cannot_start(pool, project):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", pool.port))
        taken.listen()
        done = pool.ctl("ensure", project(), check=False)
    assert done.returncode == 11 and str(pool.port) in done.stderr


class Stub:
    """Serves api.sock with one given answer to the one request that comes."""

    def __init__(self, pool, answer):
        pool.run.mkdir(mode=0o700)
        self.path, self.answer = pool.run / "api.sock", answer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.socket.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self.answer)

    def close(self):
        self.thread.join()
        self.socket.close()
        self.path.unlink()


FULL = b'{"code":"pool-full","detail":"no place"}'


@pytest.mark.parametrize("answer, code", [
    (b"", "not-running"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n[", "not-running"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[x", "parse"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad-request"),
    (b"SSH-2.0-OpenSSH_9\r\n\r\n", "bad-request"),
    (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "internal"),
    (b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\n[12]", "not-found"),
    (b"HTTP/1.1 503 No\r\nContent-Length: %d\r\n\r\n%s" % (len(FULL), FULL), "pool-full"),
])
def test_answers_that_no_poold_would_give_are_errors_and_no_crash(pool, answer, code):
    stub = Stub(pool, answer)
    done = pool.ctl("reload", "--json", check=False)
    stub.close()
    assert done.stdout == "" and 0 < done.returncode < 24, (done.returncode, done.stderr)
    assert json.loads(done.stderr)["code"] == code


def test_a_poold_that_hangs_is_given_up(pool, project):
    pool.ctl("ensure", project())
    pid = pool.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(2) as both:
            reload = both.submit(pool.ctl, "reload", check=False)
            done = both.submit(pool.ctl, "why", "/", check=False).result()
            assert "in time" in reload.result().stderr and reload.result().returncode == NOT_RUNNING
        assert "in time" in done.stderr and done.returncode == NOT_RUNNING
    finally:
        os.kill(pid, signal.SIGCONT)
    assert pool.pid() == pid, "no other poold was started beside it"


# --- while poold is down ---

def test_what_was_is_readable_while_poold_is_down(pool, project):
    repo = project()
    up = pool.json("ensure", repo)
    pool.ctl("shutdown", "--keep-daemons")
    assert alive(up["pid"])
    rows = pool.json("list")
    assert [(r["projectKey"], r["state"], r["pid"]) for r in rows] == [(up["projectKey"], "ready", up["pid"])]
    assert rows[0]["directUrl"] == up["directUrl"] and set(rows[0]) >= set(up) - {"steps", "logFile"}
    status = pool.ctl("status", check=False)
    assert status.returncode == NOT_RUNNING and "last known state" in status.stdout and "~/repo" in status.stdout
    assert pool.ctl("status", ".", cwd=repo / "sub", check=False).returncode == NOT_RUNNING
    down = json.loads(pool.ctl("status", "--json", check=False).stdout)
    assert down["running"] is False and len(down["daemons"]) == 1
    assert [h["event"] for h in pool.json("history", repo)][-1] == "start"
    assert "started pid" in pool.ctl("logs", repo).stdout
    assert pool.ctl("logs", "-n", "1", repo).stdout.count("\n") == 1
    assert pool.json("config")["settings"]["defaultServer"]["value"] == "fake"
    assert pool.json("version")["poold"] is None
    assert pool.ctl("reload", check=False).returncode == NOT_RUNNING
    assert pool.pid() is None or not alive(pool.pid()), "none of these starts poold"
    os.kill(up["keeperPid"], signal.SIGKILL)
    os.kill(up["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(up["keeperPid"]), "the keeper is gone")
    assert pool.json("list")[0]["state"] == "down", "a dead daemon is never shown as ready"


def test_stop_finds_daemons_that_outlived_poold(pool, project):
    repo = project()
    up = pool.json("ensure", repo)
    pool.ctl("shutdown", "--keep-daemons")
    assert "stopped fake for ~/repo" in pool.ctl("stop", repo).stdout
    assert not alive(up["pid"])


def test_shutdown_ends_everything_and_can_be_repeated(pool, project):
    up = pool.json("ensure", project())
    poold = pool.pid()
    pool.ctl("shutdown")
    assert not alive(poold) and not alive(up["pid"]) and not alive(up["keeperPid"])
    assert "not running" in pool.ctl("shutdown").stdout
    assert "not running" in pool.ctl("stop", "--all").stdout


def test_nothing_is_known_before_the_first_use(pool):
    assert pool.json("list") == []
    assert "poolctl ensure DIR" in pool.ctl("list").stdout
    assert pool.json("history") == []
    assert not pool.state.exists() and not pool.run.exists()


# --- the other commands ---

def test_list_is_a_table_of_100_columns_with_what_matters(pool, project):
    repo = project("a-project-with-a-name-that-is-longer-than-most-people-would-ever-choose-it-to-be")
    pool.ctl("ensure", repo)
    wait_until(lambda: pool.daemon(repo)["memoryBytes"], "memory is measured")
    out = pool.ctl("list").stdout.splitlines()
    assert out[0].split() == ["PROJECT", "SERVER", "STATE", "HEALTH", "MEMORY", "CLIENTS", "GOES"]
    assert max(map(len, out)) <= 100
    assert re.search(r"…\S+choose-it-to-be  fake    ready  ok.*MiB +\S+  in (29|30):\d\d$", out[1]), out[1]
    assert re.match(r"1 of at most 16 daemons up, 0 sessions, \d+ MiB of memory, no budget", out[2])


def test_colours_only_on_a_terminal_and_not_with_no_color(pool, project):
    pool.ctl("ensure", project())
    assert "\033[" not in pool.ctl("list").stdout
    assert "\033[32mready" in on_terminal(pool, "list")[1]
    pool.env["NO_COLOR"] = "1"
    assert "\033[" not in on_terminal(pool, "list")[1]


def test_status_of_a_project_shows_all(pool, project):
    repo = project()
    up = pool.json("ensure", repo)
    out = pool.ctl("status", repo).stdout
    for fact in (up["projectKey"], up["url"], up["directUrl"], f"pid {up['pid']}", "process ok, accepts ok, mcp ok",
                 "handshake", "clients    0", up["logFile"].replace(str(pool.home), "~"), "in "):
        assert fact in out, (fact, out)
    whole = pool.json("status", repo)
    assert whole["project"] == str(repo) and whole["daemons"][0]["clients"] == []
    pool.ctl("stop", repo)
    assert re.search(r"last exits:\n.*\n.* end +asked", pool.ctl("status", repo).stdout)


def test_status_of_poold_itself(pool, project):
    pool.ctl("ensure", project())
    out = pool.ctl("status").stdout
    assert f"(pid {pool.pid()}, up " in out and f"{pool.url}/mcp" in out and "1: 1 ready" in out
    status = pool.json("status")
    assert status["running"] and status["version"]["pid"] == pool.pid() and status["health"]["status"] == "ok"


def test_why_explains_rule_marker_link_and_start(pool, project):
    repo = project()
    link = pool.home / "link"
    link.symlink_to(repo / "sub")
    entry = fake_server()
    entry["env"] = {"MY_TOKEN": "hidden-value", "PLAIN": "shown value"}
    pool.configure({"fake": entry})
    out = pool.ctl("why", link).stdout
    assert out.splitlines()[0] == "~/repo"
    for line in (f"asked for  {link}", f"really     {repo}/sub", ".git", "rule       path", "trusted    no",
                 "MY_TOKEN='***'", "PLAIN='shown value'", f"cwd        {repo}", "fake_mcp.py"):
        assert line in out, (line, out)
    assert "hidden-value" not in out
    assert pool.json("why", repo)["argv"][0]
    assert pool.daemon(repo) is None or pool.daemon(repo)["state"] == "down", "why starts no daemon"


def test_stop_restart_evict_and_pin(pool, project):
    repo = project()
    first = pool.json("ensure", repo)
    pool.ctl("pin", repo)
    assert pool.daemon(repo)["pinned"] and "pinned" in pool.ctl("list").stdout
    refused = pool.ctl("evict", repo, check=False)
    assert refused.returncode == CONFLICT and "pinned" in refused.stderr and alive(first["pid"])
    pool.ctl("unpin", repo)
    assert "restarted fake" in pool.ctl("restart", repo).stdout
    second = pool.daemon(repo)
    assert second["daemonId"] != first["daemonId"] and not alive(first["pid"])
    assert pool.json("evict", cwd=repo)[0]["state"] == "down" and not alive(second["pid"])
    assert "nothing is up" in pool.ctl("stop", repo).stdout
    pool.ctl("ensure", repo)
    assert pool.ctl("stop", "--all").stdout == "stopped 1 daemon\n"
    for words in (["stop"], ["stop", "--all", repo]):
        assert pool.ctl(*words, check=False).returncode == USAGE


def test_trust_shows_what_it_allows_and_asks(pool, project):
    repo = project()
    (repo / ".serena").mkdir()
    (repo / ".serena" / "project.yml").write_text("name: x\nls_specific_settings:\n  cpp:\n    ls_path: /tmp/evil\n")
    unasked = pool.ctl("trust", repo, check=False, input="")
    assert unasked.returncode == DENIED
    assert "4:     ls_path: /tmp/evil" in unasked.stderr and f"poolctl trust --yes {repo}" in unasked.stderr
    status, out = on_terminal(pool, "trust", repo, answer="n\n")
    assert status == DENIED and not pool.json("ensure", repo)["trusted"]
    status, out = on_terminal(pool, "trust", repo, answer="y\n")
    assert status == 0 and "is trusted" in out and pool.daemon(repo)["trusted"]
    pool.ctl("untrust", repo)
    assert not pool.daemon(repo)["trusted"]
    again = pool.ctl("ensure", "--trust", repo)
    assert "/tmp/evil" in again.stderr and pool.daemon(repo)["trusted"]


def test_logs_and_following_them(pool, project):
    repo = project()
    up = pool.json("ensure", repo)
    assert "started pid" in pool.ctl("logs", cwd=repo).stdout
    assert pool.json("logs", "-n", "1", repo)["lines"]
    follow = subprocess.Popen([BIN / "poolctl", "logs", "-fn1", repo], env=pool.env, stdout=subprocess.PIPE)

    def read_until(word):
        text = b""
        while word not in text:
            assert select.select([follow.stdout], [], [], 20)[0], text
            text += os.read(follow.stdout.fileno(), 4096)
    read_until(b"\n")  # it follows now
    pool.ctl("stop", repo)
    read_until(b"stopping")
    follow.kill()
    follow.communicate()
    assert str(up["pid"]) in pool.ctl("logs", repo).stdout


def test_forget_drops_a_project_whose_folder_is_gone(pool, project):
    repo = project()
    up = pool.json("ensure", repo)
    repo.rename(pool.home / "moved")
    pool.ctl("forget", repo)
    assert not alive(up["pid"]) and pool.json("list") == []
    assert pool.ctl("forget", repo, check=False).returncode == NO_PROJECT


def test_reload_and_config(pool, project):
    pool.ctl("ensure", project())
    pool.configure(idleSeconds=7)
    pool.ctl("reload")
    assert pool.json("config")["settings"]["idleSeconds"]["value"] == 7
    assert re.search(r"^idleSeconds +7 +seconds +1800$", pool.ctl("config").stdout, re.M)
    pool.config_file.write_text("{ nonsense")
    bad = pool.ctl("reload", check=False)
    assert bad.returncode == CONFIG and str(pool.config_file) in bad.stderr
    assert pool.json("config")["settings"]["idleSeconds"]["value"] == 7
    pool.config_file.write_text(pool.ctl("config", "--example").stdout)
    assert pool.ctl("config", "--check").returncode == 0


def test_every_command_has_help_and_unknown_words_a_suggestion(pool):
    names = re.findall(r"^  ([a-z]+) ", pool.ctl("--help").stdout, re.M)
    assert len(names) == 24
    for name in names:
        assert pool.ctl(name, "--help").stdout.startswith(f"poolctl {name} - ")
        assert pool.ctl("help", name).stdout.startswith(pool.ctl("--help", name).stdout), "a topic may follow"
        wrong = pool.ctl(name, "--no-such-option", check=False)
        assert wrong.returncode == USAGE and f"poolctl {name} --help" in wrong.stderr
    assert "did you mean ensure?" in pool.ctl("ensrue", check=False).stderr
    assert pool.ctl(check=False).returncode == USAGE
    assert json.loads(pool.ctl("--json", "lits", check=False).stderr)["code"] == "usage"
    assert not pool.run.exists()


def test_output_that_nobody_reads_is_an_error_and_no_crash(pool, project):
    pool.ctl("ensure", project())
    with open("/dev/full", "w") as full:
        done = subprocess.run([BIN / "poolctl", "list"], env=pool.env, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 23 and b"unable to write" in done.stderr


def test_status_names_clients_and_their_calls_under_way(pool, project):
    repo = project()
    client = Client(pool.json("ensure", repo)["url"]).open()
    client.call("echo", text="x")
    slow = threading.Thread(target=client.call, args=("slow",), kwargs={"seconds": 2})
    slow.start()
    wait_until(lambda: pool.daemon(repo)["inFlight"], "the call is under way")
    out = pool.ctl("status", repo).stdout
    assert re.search(rf"pid {os.getpid()} in \S+\), by path: 1 call under way, the oldest for [\d.]+ m?s", out), out
    assert re.search(r"busy: 1 call +ok.* 1 +busy$", pool.ctl("list").stdout, re.M)
    assert pool.json("status", repo)["daemons"][0]["clients"][0]["pid"] == os.getpid()
    slow.join()
    assert "busy" not in pool.ctl("list").stdout


def test_list_right_after_a_restart_of_poold_waits_until_daemons_are_taken_back(pool, project):
    repo = project()
    up = pool.json("ensure", repo)
    for _ in range(5):
        os.kill(pool.pid(), signal.SIGKILL)
        row = pool.daemon(repo)
        assert (row["state"], row["pid"]) == ("ready", up["pid"])
        wait_until(lambda: pool.pid() and alive(pool.pid()), "the next poold")
