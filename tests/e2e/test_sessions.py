"""What a client has set in its session outlives the daemon; a client that is gone leaves nothing in it."""
import json
import os
import signal
import subprocess
import sys

import pytest

from conftest import alive, fake_server, serena_dir, wait_until
from mcp_client import Client, Stream

A, B = "file:///a%20b", "file:///\u00e9"


def settings(client):
    """What the daemon was told in the session that it has with us now."""
    return [(m.split("/")[1], p.get("level") or p.get("uri")) for m, p in json.loads(client.call("settings"))]


def set_all(client):
    client.request("logging/setLevel", {"level": "warning"})
    client.request("resources/subscribe", {"uri": A})
    client.request("resources/subscribe", {"uri": B})
    client.request("resources/unsubscribe", {"uri": A})


def evict(pool, root):
    pool.ctl("evict", root)


def kill_daemon(pool, root):
    pid = pool.daemon(root)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the daemon is dead")


def kill_both(pool, root):
    pool.kill()
    kill_daemon(pool, root)


@pytest.mark.parametrize("end", [evict, kill_daemon, kill_both], ids=lambda f: f.__name__)
def test_log_level_and_subscriptions_are_restored_before_the_next_call(pool, project, end):
    a = project("a")
    client = Client(pool.ctl("ensure", a).stdout.strip()).open()
    set_all(client)
    end(pool, a)
    client.connection.close()
    assert sorted(settings(client)) == [("setLevel", "warning"), ("subscribe", B)]


def test_a_listening_client_gets_its_settings_back_without_calling(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    client = Client(url).open()
    stream = Stream(url, {"Mcp-Session-Id": client.session})
    client.request("resources/subscribe", {"uri": B})
    kill_daemon(pool, a)
    pool.ctl("ensure", a)
    other = Client(url).open()
    wait_until(lambda: len(json.loads(other.call("sessions"))) >= 2, "its session is there again")
    assert settings(client) == [("subscribe", B)]
    stream.close()


def test_a_subscription_of_a_client_that_is_there_keeps_its_daemon(pool, project):
    a, b = project("a"), project("b")
    pool.configure({"fake": fake_server(idleSeconds=1)})
    url = pool.ctl("ensure", a).stdout.strip()
    client = Client(url).open()
    client.request("resources/subscribe", {"uri": B})
    pool.ctl("ensure", b)
    wait_until(lambda: pool.daemon(b)["state"] == "down", "what nobody listens to is evicted")
    assert pool.daemon(a)["state"] == "ready"
    client.request("resources/unsubscribe", {"uri": B})
    wait_until(lambda: pool.daemon(a)["state"] == "down", "and so is this one now")


def in_a_process(url, then, **more):
    """A client in a process of its own: its session id, once it is open."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from mcp_client import Client\n"
            "c = Client(sys.argv[2]).open(); c.whoami(); print(c.session, flush=True); " + then)
    process = subprocess.Popen([sys.executable, "-c", code, os.path.dirname(__file__), url], stdout=subprocess.PIPE,
                               text=True, **more)
    return process, process.stdout.readline().strip()


def test_the_end_of_a_clients_process_ends_its_session_in_the_daemon(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    watcher = Client(url).open()
    before = json.loads(watcher.call("sessions"))
    process, session = in_a_process(url, "sys.stdin.read()")
    assert len(json.loads(watcher.call("sessions"))) == len(before) + 1
    process.kill()
    process.wait()
    wait_until(lambda: json.loads(watcher.call("sessions")) == before, "the daemon's session is gone", 3)
    again = Client(url)
    again.session = session
    again.headers["MCP-Protocol-Version"] = "2025-11-25"
    assert again.whoami()["project"] == str(a), "its id is still taken back"


def test_a_call_whose_client_is_gone_counts_as_busy_until_its_end(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    process, _ = in_a_process(url, "c.call('slow', seconds=4)")
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is under way")
    process.kill()
    process.wait()
    assert pool.daemon(a)["inFlight"] == 1
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0, "its end")
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "and then its session is put aside", 3)


def test_clients_that_come_and_go_leave_no_descriptor(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    in_a_process(url, "pass")[0].wait()
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "the first is put aside", 3)
    count = len(os.listdir(f"/proc/{pool.pid()}/fd"))
    for process, _ in [in_a_process(url, "sys.stdin.read()") for _ in range(5)] * 2:
        process.kill()
        process.wait()
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "all are put aside", 3)
    wait_until(lambda: len(os.listdir(f"/proc/{pool.pid()}/fd")) <= count, "their descriptors are closed", 12)


def test_a_client_that_leaves_during_its_handshake_leaves_no_session_in_the_daemon(pool, project):
    record = pool.root / "record"
    pool.configure({"fake": fake_server("--handshake-delay", "1", "--record", str(record))})
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "short", "version": "1"}}}
    clients = [Client(url, timeout=0.3) for _ in range(3)]  # at once: later ones would be answered from memory
    for client in clients:
        client.connection.request("POST", client.path, json.dumps(body), {
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream"})
    for client in clients:
        with pytest.raises(TimeoutError):
            client.connection.getresponse()
        client.close()
    wait_until(lambda: record.read_text().count("DELETE") >= 3, "each is ended", 10)
    watcher = Client(url).open()
    wait_until(lambda: len(json.loads(watcher.call("sessions"))) == 2, "poold's own and the watcher's", 10)


def test_a_handshake_whose_stream_stays_open_is_one(pool, project):
    pool.configure({"fake": fake_server("--open-handshake")}, startWaitSeconds=10)
    url = pool.ctl("ensure", project("a")).stdout.strip()
    assert Client(url).open().call("echo", text="x") == "x"


def test_a_call_that_waits_for_a_start_tells_how_far_it_is(pool, project):
    pool.configure({"fake": fake_server("--start-delay", "6")})
    a = project("a")
    client = Client(pool.ctl("ensure", a).stdout.strip()).open()
    pool.ctl("stop", "--now", a)
    wait_until(lambda: pool.daemon(a)["state"] == "down", "down")
    result = client.request("tools/call", {"name": "slow", "arguments": {"seconds": 0.1, "steps": 2},
                                           "_meta": {"progressToken": "t"}})
    assert result["content"][0]["text"] == "done"
    told = [n["params"] for n in client.notifications]
    assert all(p["progressToken"] == "t" for p in told)
    assert [p["progress"] for p in told] == sorted({p["progress"] for p in told}), "it only grows"
    assert "fake daemon is starting" in told[0]["message"] and told[-1]["progress"] == 2


def test_no_request_without_a_session_reaches_a_daemon_and_no_offered_session_is_taken(pool, project):
    """But initialize, which asks for one, and the question which eras it speaks."""
    a = project("a")
    record = pool.root / "requests"
    pool.configure({"fake": fake_server("--record", str(record), "--offer-sessions")})
    url = pool.ctl("ensure", a).stdout.strip()
    clients = [Client(url).open() for _ in range(2)]
    streams = [Stream(url, {"Mcp-Session-Id": c.session}) for c in clients]
    for end in (lambda: None, lambda: evict(pool, a), lambda: kill_daemon(pool, a), pool.kill,
                lambda: clients[0].call("forget")):
        end()
        for client in clients:
            client.connection.close()
            set_all(client)
            client.request("tools/list")
            client.notify("notifications/roots/list_changed")
            assert client.whoami()["project"] == str(a)
    sse = Stream(f"{pool.url}/sse?project={a}")
    wait_until(lambda: sse.events, "the endpoint")
    poster = Client(pool.url + sse.events[0][1])
    assert poster.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[0] == 202
    wait_until(lambda: sse.messages(), "an answer")
    for client in clients:
        client.connection.request("DELETE", client.path, headers={"Mcp-Session-Id": client.session})
        assert client.connection.getresponse().read() == b""
    for one in (*streams, sse):
        one.close()
    seen = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(seen) > 60
    assert {method for _, method, session in seen if not session} <= {"initialize", "server/discover"}
    assert "offered-unasked" not in {session for _, _, session in seen}
    assert not any(session for _, method, session in seen if method == "initialize")


def test_a_session_taken_back_after_a_kill_of_poold_is_watched_again(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    process, _ = in_a_process(url, "\nfor line in sys.stdin: c.connection.close(); print(c.whoami()['project'], flush=True)",
                              stdin=subprocess.PIPE)
    pool.kill()
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline().strip() == str(a)
    assert pool.daemon(a)["sessions"] == 1
    process.kill()
    process.wait()
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "its end was noticed", 1)


def test_a_call_that_its_client_left_keeps_serena_busy_until_its_end(pool, project):
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    a = project("a")
    (a / "m.py").write_text("def shared():\n    return 1\n")
    url = pool.ctl("ensure", a, timeout=120).stdout.strip()
    find = "c.call('find_symbol', name_path_pattern='shared')"  # the first one starts a language server
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from mcp_client import Client\n"
            f"c = Client(sys.argv[2]).open(); {find}")
    process = subprocess.Popen([sys.executable, "-c", code, os.path.dirname(__file__), url])
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is under way")
    process.kill()
    process.wait()
    row = pool.daemon(a)
    assert row["inFlight"] == 1 and row["state"] == "busy"
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0, "its end", 60)
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "and then its session is put aside", 3)
