"""`poolctl connect`: a stdio server for clients that only start commands; it outlives poold as its client does."""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clients.scripted_model import Model
from conftest import BIN, HERE, alive, fake_server, wait_until
from lines_client import Program
from mcp_client import RpcError
from test_claude import CLAUDE, Claude
from sdk_clients import Sdk, SdkError

NO_PROJECT, NOT_RUNNING, TOO_BIG, DAEMON_LOST = -31003, -31007, -31015, -31019
STDIO = ["py1-stdio", "py2-stdio", "ts1-stdio", "ts2-stdio"]


class Connect(Program):
    def __init__(self, pool, cwd, *words, **env):
        self.said = (pool.root / "connect.log").open("ab")
        super().__init__(pool.connect_command(*words), cwd, {**pool.env, **env}, self.said)

    def stderr(self, pool):
        return (pool.root / "connect.log").read_text()


@pytest.fixture
def connect(pool):
    """make(cwd, *options, **environment) -> a running `poolctl connect`."""
    made = []

    def make(*args, **env):
        made.append(Connect(pool, *args, **env))
        return made[-1]
    yield make
    for one in made:
        if one.process.poll() is None:
            one.close()
        one.said.close()
    log = pool.root / "connect.log"
    assert "Sanitizer" not in (log.read_text() if log.exists() else ""), log.read_text()


@pytest.fixture
def sdk(pool):
    """make(kind, directory, *options) -> an SDK client whose server is `poolctl connect`."""
    made = []

    def make(kind, cwd, *words):
        made.append(Sdk(pool, kind, cwd, json.dumps(pool.connect_command(*words))))
        return made[-1].connected()
    yield make
    for one in made:
        one.close()


def connect_pid(pool):
    """Of the one poold-connect of this pool."""
    return next((int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and is_connect(pool, p)), None)


def is_connect(pool, entry):
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[0].endswith(b"poold-connect") and f"{pool.run}/mcp.sock".encode() in words


# --- a server like any other ---

def test_it_starts_poold_where_none_runs_and_serves_the_project_around_it(pool, project, connect):
    a = project()
    client = connect(a / "sub").open()
    assert pool.pid() and str(a) in client.initialized["instructions"]
    assert client.whoami()["project"] == str(a)
    text = "one\u2028two"
    for id in (7, "seven", -1):
        answer = client.answer(client.ask("tools/call", {"name": "echo", "arguments": {"text": text}}, id=id))
        assert answer["result"]["content"][0]["text"] == text
    assert client.close() == 0
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "its session is put aside")


def test_two_at_once_in_two_projects(pool, project, connect):
    a, b = project("a"), project("b")
    clients = [(connect(root), root) for root in (a, b)]  # both start poold, and one does
    for client, root in clients:
        assert client.open().whoami()["project"] == str(root)


def test_which_project_and_server_it_is(pool, project, connect):
    a, b = project("a"), project("b")
    pool.configure({"fake": fake_server(), "second": fake_server()})
    pool.start()
    assert connect(a, CLAUDE_PROJECT_DIR=str(b)).open().whoami()["project"] == str(b)
    assert connect(a, CLAUDE_PROJECT_DIR=str(b / "none")).open().whoami()["project"] == str(a)
    assert connect("/", "--project", str(a / "sub"), CLAUDE_PROJECT_DIR=str(b)).open().whoami()["project"] == str(a)
    key = pool.daemon(a)["projectKey"]
    second = connect("/", "--project", key, "--server", "second").open()
    assert second.whoami()["project"] == str(a) and pool.daemon(a, "second")["state"] == "ready"
    lean = connect(a, "--lean").open()
    assert len(lean.request("tools/list")["tools"]) == 3


def test_where_there_is_no_project_the_client_is_told(pool, connect):
    client = connect("/")
    with pytest.raises(RpcError) as e:
        client.open()
    assert e.value.code == NO_PROJECT
    assert "root directory" in str(e.value)
    assert client.close() == 0


def test_stdout_is_for_mcp_only(pool, project):
    """Also where poold has to be started, and where the command line is wrong."""
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n"
    done = subprocess.run(pool.connect_command(), cwd=project(), env=pool.env, input=ping, capture_output=True, text=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"jsonrpc": "2.0", "id": 1, "result": {}})
    wrong = subprocess.run(pool.connect_command("--nonsense"), env=pool.env, capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2 and not wrong.stdout and "nonsense" in wrong.stderr
    nowhere = subprocess.run(pool.connect_command("--project", "no/where"), env=pool.env, input=ping.replace("ping", "tools/list"),
                             capture_output=True, text=True, timeout=60)
    assert nowhere.returncode == 0 and json.loads(nowhere.stdout)["error"]["code"] == NO_PROJECT


# --- its end ---

@pytest.mark.parametrize("sig", [None, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_status_0_when_its_client_wants_it_to(pool, project, connect, sig):
    a = project()
    client = connect(a).open()
    client.whoami()
    if sig:
        client.process.send_signal(sig)
        assert client.process.wait(10) == 0
    assert client.close() == 0
    wait_until(lambda: connect_pid(pool) is None, "nothing is left")


def test_it_ends_with_a_client_that_is_killed(pool, project):
    a = project()
    pool.start()
    code = ("import subprocess, sys, time\n"
            "p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
            "p.stdin.write(b'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\\n'); p.stdin.flush()\n"
            "p.stdin.write(b'{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"slow\","
            "\"arguments\":{\"seconds\":60}}}\\n'); p.stdin.flush()\n"
            "print(p.stdout.readline(), flush=True)\ntime.sleep(600)\n")
    client = subprocess.Popen([sys.executable, "-c", code, *pool.connect_command()], cwd=a, env=pool.env, stdout=subprocess.PIPE)
    client.stdout.readline()
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "a call is under way")
    assert connect_pid(pool)
    client.kill()
    client.wait()
    client.stdout.close()
    wait_until(lambda: connect_pid(pool) is None, "it has ended with its client", 5)


def test_what_was_asked_before_the_end_of_the_input_is_answered(pool, project):
    said = "".join(json.dumps({"jsonrpc": "2.0", "id": i, "method": "tools/call",
                               "params": {"name": "slow", "arguments": {"seconds": 1}}}) + "\n" for i in range(3))
    done = subprocess.run(pool.connect_command(), cwd=project(), env=pool.env, input=said.rstrip("\n"), capture_output=True, text=True,
                          timeout=60)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and sorted(m["id"] for m in answers) == [0, 1, 2]
    assert {m["result"]["content"][0]["text"] for m in answers} == {"done"}


# --- it outlives poold ---

@pytest.mark.parametrize("kind", STDIO)
def test_an_sdk_client_lives_through_every_death(pool, project, sdk, kind):
    a = project()
    client = sdk(kind, a)
    assert str(a) in client.instructions and "echo" in client.ask("list")
    pids = [client.whoami()["pid"]]
    pool.ctl("evict", a)
    pids.append(client.whoami()["pid"])
    os.kill(pids[-1], signal.SIGKILL)
    wait_until(lambda: not alive(pids[-1]), "the daemon is dead")
    pids.append(client.whoami()["pid"])
    assert len(set(pids)) == 3
    for _ in range(3):
        os.kill(pool.pid(), signal.SIGKILL)
        assert client.whoami()["pid"] == pids[-1]  # at once: the socket is held
        assert "echo" in client.ask("list")
    slow = client.call("slow", progress=True, steps=4, seconds=0.4)
    assert slow["text"] == "done" and slow["progress"][:3] == [1, 2, 3]
    heard = len(client.ask("heard"))
    # The fake may still give one to the stream of a poold that is gone.
    wait_until(lambda: client.call("notify") and len(client.ask("heard")) > heard, "a push to the next poold's connection")
    pid = connect_pid(pool)
    assert pid
    client.close()
    wait_until(lambda: not alive(pid), "it has ended with its client", 5)


@pytest.mark.parametrize("kind", STDIO)
def test_a_call_over_a_kill_of_poold_is_answered_or_an_error_and_the_next_one_works(pool, project, sdk, kind):
    a = project()
    client = sdk(kind, a)
    client.ask("list")
    wait_until(lambda: remembered(pool), "its list is remembered")
    reads = client.send("call", tool="look", arguments={"seconds": 2, "steps": 2}, progress=True)
    changes = client.send("call", tool="slow", arguments={"seconds": 2}, progress=False)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 2, "both are under way")
    pool.kill()
    with pytest.raises(SdkError, match="may have run"):
        client.answer(changes)
    assert client.answer(reads)["text"] == "done"
    assert client.whoami()["project"] == str(a)


def remembered(pool):
    import sqlite3
    with sqlite3.connect(pool.state / "registry.db") as db:
        return [row for row in db.execute("SELECT project_key FROM known WHERE kind = 'tools'")]


def test_a_clean_restart_of_poold_is_no_other(pool, project, connect):
    a = project()
    pool.start()
    client = connect(a).open()
    client.request("tools/list")
    wait_until(lambda: remembered(pool), "its list is remembered")
    id = client.ask("tools/call", {"name": "look", "arguments": {"seconds": 1}})
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "it is under way")
    pool.ctl("shutdown", "--keep-daemons")
    assert client.answer(id)["result"]["content"][0]["text"] == "done", "it starts poold again for what it was asked"


def test_initialize_is_answered_once_also_over_a_kill(pool, project, connect):
    a = project()
    pool.configure({"fake": fake_server("--start-delay", "2")})
    pool.start()
    client = connect(a)
    client.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
               id="first")
    wait_until(lambda: pool.daemon(a) and pool.daemon(a)["state"] == "starting", "it starts")
    pool.kill()
    assert client.answer("first")["result"]["serverInfo"]["name"] == "fake"
    assert client.whoami()["project"] == str(a)
    assert not client.others and not client.answers


def test_a_session_whose_handshake_is_lost_is_given_it_again(pool, project, connect):
    a = project()
    pool.start()
    client = connect(a).open(capabilities={"sampling": {}})
    client.whoami()
    pool.ctl("shutdown")
    for file in pool.state.glob("registry.db*"):
        file.unlink()
    pool.start()
    assert client.whoami()["project"] == str(a)
    [shown] = pool.json("status", a)["daemons"][0]["clients"]
    assert shown["client"] == "lines 1"
    assert not client.others and not client.answers


def test_after_a_shutdown_the_next_request_starts_poold_and_an_idle_client_does_not(pool, project, connect):
    a = project()
    client = connect(a).open()
    client.whoami()
    pool.ctl("shutdown")
    for _ in range(20):
        assert not pool.pid()
        time.sleep(0.05)  # that nothing happens has no event to wait for
    assert client.whoami()["project"] == str(a) and pool.pid()


def test_where_poold_cannot_be_started_what_waits_is_an_error_and_later_requests_are_tried(pool, project, connect):
    a = project()
    right = pool.config_file.read_text()
    pool.config_file.write_text("{")
    client = connect(a)
    for id in (1, "two"):
        error = client.answer(client.ask("tools/list", id=id))["error"]
        assert error["code"] == NOT_RUNNING and "could not be started" in error["message"]
    assert "poold.conf" in client.stderr(pool)
    pool.config_file.write_text(right)

    def works():
        try:
            return client.open().whoami()["project"]
        except RpcError:
            return None
    assert wait_until(works, "it works once the mistake is mended") == str(a)


def test_a_client_that_ignores_its_children_hears_all_the_same_that_poold_cannot_be_started(pool, project):
    a = project()
    pool.config_file.write_text("{ a mistake")
    said = (pool.root / "connect.log").open("ab")
    with subprocess.Popen(pool.connect_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, cwd=a, env=pool.env,
                          preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)) as p:
        began = time.monotonic()
        p.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n')
        p.stdin.close()
        answer = json.loads(p.stdout.readline())
        assert "could not be started" in answer["error"]["message"] and time.monotonic() - began < 20
    said.close()


def test_a_server_of_its_own_ends_with_a_client_that_is_killed_in_a_call(pool, project, connect):
    pool.configure({"stdio": {"type": "stdio", "command": sys.executable, "args": [str(HERE / "stdio_mcp.py")],
                              "share": "session"}})
    pool.start()
    client = connect(project()).open()
    pid = client.whoami()["pid"]
    client.ask("tools/call", {"name": "never", "arguments": {}})
    wait_until(lambda: client.call("hear").count("never"), "it works on the call")
    client.process.kill()
    client.process.wait()
    wait_until(lambda: not alive(pid), "its server is gone")


@pytest.mark.parametrize("id, spelled", [('"\\u00e9"', '"\u00e9"'), ("1.0", "1")])
def test_it_ends_also_where_the_server_spells_an_id_in_its_own_way(pool, project, connect, id, spelled):
    pool.configure({"stdio": {"type": "stdio", "command": sys.executable, "args": [str(HERE / "stdio_mcp.py")],
                              "share": "session"}})
    pool.start()
    client = connect(project()).open()
    answer = '{"jsonrpc":"2.0","id":%s,"result":{}}' % spelled
    client.send(('{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"emit","arguments":{"hex":"%s",'
                 '"mute":true}}}' % (id, answer.encode().hex())).encode())
    assert client.receive() == json.loads(answer)
    assert client.close() == 0


# --- sizes ---

def test_large_messages_pass_and_a_request_past_the_limit_is_an_error_of_its_own(pool, project, connect):
    client = connect(project()).open()
    large = "x" * (3 << 20)
    assert client.call("echo", text=large) == large
    assert len(client.call("big", bytes=20 << 20)) == 20 << 20
    with pytest.raises(RpcError) as e:
        client.call("echo", text="y" * (9 << 20))
    assert e.value.code == TOO_BIG
    assert client.call("echo", text="after it") == "after it"


def test_a_thousand_requests_at_once_are_all_answered_over_two_kills(pool, project, connect):
    a = project()
    pool.start()
    client = connect(a).open()
    client.request("tools/list")
    wait_until(lambda: remembered(pool), "its list is remembered")

    def ask():
        for i in range(1000):
            client.ask("tools/call", {"name": "look", "arguments": {"seconds": 0.05}}, id=f"n{i}")
    asking = threading.Thread(target=ask)
    asking.start()
    for n in (200, 600):
        client.answer(f"n{n}")
        pool.kill()
    for i in range(1000):
        if i not in (200, 600):
            assert client.answer(f"n{i}")["result"]["content"][0]["text"] == "done"
    asking.join()
    assert not client.answers, "none twice"


# --- Claude Code ---

@pytest.mark.skipif(not CLAUDE.exists(), reason=f"Claude Code is not at {CLAUDE}: ./runtests installs it")
def test_claude_code_gets_the_same_as_with_the_url(pool, project):
    a = project("a")
    pool.start()
    model = Model()
    program = Claude(pool, model)
    first, *words = pool.connect_command()
    config = {"mcpServers": {"poold": {"command": first, "args": words}}}
    (a / ".mcp.json").write_text(json.dumps(config))
    calls = [("whoami", {}), ("echo", {"text": "there"})]
    asked = "\n".join(f"CALL mcp__poold__{tool} {json.dumps(arguments)}" for tool, arguments in calls)
    said = {}
    for how, options in (("url", []), ("command", ["--strict-mcp-config", "--mcp-config", str(a / ".mcp.json")])):
        process = program.start(a, "-p", asked, "--output-format", "json", "--allowedTools",
                                "mcp__poold__whoami,mcp__poold__echo", *options)
        said[how] = program.said(process).splitlines()
    assert said["url"] == said["command"] and json.loads(said["command"][0])["project"] == str(a)
    wait_until(lambda: connect_pid(pool) is None, "it has ended with Claude Code")
    model.close()
