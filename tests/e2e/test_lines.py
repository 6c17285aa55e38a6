"""mcp.sock: MCP as JSON lines, for clients that only speak to a program of their own."""
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from conftest import HERE, alive, fake_server, wait_until
from lines_client import Program, Socket
from mcp_client import RpcError, modern_meta

NO_PROJECT, DAEMON_LOST, TOO_BIG, PARSE = -31003, -31019, -31015, -32700


def socat(pool, cwd):
    """The command that people write into a client's configuration, literally."""
    return Program(["socat", "STDIO", f"UNIX-CONNECT:{pool.run}/mcp.sock"], cwd, pool.env)


@pytest.fixture
def lines(pool):
    """make(project="/path", ...) -> a connection with a first line; all are closed at the end."""
    made = []

    def make(**hello):
        made.append(Socket(pool, **hello))
        return made[-1]
    yield make
    for one in made:
        one.close()


def sessions(pool):
    return pool.json("list")[0]["sessions"] if pool.json("list") else 0


# --- the socket ---

def test_the_socket_is_for_its_user_only_and_outlives_poold(pool, project, lines):
    a = project()
    pool.start()
    path = pool.run / "mcp.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_ino
    os.kill(pool.pid(), 9)
    client = lines(project=str(a))  # it waits in the backlog for the next poold
    assert client.open().whoami()["project"] == str(a)
    assert path.stat().st_ino == before


# --- plain connections ---

def test_socat_reaches_the_project_it_is_started_in(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    one, two = socat(pool, a), socat(pool, b / "sub")
    for client, root in ((one, a), (two, b)):
        client.open()
        assert str(root) in client.initialized["instructions"]
        assert "echo" in [t["name"] for t in client.request("tools/list")["tools"]]
        assert client.whoami()["project"] == str(root)
    assert [d["sessions"] for d in pool.json("list")] == [1, 1]
    assert one.close() == 0 and two.close() == 0
    wait_until(lambda: [d["sessions"] for d in pool.json("list")] == [0, 0], "their sessions have ended with them")


def test_many_processes_share_one_server(pool, project):
    """What fails on a pipe (one reader, no multiplexing): each gets its own answers, from one daemon."""
    a = project()
    pool.start()
    clients = [socat(pool, a) for _ in range(8)]
    for client in clients:
        client.open()
    asked = [(c, c.ask("tools/call", {"name": "echo", "arguments": {"text": f"{n}.{i}"}}, id=i), f"{n}.{i}")
             for i in range(100, 110) for n, c in enumerate(clients)]
    for client, id, text in reversed(asked):
        assert client.answer(id)["result"]["content"][0]["text"] == text
    assert len({c.whoami()["pid"] for c in clients}) == 1
    assert all(c.close() == 0 for c in clients)


def test_one_shot_with_a_pipe_gets_its_answers_before_the_end(pool, project):
    """Requests, then the end of the input: answered, then closed; also without a handshake."""
    a = project()
    pool.start()
    said = "".join(json.dumps({"jsonrpc": "2.0", "id": i, "method": "tools/call",
                               "params": {"name": "slow", "arguments": {"seconds": 1}}}) + "\n" for i in range(3))
    done = subprocess.run(["socat", "-t", "30", "STDIO", f"UNIX-CONNECT:{pool.run}/mcp.sock"], cwd=a, timeout=60,
                          input=said.rstrip("\n"), capture_output=True, text=True)  # no line end behind the last one
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(m["id"] for m in answers) == [0, 1, 2]
    assert {m["result"]["content"][0]["text"] for m in answers} == {"done"}


def test_where_no_project_can_be_found_each_request_says_so(pool):
    pool.start()
    client = socat(pool, "/")
    with pytest.raises(RpcError) as e:
        client.open()
    assert e.value.code == NO_PROJECT and "/" in str(e.value)
    assert client.request("ping") == {}
    assert client.close() == 0


def test_ids_keep_their_type_and_progress_and_pushes_arrive(pool, project, lines):
    pool.start()
    client = lines(project=str(project())).open()
    for id in ("seven", 7, -1, "7", "", "\u2028"):
        assert client.request("ping", id=id) == {}
        assert client.request("tools/call", {"name": "echo", "arguments": {"text": "x"}}, id=id)["content"]
    assert client.call("slow", token="t", steps=4, seconds=0.4) == "done"
    steps = [m["params"] for m in client.others if m["method"] == "notifications/progress"]
    assert [s["progress"] for s in steps][-4:] == [1, 2, 3, 4] and {s["progressToken"] for s in steps} == {"t"}
    client.call("notify")
    while client.others[-1]["method"] != "notifications/tools/list_changed":
        client.others.append(client.receive())


def test_a_client_may_ask_for_the_newest_revision_first_and_then_initialize(pool, project, lines):
    pool.start()
    client = lines(project=str(project()))
    with pytest.raises(RpcError) as e:
        client.request("server/discover", {})
    assert e.value.code == -32602
    assert client.open().whoami()


def test_batches_are_for_the_revision_that_has_them(pool, project, lines):
    pool.start()
    client = lines(project=str(project())).open("2025-03-26")
    client.send([{"jsonrpc": "2.0", "id": i, "method": "tools/call",
                  "params": {"name": "echo", "arguments": {"text": str(i)}}} for i in (50, 51)]
                + [{"jsonrpc": "2.0", "id": 52, "method": "ping"}])
    assert [client.answer(i)["result"] for i in (52, 50, 51)][0] == {}
    newer = lines(project=str(project("b"))).open("2025-06-18")
    newer.send([{"jsonrpc": "2.0", "id": 1, "method": "ping"}])
    assert "batches" in newer.receive()["error"]["message"]


# --- framing ---

def test_lines_end_at_a_line_feed_only(pool, project, lines):
    """U+2028 and U+2029 are line ends to some readers; blank lines and CR LF are nobody's fault."""
    pool.start()
    client = lines(project=str(project())).open()
    text = "a\u2028b\u2029c\u0085d\x0be"
    raw = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "echo", "arguments": {"text": text}}}, ensure_ascii=False)
    client.send(b"\n\r\n" + raw.encode() + b"\r")
    assert client.answer(1)["result"]["content"][0]["text"] == text


def test_an_answer_with_line_ends_in_its_json_is_one_line(pool, project, lines):
    pool.configure({"fake": fake_server("--json", "--pretty")})
    pool.start()
    client = lines(project=str(project())).open()
    client.ask("tools/call", {"name": "echo", "arguments": {"text": "one\ntwo"}}, id=5)
    line = client.reader.readline()
    assert json.loads(line)["result"]["content"][0]["text"] == "one\ntwo"


def test_what_is_no_message_is_answered_with_an_error_and_the_next_line_counts(pool, project, lines):
    pool.start()
    client = lines(project=str(project())).open()
    for rubbish in (b"hello", b"{}", b'{"jsonrpc":"2.0"', b"\xff\xfe", b"[]"):
        client.send(rubbish)
        assert client.receive()["error"]["code"] == PARSE
    assert client.call("echo", text="on") == "on"


def test_large_lines_pass_and_one_past_the_limit_is_one_error(pool, project, lines):
    pool.start()
    client = lines(project=str(project())).open()
    large = "x" * (3 << 20)
    assert client.call("echo", text=large) == large
    assert len(client.call("big", bytes=20 << 20)) == 20 << 20
    client.ask("tools/call", {"name": "echo", "arguments": {"text": "y" * (9 << 20)}})
    assert client.call("echo", text="after it") == "after it"
    [error] = client.others
    assert error["error"]["code"] == TOO_BIG and error["id"] is None


def test_a_reader_that_does_not_read_costs_little_and_holds_nobody_up(pool, project, lines):
    """It pipelines lists and large answers without reading; poold stops reading it."""
    pool.start()
    a = str(project())
    slow, other = lines(project=a).open(), lines(project=a).open()
    slow.socket.setblocking(False)
    line = (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                        "params": {"name": "big", "arguments": {"bytes": 1 << 20}}}) + "\n").encode()
    sent = 0
    for _ in range(200_000):
        try:
            sent += slow.socket.send(line)
        except BlockingIOError:
            break
    else:
        pytest.fail("poold goes on reading")
    rss = lambda: int(open(f"/proc/{pool.pid()}/statm").read().split()[1]) * 4096  # noqa: E731
    for i in range(20):
        assert other.call("echo", text=str(i)) == str(i)
        time.sleep(0.02)
    assert rss() < 400 << 20  # with the sanitizers; what is held is bounded by the calls under way
    slow.socket.setblocking(True)
    slow.socket.settimeout(60)
    got = 0
    while got < sent // len(line):
        got += slow.receive() is not None
    assert other.call("echo", text="still") == "still"


# --- sessions ---

def test_a_first_line_names_project_and_server_and_is_answered_with_the_session(pool, project, lines):
    a, b = project("a"), project("b")
    pool.configure({"fake": fake_server(), "second": fake_server()})
    pool.start()
    client = lines(project=str(a))
    assert client.welcome["project"] == str(a) and client.welcome["server"] == "fake"
    assert client.welcome["initialized"] is False and client.welcome["session"]
    assert client.open().whoami()["project"] == str(a)
    by_key = lines(project=client.welcome["projectKey"], server="second")
    assert by_key.welcome["server"] == "second" and by_key.open().whoami()["project"] == str(a)
    assert lines(project=str(b)).open().whoami()["project"] == str(b)


@pytest.mark.parametrize("hello,code", [({"project": "/nowhere"}, "no-project"), ({"project": "unknown-0"}, "no-project"),
                                        ({"project": 7}, "bad-request")])
def test_a_first_line_that_cannot_be_followed_is_answered_with_why(pool, hello, code):
    pool.start()
    client = Socket(pool, **hello)
    assert client.welcome["error"]["code"] == code and client.welcome["error"]["message"]
    client.close()


def test_a_server_that_is_not_configured_is_named(pool, project, lines):
    pool.start()
    client = lines(project=str(project()), server="other")
    assert client.welcome["error"]["code"] == "no-server"
    with pytest.raises(RpcError, match="other"):
        client.open()


@pytest.mark.parametrize("kill", [False, True])
def test_a_named_session_is_gone_on_with(pool, project, lines, kill):
    """By another connection, over a kill of poold too: no second handshake, the same daemon, its log level."""
    a = project()
    pool.start()
    client = lines(project=str(a)).open()
    pid = client.whoami()["pid"]
    client.request("logging/setLevel", {"level": "warning"})
    if kill:
        pool.kill()
    again = lines(session=client.welcome["session"])
    assert again.welcome["session"] == client.welcome["session"] and again.welcome["initialized"] is True
    assert again.whoami()["pid"] == pid
    assert client.receive() is None, "the earlier connection is closed"
    os.kill(pid, 9)
    wait_until(lambda: not alive(pid), "the daemon is dead")
    assert again.whoami()["pid"] != pid
    assert ["logging/setLevel", {"level": "warning"}] in json.loads(again.call("settings"))
    again.call("notify")
    while "notifications/tools/list_changed" not in [m.get("method") for m in again.others]:
        again.others.append(again.receive())


def test_a_session_belongs_to_its_project(pool, project, lines):
    a, b = project("a"), project("b")
    pool.start()
    session = lines(project=str(a)).open().welcome["session"]
    other = lines(session=session, project=str(b))
    assert other.welcome["error"]["code"] == "conflict"
    assert lines(session=session, project=str(a)).welcome["session"] == session


def test_after_a_kill_of_poold_what_only_reads_is_asked_again_and_the_rest_is_an_error(pool, project, lines):
    a = project()
    pool.start()
    client = lines(project=str(a)).open()
    client.request("tools/list")
    wait_until(lambda: remembered(pool), "its list is remembered")
    asked = [{"jsonrpc": "2.0", "id": n, "method": "tools/call",
              "params": {"name": tool, "arguments": {"seconds": 1, "steps": 2}}}
             for n, tool in (("reads", "look"), ("changes", "slow"))]
    for message in asked:
        client.send(message)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 2, "both are under way")
    pool.kill()
    again = lines(session=client.welcome["session"])
    for message in (*asked, {"jsonrpc": "2.0", "id": "list", "method": "tools/list"}):
        again.send({"poold": {"again": message}})
    again.send({"poold": {"again": "only its id"}})
    assert again.answer("reads")["result"]["content"][0]["text"] == "done"
    assert again.answer("list")["result"]["tools"]
    for id in ("changes", "only its id"):
        error = again.answer(id)["error"]
        assert error["code"] == DAEMON_LOST and "may have run" in error["message"]
    assert again.whoami()


def test_what_is_still_under_way_is_answered_once(pool, project, lines):
    """The connection broke and poold did not: the answer goes to the next one."""
    a = project()
    pool.start()
    client = lines(project=str(a)).open()
    message = {"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": "slow", "arguments": {"seconds": 2}}}
    client.send(message)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "it is under way")
    client.close()
    again = lines(session=client.welcome["session"])
    again.send({"poold": {"again": message}})
    assert again.answer(77)["result"]["content"][0]["text"] == "done"
    assert json.loads(again.call("calls")).count("slow") == 1


def test_a_session_without_a_first_line_ends_with_its_connection(pool, project):
    a = project()
    pool.start()
    client = socat(pool, a).open()
    client.whoami()
    assert sessions(pool) == 1
    client.process.kill()
    client.close()
    wait_until(lambda: sessions(pool) == 0, "it has ended")
    import sqlite3
    with sqlite3.connect(pool.state / "registry.db") as db:
        assert [r for r in db.execute("SELECT ended_unix_ms FROM session")][0][0] > 0


def test_a_lean_session_has_three_tools(pool, project, lines):
    pool.start()
    client = lines(project=str(project()), lean=True).open()
    assert [t["name"] for t in client.request("tools/list")["tools"]] == ["search_tools", "describe_tool", "call_tool"]
    assert client.call("call_tool", name="echo", arguments={"text": "through"}) == "through"


def test_a_known_server_is_answered_from_memory_while_its_daemon_is_down(pool, project, lines):
    a = project()
    pool.start()
    lines(project=str(a)).open().request("tools/list")
    wait_until(lambda: remembered(pool), "its lists are remembered")
    pool.ctl("stop", "--now", a)
    wait_until(lambda: pool.daemon(a)["state"] == "down", "down")
    starts = pool.daemon(a)["starts"]
    client = lines(project=str(a)).open()
    assert client.request("tools/list")["tools"]
    assert pool.daemon(a)["starts"] == starts
    assert client.whoami()["project"] == str(a)


def test_poolctl_shows_what_it_is(pool, project, lines):
    a = project()
    pool.start()
    lines(project=str(a)).open().whoami()
    [shown] = pool.json("status", a)["daemons"][0]["clients"]
    assert (shown["transport"], shown["route"], shown["pid"]) == ("lines", "line", os.getpid())


def remembered(pool):
    import sqlite3
    with sqlite3.connect(pool.state / "registry.db") as db:
        return [row for row in db.execute("SELECT project_key FROM known WHERE kind = 'tools'")]


def test_two_hundred_connections_come_and_go(pool, project):
    a = project()
    pool.start()
    Socket(pool, project=str(a)).open().close()
    failures = []

    def visit(n):
        try:
            for i in range(10):
                client = Socket(pool, project=str(a)) if n % 2 else Socket(pool, project=str(a), lean=True)
                client.open()
                assert client.request("ping", id=f"{n}.{i}") == {}
                client.close()
        except (OSError, AssertionError) as e:
            failures.append(e)
    threads = [threading.Thread(target=visit, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[:3]
    with socket.socket(socket.AF_UNIX) as s:  # one that says nothing is no trouble
        s.connect(str(pool.run / "mcp.sock"))
        assert pool.serves()


# --- over a stdio server ---

@pytest.mark.parametrize("share", ["project", "session"])
def test_a_stdio_server_is_reached_and_its_calls_outlive_poold(pool, project, lines, share):
    """The server goes on with what it was asked; the answer comes to the next poold, and from there to its client."""
    a = project()
    pool.configure({"stdio": {"command": sys.executable, "args": [str(HERE / "stdio_mcp.py")], "type": "stdio", "share": share}})
    pool.start()
    one, two = lines(project=str(a)).open(), lines(project=str(a)).open()
    pids = [json.loads(c.call("whoami"))["pid"] for c in (one, two)]
    assert len(set(pids)) == (1 if share == "project" else 2)
    asked = [{"jsonrpc": "2.0", "id": id, "method": "tools/call",
              "params": {"name": "echo", "arguments": {"mark": str(id), "seconds": seconds}}}
             for id, seconds in (("soon", 0.3), ("later", 3), ("7", 2), (7, 2))]
    for message in asked:
        one.send(message)
    two.send(asked[2])
    wait_until(lambda: sum(d["inFlight"] for d in pool.json("list")) == 5, "all are under way")
    pool.kill()
    wait_until(lambda: pool.daemon(a)["state"] in ("ready", "busy"), "its daemon is taken back")
    time.sleep(0.5)  # what is kept for who has not come back yet: the first answer is there
    again, again_two = lines(session=one.welcome["session"]), lines(session=two.welcome["session"])
    for message in asked[:3]:
        again.send({"poold": {"again": message}})
    again.send({"poold": {"again": 7}})
    again_two.send({"poold": {"again": asked[2]}})
    for message in asked:
        assert again.answer(message["id"])["result"]["content"][0]["text"] == str(message["id"])
    assert again_two.answer("7")["result"]["content"][0]["text"] == "7"
    assert [json.loads(c.call("whoami"))["pid"] for c in (again, again_two)] == pids
    assert not again.answers and not again_two.answers, "none twice"


def test_a_late_answer_that_cannot_come_any_more_is_an_error(pool, project, lines):
    a = project()
    pool.configure({"stdio": {"command": sys.executable, "args": [str(HERE / "stdio_mcp.py")], "type": "stdio"}})
    pool.start()
    client = lines(project=str(a)).open()
    pid = json.loads(client.call("whoami"))["pid"]
    id = client.ask("tools/call", {"name": "never"})
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "it is under way")
    pool.kill()
    again = lines(session=client.welcome["session"])
    again.send({"poold": {"again": id}})
    wait_until(lambda: (pool.daemon(a) or {}).get("inFlight") == 1, "it is waited for")
    os.kill(pid, 9)
    error = again.answer(id)["error"]
    assert error["code"] == DAEMON_LOST and "may have run" in error["message"]


# --- roots ---

@pytest.mark.parametrize("hello", [{}, {"lean": False}])
def test_roots_name_the_project_where_nothing_else_does(pool, project, hello):
    a = project()
    pool.start()
    client = socat(pool, "/")
    if hello:
        client.send({"poold": hello})
        assert "project" not in client.receive()["poold"]
    client.open(capabilities={"roots": {}})
    asked = client.receive()
    assert asked["method"] == "roots/list"
    client.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": [{"uri": f"file://{a}"}]}})
    assert client.whoami()["project"] == str(a)
    assert client.close() == 0


# --- the stateless revision ---

@pytest.fixture(params=["dual", "legacy"])
def era(request, pool):
    """A pool whose server speaks both eras, or only that of sessions."""
    pool.configure({"fake": {"command": sys.executable, "type": "http", "env": {"FAKE_ERA": request.param},
                             "args": [str(HERE / "dual_mcp.py"), "--port", "${POOLD_PORT}", "--project", "${POOLD_PROJECT}"]}})
    return request.param


def modern(params=None, **meta):
    return {**(params or {}), "_meta": {**modern_meta(), **meta}}


def modern_call(client, tool, id=None, **arguments):
    result = client.request("tools/call", modern({"name": tool, "arguments": arguments}), id=id)
    assert result["resultType"] == "complete"
    return result["content"][0]["text"]


@pytest.mark.parametrize("how", ["socat", "hello"])
def test_a_modern_client_is_served_without_a_session(era, pool, project, lines, how):
    a = project()
    pool.start()
    pool.ctl("ensure", a)
    client = socat(pool, a) if how == "socat" else lines(project=str(a))
    found = client.request("server/discover", modern())
    assert "2026-07-28" in found["supportedVersions"] and found["resultType"] == "complete" and str(a) in found["instructions"]
    listed = client.request("tools/list", modern())
    assert "whoami" in [t["name"] for t in listed["tools"]] and "ttlMs" in listed
    for id in ("seven", 7):
        assert json.loads(modern_call(client, "whoami", id=id))["project"] == str(a)
    for method, code in (("ping", -32601), ("logging/setLevel", -32601)):
        with pytest.raises(RpcError) as e:
            client.request(method, modern({"level": "info"}))
        assert e.value.code == code
    with pytest.raises(RpcError) as e:
        client.request("tools/list", {"_meta": modern_meta("2031-01-01")})
    assert e.value.code == -32022
    client.close()


def test_a_modern_client_listens_and_cancels_over_its_one_connection(era, pool, project, lines):
    a = project()
    pool.start()
    pool.ctl("ensure", a)
    client = lines(project=str(a))
    client.request("server/discover", modern())
    client.ask("subscriptions/listen", modern({"notifications": {"toolsListChanged": True}}), id="l")
    assert client.receive()["method"] == "notifications/subscriptions/acknowledged"
    slow = client.ask("tools/call", modern({"name": "slow", "arguments": {"seconds": 30}}))
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "it is under way")
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": slow}})
    assert json.loads(modern_call(client, "whoami"))["project"] == str(a)
    assert slow not in client.answers
    client.end()
    client.others.clear()
    while (message := client.receive()) is not None:  # a stream without an end of its own holds nothing open
        assert message.get("id") != slow


def test_a_modern_call_over_a_kill_of_poold_is_asked_again_or_an_error(era, pool, project, lines):
    a = project()
    pool.start()
    client = lines(project=str(a))
    modern_call(client, "whoami")
    message = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": modern({"name": "slow", "arguments": {"seconds": 2}})}
    client.send(message)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "it is under way")
    pool.kill()
    again = lines(session=client.welcome["session"])
    again.send({"poold": {"again": message}})
    again.send({"poold": {"again": {"jsonrpc": "2.0", "id": 10, "method": "tools/list", "params": modern()}}})
    assert again.answer(10)["result"]["tools"]
    assert again.answer(9)["error"]["code"] == DAEMON_LOST
    assert json.loads(modern_call(again, "whoami"))["project"] == str(a)
