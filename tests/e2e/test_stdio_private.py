""""share": "session": each client has a stdio server of its own, with everything that can be asked of a client."""
import json
import sys

import pytest
from conftest import HERE, alive, wait_until
from mcp_client import Client
from sdk_clients import NODE
from test_callbacks import EVERYTHING, Caller
from test_stdio_shared import heard, in_thread, stream

PRIVATE = {"command": sys.executable, "args": [str(HERE / "stdio_mcp.py")], "type": "stdio", "share": "session"}


@pytest.fixture
def private(pool, project):
    root = project("a")
    pool.configure({"stdio": PRIVATE})
    pool.start()

    def make(version="2025-11-25"):
        return Client(f"{pool.url}/mcp", {"X-Poold-Project": str(root)}).open(version)
    make.pool, make.root = pool, root
    return make


def pid_of(client):
    return json.loads(client.call("whoami"))["pid"]


def rows(pool):
    return [d for d in pool.json("list") if d["state"] not in ("down",)]


def end(client):
    client.connection.request("DELETE", client.path, headers={"Mcp-Session-Id": client.session})
    assert client.connection.getresponse().read() is not None


def test_each_session_has_a_server_of_its_own_with_the_clients_own_handshake(private):
    a, b = private(), private("2025-03-26")
    assert pid_of(a) != pid_of(b)
    for client, version in ((a, "2025-11-25"), (b, "2025-03-26")):
        said = heard(client, "initialize")
        assert [i["clientInfo"]["name"] for i in said] == ["raw"] and said[0]["protocolVersion"] == version
        assert len(heard(client, "notifications/initialized")) == 1
    raw = json.loads(a.request("tools/call", {"name": "whoami", "_meta": {"progressToken": 5}}, id=77)["content"][0]["text"])
    assert raw["raw"]["id"] == 77 and raw["raw"]["params"]["_meta"]["progressToken"] == 5


def test_the_end_of_a_session_is_the_end_of_its_server(private):
    a, b = private(), private()
    pid, other = pid_of(a), pid_of(b)
    end(a)
    wait_until(lambda: not alive(pid), "its server is gone")
    assert pid_of(b) == other


def test_a_request_of_the_server_reaches_its_client_and_the_answer_comes_back(private):
    a, b = private(), private()
    sa, sb = stream(a), stream(b)
    get = in_thread(lambda: a.call("ask", id="q", method="sampling/createMessage", params={"x": 1}))
    asked = wait_until(lambda: sa.messages(), "it is asked")[0]
    assert asked == {"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {"x": 1}}
    answerer = Client(f"{private.pool.url}/mcp")
    answerer.session = a.session
    status, _, _ = answerer.post({"jsonrpc": "2.0", "id": "q", "result": {"by": "a"}})
    assert status == 202
    assert json.loads(get())["result"] == {"by": "a"}
    assert not sb.messages()


def test_without_a_stream_of_its_own_a_client_is_asked_on_its_call(private):
    a = private()
    a.call("echo", mark="x")
    body = json.dumps({"jsonrpc": "2.0", "id": 9, "method": "tools/call",
                       "params": {"name": "ask", "arguments": {"id": 1, "method": "elicitation/create"}}})
    a.connection.request("POST", a.path, body, {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Session-Id": a.session})
    answer = a.connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    while b"elicitation/create" not in answer.readline():
        pass
    other = Client(f"{private.pool.url}/mcp")
    other.session = a.session
    other.post({"jsonrpc": "2.0", "id": 1, "result": {"action": "accept"}})
    assert b"accept" in answer.read()


def test_subscriptions_levels_and_roots_are_the_clients_own(private):
    a = private()
    s = stream(a)
    a.request("resources/subscribe", {"uri": "x://1"})
    a.request("logging/setLevel", {"level": "error"})
    a.notify("notifications/roots/list_changed")
    wait_until(lambda: heard(a, "notifications/roots/list_changed") == [{}], "it goes through")
    a.call("log", level="debug", mark="the server decides")
    a.call("touch", uri="x://2", mark="this too")
    wait_until(lambda: len(s.messages()) == 2, "all it says goes to its client")


def test_a_cancelled_call_ends_at_once(private):
    a = private()
    a.call("echo", mark="x")
    get = in_thread(lambda: pytest.raises(Exception, a.request, "tools/call", {"name": "never"}, id=5))
    other = Client(f"{private.pool.url}/mcp")
    other.session = a.session
    wait_until(lambda: heard(other, "never"), "the call is there")
    other.notify("notifications/cancelled", {"requestId": 5})
    assert get().value.code == -32800
    assert wait_until(lambda: heard(other, "notifications/cancelled"), "it hears") == [{"requestId": 5}]


def test_a_known_server_answers_without_a_start_and_a_call_starts_its_own(private):
    a = private()
    a.call("echo", mark="x")
    wait_until(lambda: heard(a, "tools/list"), "its lists are learnt")
    a.request("tools/list")
    end(a)
    wait_until(lambda: not rows(private.pool), "nothing runs")
    b = private()
    assert len(b.request("tools/list")["tools"]) == 14
    assert not rows(private.pool)
    assert pid_of(b)


def test_the_next_life_of_a_private_server_gets_the_same_handshake(private):
    a = private()
    pid = pid_of(a)
    with pytest.raises(Exception, match="may have run"):
        a.call("exit")
    assert pid_of(a) != pid
    assert [i["clientInfo"]["name"] for i in heard(a, "initialize")] == ["raw"]


def test_poold_killed_in_between_leaves_each_client_its_server(private):
    a, b = private(), private()
    pids = [pid_of(a), pid_of(b)]
    private.pool.kill()
    for client in (b, a):
        client.connection.close()
    sa = stream(a)
    assert [pid_of(a), pid_of(b)] == pids
    assert len(heard(a, "initialize")) == 1
    a.call("touch", uri="x://1", mark="m")
    wait_until(lambda: sa.messages(), "its stream")


@pytest.mark.skipif(not EVERYTHING.exists(), reason=f"{EVERYTHING} is not there: ./runtests installs it")
@pytest.mark.parametrize("transport", ["http", "sse"])
def test_real_clients_of_one_server_answer_for_themselves(pool, project, transport):
    """The reference server over stdio; it is private by itself (docs, poold.conf)."""
    pool.configure({"everything": {"command": str(NODE), "args": [str(EVERYTHING), "stdio"], "type": "stdio"}})
    a = project("a")
    pool.start()
    two = []
    try:
        for name in ("one", "two"):
            (a / name).mkdir()
            two.append(Caller(pool, transport, a / name).connected())

        def ask_both(tool, progress=False, **arguments):
            numbers = [c.send("call", tool=tool, arguments=arguments, progress=progress) for c in two]
            return [c.answer(n) for c, n in zip(two, numbers)]
        for answer, client in zip(ask_both("trigger-sampling-request", prompt="who?"), two):
            assert f"{client.name} says: " in answer["text"]
        for answer, client in zip(ask_both("trigger-elicitation-request"), two):
            assert client.name in answer["text"]
        for answer, client in zip(ask_both("get-roots-list"), two):
            assert f"/a/{client.name}" in answer["text"]
        for answer in ask_both("trigger-long-running-operation", progress=True, duration=1, steps=4):
            assert len(answer["progress"]) >= 3
        assert len({d["pid"] for d in pool.json("list") if d["pid"]}) == 2
    finally:
        for client in two:
            client.close()
