"""Clients with sessions before a daemon that knows only the stateless revision (2026-07-28)."""
import json
import os
import signal

import pytest

from conftest import alive, wait_until
from mcp_client import MODERN, NAMED, Client, RpcError, Stream
from test_modern import server


@pytest.fixture
def stateless(pool, project):
    """A started pool whose server refuses sessions, and a project of it."""
    pool.configure({"fake": server("modern")})
    pool.start()
    return project()


def connect(pool, path, version="2025-11-25"):
    client = Client(pool.url + "/mcp", {"X-Poold-Project": str(path)})
    return client.open(version)


def seen(client):
    return json.loads(client.call("seen"))


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_it_initializes_lists_and_calls_in_its_own_revision(pool, stateless, version):
    client = connect(pool, stateless, version)
    assert client.initialized["protocolVersion"] == version
    assert client.initialized["serverInfo"] == {"name": "dual", "version": "2"}
    assert "dual" in client.initialized["instructions"]
    tools = client.request("tools/list")
    assert "echo" in [t["name"] for t in tools["tools"]]
    assert not {"resultType", "ttlMs", "cacheScope"} & set(tools)
    result = client.request("tools/call", {"name": "echo", "arguments": {"text": "h\u00e9"}}, id="one")
    assert result["content"][0]["text"] == "h\u00e9" and "resultType" not in result
    assert client.request("ping") == {}


def test_nothing_of_the_eras_with_sessions_reaches_the_daemon(pool, stateless):
    client = connect(pool, stateless)
    client.request("tools/list")
    client.request("resources/subscribe", {"uri": "test://a"})
    client.request("logging/setLevel", {"level": "info"})
    client.notify("notifications/roots/list_changed")
    client.request("ping")
    client.call("echo", text="x", token="t")
    requests = [r for r in seen(client) if r["headers"] != ["mcp-protocol-version"] or r["method"] == "initialize"]
    known = {"server/discover", "tools/list", "tools/call", "subscriptions/listen", "resources/list",
             "resources/templates/list"}
    of_the_pool = {"initialize"}  # how it finds out what the daemon speaks
    assert {r["method"] for r in requests} <= known | of_the_pool
    for r in requests:
        if r["method"] in of_the_pool:
            continue
        assert not r["session"] and "mcp-method" in r["headers"], r
        assert {NAMED + "protocolVersion", NAMED + "clientInfo", NAMED + "clientCapabilities"} <= set(r["meta"]), r
        assert ("mcp-name" in r["headers"]) == (r["method"] == "tools/call"), r
    call = [r for r in requests if r["method"] == "tools/call" and r["params"]["name"] == "echo"][-1]
    assert call["params"]["_meta"]["progressToken"] == "t"
    assert call["params"]["_meta"][NAMED + "logLevel"] == "info"
    assert call["params"]["_meta"][NAMED + "clientInfo"]["name"] == "raw"
    ids = [r["id"] for r in requests if r["method"] == "tools/call"]
    assert len(set(ids)) == len(ids)


def answer_questions(pool, client, stream, answers):
    """Answer what is asked on this stream in another connection, as SDK clients do; the call's answer."""
    done = 0
    while True:
        message = wait_until(lambda: stream.messages()[done:], "a message")[0]
        done += 1
        if "method" not in message:
            return message
        other = Client(pool.url + "/mcp", client.headers)
        other.session = client.session
        assert other.post({"jsonrpc": "2.0", "id": message["id"], **answers(message)})[0] == 202


def call_stream(pool, client, tool, **arguments):
    return Stream(pool.url + "/mcp", {**client.headers, "Mcp-Session-Id": client.session}, {
        "jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})


def test_what_the_daemon_needs_to_know_is_asked_of_the_client_and_the_call_goes_on(pool, stateless):
    client = connect(pool, stateless)
    asked = []

    def roots(message):
        asked.append(message["method"])
        return {"result": {"roots": [{"uri": "file:///x"}]}}
    answer = answer_questions(pool, client, call_stream(pool, client, "ask"), roots)
    assert asked == ["roots/list"] and answer["id"] == 77
    assert json.loads(answer["result"]["content"][0]["text"]) == ["s", {"r": {"roots": [{"uri": "file:///x"}]}}]
    calls = [r for r in seen(client) if r["method"] == "tools/call" and r["params"]["name"] == "ask"]
    assert len(calls) == 2 and calls[0]["id"] != calls[1]["id"]


def test_a_question_that_is_not_answered_fails_its_call_and_says_so(pool, stateless):
    client = connect(pool, stateless)
    answer = answer_questions(pool, client, call_stream(pool, client, "ask"),
                              lambda _: {"error": {"code": -1, "message": "no such thing"}})
    assert answer["id"] == 77 and "no such thing" in answer["error"]["message"]
    assert client.call("echo", text="on") == "on"


def test_log_messages_come_once_a_level_is_set(pool, stateless):
    client = connect(pool, stateless)
    assert client.call("log") == "logged" and not client.notifications
    client.request("logging/setLevel", {"level": "warning"})
    assert client.call("log") == "logged"
    assert [n["params"]["level"] for n in client.notifications] == ["warning"]


def test_changes_and_updates_arrive_on_its_stream_over_the_daemons_death(pool, stateless):
    client = connect(pool, stateless)
    client.request("tools/list")
    client.request("resources/subscribe", {"uri": "test://a"})
    stream = Stream(pool.url + "/mcp", {**client.headers, "Mcp-Session-Id": client.session})

    def listens():
        return [r for r in seen(client) if r["method"] == "subscriptions/listen"
                and r["params"]["notifications"].get("resourceSubscriptions") == ["test://a"]]

    def updates():
        return [m for m in stream.messages() if m["method"] == "notifications/resources/updated"]
    wait_until(listens, "the daemon is listened to")
    client.call("touch", uri="test://a")
    assert wait_until(updates, "the update")[0]["params"] == {"uri": "test://a"}, "without the listen request's tag"
    client.call("change")
    wait_until(lambda: "notifications/tools/list_changed" in [m["method"] for m in stream.messages()], "the change")
    pid = pool.daemon(stateless)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the daemon is dead")
    client.call("echo", text="again")
    wait_until(listens, "the next one is listened to")
    client.call("touch", uri="test://a")
    wait_until(lambda: len(updates()) == 2, "its update")
    stream.close()


def test_cancelling_a_call_ends_its_request(pool, stateless):
    client = connect(pool, stateless)
    call_stream(pool, client, "wait")
    other = connect(pool, stateless)
    wait_until(lambda: [r for r in seen(other) if r["method"] == "tools/call" and r["params"]["name"] == "wait"],
               "the call is there")
    client.notify("notifications/cancelled", {"requestId": 77})
    wait_until(lambda: other.call("lost") == "1", "the daemon has seen its end")


def test_the_session_outlives_poold_and_goes_on_with_the_same_daemon(pool, stateless):
    client = connect(pool, stateless)
    pid = json.loads(client.call("whoami"))["pid"]
    pool.kill()
    client.connection.close()
    assert json.loads(client.call("whoami"))["pid"] == pid


def test_errors_keep_the_clients_own_id(pool, stateless):
    client = connect(pool, stateless)
    with pytest.raises(RpcError) as error:
        client.request("nothing/known", id="mine")
    assert error.value.code == -32601
    assert MODERN not in json.dumps(client.initialized)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-11-25"])
def test_a_question_to_a_client_that_goes_keeps_no_daemon_busy(pool, stateless, version):
    client = connect(pool, stateless, version)
    stream = Stream(client.url, {**client.headers, "Mcp-Session-Id": client.session},
                    {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "ask", "arguments": {}}})
    wait_until(lambda: [m for m in stream.messages() if m.get("method") == "roots/list"], "the question")
    assert pool.daemon(stateless)["inFlight"] == 1
    stream.close()
    wait_until(lambda: pool.daemon(stateless)["inFlight"] == 0, "nobody waits for the answer", 20)


def test_a_daemon_that_leaves_the_stream_of_its_description_open_is_not_waited_for(pool, project):
    entry = server("modern")
    pool.configure({"fake": {**entry, "env": {**entry["env"], "FAKE_OPEN": "1"}}})
    pool.start()
    assert connect(pool, project()).call("echo", text="on") == "on"
