"""The front: sessions, streams, transports, and what a client sees when things go wrong."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from conftest import alive, fake_server, wait_until
from mcp_client import Client, RpcError, Stream


def open_client(pool, project_dir, **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(project_dir)}, **kw).open()


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["sse-answers", "json-answers"])
def test_a_session_lists_and_calls(pool, project, options):
    a = project()
    pool.configure({"fake": fake_server(*options)})
    pool.start()
    client = open_client(pool, a)
    assert "echo" in [t["name"] for t in client.request("tools/list")["tools"]]
    assert client.call("echo", text="héllo \u2028 \"quoted\"") == "héllo \u2028 \"quoted\""
    assert client.seen["x-poold-project"] == pool.daemon(a)["projectKey"]
    assert client.seen["x-poold-daemon"] == pool.daemon(a)["daemonId"]


def test_request_ids_keep_their_type(pool, project):
    pool.start()
    client = open_client(pool, project())
    for id in (0, 7, "7", "a\"b", -1):
        assert client.request("tools/list", id=id)["tools"]
    with pytest.raises(RpcError):
        client.request("no/such", id="text")


@pytest.mark.parametrize("front", ["mcp", "sse"])
@pytest.mark.parametrize("daemon", ["http", "sse"])
def test_any_client_transport_reaches_any_daemon_transport(pool, project, front, daemon):
    a = project()
    entry = fake_server("--transport", daemon, type=daemon)
    pool.configure({"fake": entry})
    pool.start()
    if front == "mcp":
        client = open_client(pool, a)
        assert client.whoami()["project"] == str(a)
        assert client.call("slow", token="t", steps=3, seconds=0.3) == "done"
        assert [n["params"]["progress"] for n in client.notifications] == [1, 2, 3]
        return
    stream = Stream(f"{pool.url}/sse?project={a}")
    endpoint = wait_until(lambda: stream.events, "endpoint")[0]
    assert endpoint[0] == "endpoint" and endpoint[1].startswith("/messages?")
    poster = Client(pool.url + endpoint[1])

    def ask(id, method, **params):
        assert poster.post({"jsonrpc": "2.0", "id": id, "method": method, "params": params})[0] == 202
        return wait_until(lambda: [m for m in stream.messages() if m.get("id") == id], f"answer {id}")[0]
    first = ask(0, "initialize", protocolVersion="2024-11-05", capabilities={}, clientInfo={"name": "x", "version": "1"})
    assert str(a) in first["result"]["instructions"]
    assert poster.post({"jsonrpc": "2.0", "method": "notifications/initialized"})[0] == 202
    who = ask(1, "tools/call", name="whoami", arguments={})
    assert json.loads(who["result"]["content"][0]["text"])["project"] == str(a)
    ask(2, "tools/call", name="slow", arguments={"steps": 2, "seconds": 0.2}, _meta={"progressToken": 5})
    assert [m["params"]["progress"] for m in stream.messages() if m.get("method") == "notifications/progress"] == [1, 2]
    stream.close()


def test_the_session_outlives_the_daemon(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    first = client.whoami()["pid"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not alive(first), "the daemon is dead")
    second = client.whoami()["pid"]
    assert second != first
    pool.ctl("evict", a)
    wait_until(lambda: not alive(second), "evicted")
    assert client.whoami()["pid"] != second


def test_kill_of_the_keeper_between_two_calls(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    first = client.whoami()["pid"]
    os.kill(pool.daemon(a)["keeperPid"], signal.SIGKILL)
    wait_until(lambda: not alive(first), "nothing is left of the daemon")
    assert client.whoami()["pid"] != first


def test_poold_killed_in_a_loop_keeps_port_daemon_and_session(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    pid = client.whoami()["pid"]
    refused = []
    stop = threading.Event()

    def knock():
        while not stop.is_set():
            try:
                socket.create_connection(("127.0.0.1", pool.port), timeout=5).close()
            except ConnectionRefusedError as e:
                refused.append(e)
    knocker = threading.Thread(target=knock)
    knocker.start()
    try:
        for _ in range(5):
            pool.kill()
            client.connection.close()
            assert client.whoami()["pid"] == pid
    finally:
        stop.set()
        knocker.join()
    assert refused == []
    assert len(pool.json("list")) == 1


def test_a_call_lost_with_the_daemon_is_an_error_that_says_so(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    with pytest.raises(RpcError, match="ended before it answered"):
        client.call("crash")
    assert client.whoami()["project"] == str(a)


def test_a_daemon_that_forgot_its_sessions_is_asked_again(pool, project):
    for status in ("404", "400"):
        a = project(f"p{status}")
        pool.configure({"fake": fake_server("--lost-status", status)})
        pool.ctl("ensure", a)
        client = open_client(pool, a)
        client.call("forget")
        assert client.call("echo", text="again") == "again"
        pool.ctl("shutdown")


def test_pushes_reach_the_stream_also_of_the_next_daemon(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    stream = Stream(pool.url + "/mcp", {"Mcp-Session-Id": client.session})
    assert stream.response.status == 200

    def pushed(n):
        client.call("notify")
        return wait_until(lambda: len(stream.messages()) >= n, f"{n} pushes")
    pushed(1)
    first = client.whoami()["pid"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not alive(first), "the daemon is dead")
    wait_until(lambda: client.call("notify") and len(stream.messages()) >= 2, "a push of the next daemon")
    assert not stream.ended
    stream.close()


def test_a_deleted_session_is_gone_and_others_stay(pool, project):
    a = project()
    pool.start()
    one, two = open_client(pool, a), open_client(pool, a)
    one.connection.request("DELETE", "/mcp", headers={"Mcp-Session-Id": one.session})
    response = one.connection.getresponse()
    assert response.status == 200 and response.read() == b""
    assert one.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[0] == 404
    assert two.whoami()["project"] == str(a)
    pool.kill()
    one.connection.close()
    assert one.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[0] == 404


def test_a_forged_session_is_not_known(pool, project):
    pool.start()
    client = open_client(pool, project())
    client.session = client.session[:-1] + ("a" if client.session[-1] != "a" else "b")
    assert client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[0] == 404


def test_a_session_survives_the_loss_of_the_registry(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    pid = client.whoami()["pid"]
    for file in pool.state.glob("registry.db*"):
        file.write_bytes(b"this is no database" * 100) if file.suffix == ".db" else file.unlink()
    pool.kill()
    client.connection.close()
    assert client.whoami()["pid"] == pid
    assert "damaged" in pool.log_tail(200)
    assert list(pool.state.glob("registry.db.damaged-*"))


def test_a_long_call_is_kept_alive_and_answered(pool, project):
    pool.configure({"fake": fake_server("--json")})
    pool.start()
    client = open_client(pool, project())
    status, headers, body = client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                                         "params": {"name": "slow", "arguments": {"seconds": 12}}})
    assert status == 200 and headers["content-type"] == "text/event-stream"
    assert ": poold" in body and '"done"' in body


def test_big_answers_and_a_slow_reader(pool, project):
    for options in ([], ["--json"]):
        a = project("json" if options else "sse")
        pool.configure({"fake": fake_server(*options)})
        pool.ctl("ensure", a)
        client = open_client(pool, a)
        assert len(client.call("big", bytes=5_000_000)) == 5_000_000
        pool.ctl("shutdown")


def test_a_departed_client_does_not_hurt_the_call_or_others(pool, project):
    a = project()
    pool.start()
    gone, stays = open_client(pool, a), open_client(pool, a)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                       "params": {"name": "slow", "arguments": {"seconds": 2}}})
    gone.connection.request("POST", "/mcp", body, {"Content-Type": "application/json", "Accept": "*/*",
                                                   "Mcp-Session-Id": gone.session})
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is in flight")
    gone.close()
    assert stays.call("echo", text="x") == "x"
    assert pool.daemon(a)["inFlight"] == 1
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0, "the call has ended")


MALFORMED = {
    "two lengths": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunked": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    "bare LF": b"GET /mcp HTTP/1.1\nHost: localhost\n\n",
    "space before colon": b"GET /mcp HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "odd number": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}",
    "folded header": b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
def test_requests_that_can_be_read_two_ways_are_refused(pool, request_bytes):
    pool.start()
    with socket.create_connection(("127.0.0.1", pool.port), timeout=10) as s:
        s.sendall(request_bytes + (b"" if b"\r\n\r\n" in request_bytes else b"\r\n\r\n"))
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 400") and answer.count(b"HTTP/1.1") == 1


def test_pipelined_and_split_requests_are_answered_in_order(pool):
    pool.start()
    one = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}'
    requests = b"".join(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        b"Content-Length: %d\r\n\r\n%s" % (len(one % i), one % i) for i in range(5))
    with socket.create_connection(("127.0.0.1", pool.port), timeout=10) as s:
        for i in range(0, len(requests), 7):
            s.sendall(requests[i:i + 7])
        s.sendall(requests)
        answer = b""
        while answer.count(b'"result":{}') < 10:
            answer += s.recv(65536)
    ids = [int(part.split(b",")[0]) for part in answer.split(b'"id":')[1:]]
    assert ids == [0, 1, 2, 3, 4] * 2


def test_a_chunked_body_is_understood(pool):
    pool.start()
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    with socket.create_connection(("127.0.0.1", pool.port), timeout=10) as s:
        s.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                  + b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 9]), body[i:i + 9]) for i in range(0, len(body), 9))
                  + b"0\r\n\r\n")
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert b"200 OK" in answer and b'"result":{}' in answer


def test_a_call_under_way_is_answered_when_poold_is_ended(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    errors = []

    def call():
        try:
            client.call("slow", seconds=30)
        except RpcError as e:
            errors.append(str(e))
    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is in flight")
    os.kill(pool.pid(), signal.SIGTERM)
    caller.join(20)
    assert errors and "poold was ended" in errors[0]


def test_no_free_descriptor_makes_clients_wait_and_not_fail(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    subprocess.run(["prlimit", f"--pid={pool.pid()}", "--nofile=40"], check=True)
    crowd = [socket.create_connection(("127.0.0.1", pool.port), timeout=10) for _ in range(60)]
    waiting = Client(pool.url + "/mcp", timeout=30)
    for s in crowd:
        s.close()
    assert waiting.request("ping") == {}
    assert client.call("echo", text="x") == "x"


def test_a_session_of_a_forgotten_project_makes_it_known_again(pool, project):
    a = project()
    pool.start()
    client = open_client(pool, a)
    first = client.whoami()["pid"]
    pool.ctl("forget", a)
    assert pool.daemon(a) is None
    again = client.whoami()
    assert again["project"] == str(a) and again["pid"] != first
    assert pool.daemon(a)["sessions"] == 1


def test_an_sse_daemon_may_spell_ids_and_tokens_in_another_way(pool, project):
    """"a/b" and "a\\/b" are one JSON string; what belongs to a call is found by its value."""
    pool.configure({"fake": fake_server("--transport", "sse", "--escape", type="sse")})
    client = Client(pool.ctl("ensure", project()).stdout.strip()).open()
    params = {"name": "slow", "arguments": {"steps": 3, "seconds": 0.3}, "_meta": {"progressToken": "t/1"}}
    assert client.request("tools/call", params, id="a/b")["content"][0]["text"] == "done"
    assert [n["params"]["progress"] for n in client.notifications] == [1, 2, 3]
