"""Clients of 2026-07-28 at the front: recognised, checked, served by daemons of either era."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import HERE, alive, fake_server, make_project, serena_dir, wait_until
from mcp_client import MODERN, NAMED, Client, ModernClient, RpcError, Stream, mirrored, modern_meta

TAG = NAMED + "subscriptionId"


def server(era="dual", *options):
    return {"command": sys.executable, "type": "http", "env": {"FAKE_ERA": era},
            "args": [str(HERE / "dual_mcp.py"), "--port", "${POOLD_PORT}", "--project", "${POOLD_PROJECT}", *options]}


@pytest.fixture(params=["dual", "legacy"])
def era(request, pool):
    """A pool whose server speaks both eras, or only that of sessions."""
    pool.configure({"fake": server(request.param)})
    return request.param


def modern(pool, project_dir, **headers):
    return ModernClient(pool.url + "/mcp", {"X-Poold-Project": str(project_dir), **headers})


def seen(client, method):
    return [r for r in json.loads(client.call("seen")) if r["method"] == method]


# --- recognised and checked

def answer(client, message, headers):
    status, _, body = client.post(message, headers)
    return status, json.loads(body) if body else None


def test_what_is_no_sound_request_of_the_revision_is_refused_as_it_says(pool, project):
    a = project()
    pool.start()
    client = modern(pool, a)
    good = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"_meta": modern_meta()}}
    named = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "é", "_meta": modern_meta()}}

    def without(key):
        return {**good, "params": {"_meta": {k: v for k, v in modern_meta().items() if k != NAMED + key}}}

    def changed(headers, of=good, **more):
        return of, {**mirrored(of), **headers, **more}
    cases = [
        (-32602, (without("clientCapabilities"), mirrored(good))),
        (-32602, (without("protocolVersion"), mirrored(good))),
        (-32602, ({**good, "params": {}}, mirrored(good))),
        (-32022, (lambda m: (m, mirrored(m)))({**good, "params": {"_meta": modern_meta("v999.0.0")}})),
        (-32020, changed({"MCP-Protocol-Version": "2025-11-25"})),
        (-32020, changed({"Mcp-Method": "tools/call"})),
        (-32020, changed({"Mcp-Name": "e"}, named)),
        (-32020, changed({"Mcp-Name": "=?base64?w6k?="}, named)),
    ]
    for code, (message, headers) in cases:
        status, body = answer(client, message, headers)
        assert (status, body["id"], body["error"]["code"]) == (400, 7, code), (message, headers, body)
    assert answer(client, *cases[3][1])[1]["error"]["data"] == {"supported": [MODERN], "requested": "v999.0.0"}
    headers = mirrored(good)
    del headers["Mcp-Method"]
    assert answer(client, good, headers)[1]["error"]["code"] == -32020
    many = {**good, "method": "subscriptions/listen", "params": {
        "_meta": modern_meta(), "notifications": {"resourceSubscriptions": [f"a:{n}" for n in range(1001)]}}}
    assert answer(client, many, mirrored(many))[1]["error"]["code"] == -32602
    for method in ("initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
        message = {**good, "method": method}
        status, body = answer(client, message, mirrored(message))
        assert (status, body["id"], body["error"]["code"]) == (404, 7, -32601)
    assert pool.json("list") == []  # nothing of this has reached a project


def test_there_is_no_get_and_no_delete_without_a_session(pool):
    pool.start()
    client = Client(pool.url + "/mcp")
    for method in ("GET", "DELETE"):
        client.connection.request(method, "/mcp", headers={"Accept": "text/event-stream"})
        r = client.connection.getresponse()
        r.read()
        assert (r.status, r.getheader("Allow")) == (405, "POST")


def test_both_eras_are_served_on_one_url_and_one_connection(pool, project, era):
    a = project()
    pool.start()
    old = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)}).open()
    new = modern(pool, a)
    new.connection = old.connection
    assert old.call("echo", text="old") == "old"
    assert new.call("echo", text="new") == "new"
    assert old.call("echo", text="old") == "old"
    assert [d["sessions"] for d in pool.json("list")] == [2]


# --- the two ways to a daemon

def test_discover_list_and_call(pool, project, era):
    a = project()
    pool.start()
    client = modern(pool, a)
    found = client.request("server/discover")
    assert found["supportedVersions"] == [MODERN] and found["resultType"] == "complete"
    assert str(a) in found["instructions"] and found["capabilities"]["tools"]["listChanged"] is True
    assert found["_meta"][NAMED + "serverInfo"]["name"] == ("dual" if era == "dual" else "fake")
    assert "serverInfo" not in found and "protocolVersion" not in found
    listed = client.request("tools/list")
    assert "echo" in [t["name"] for t in listed["tools"]] and listed["resultType"] == "complete"
    assert {"ttlMs", "cacheScope"} <= set(listed)
    text = "héllo \u2028 \"quoted\""
    result = client.request("tools/call", {"name": "echo", "arguments": {"text": text}}, id="7\"é")
    assert result["content"][0]["text"] == text and result["resultType"] == "complete"
    assert client.seen["x-poold-project"] == pool.daemon(a)["projectKey"]
    assert client.seen["x-poold-route"] == "header" and client.seen["x-poold-daemon"] == pool.daemon(a)["daemonId"]
    assert "mcp-session-id" not in client.seen


def test_a_daemon_of_the_same_era_gets_the_request_as_it_is(pool, project):
    a = project()
    pool.configure({"fake": server()})
    pool.start()
    client = modern(pool, a, Authorization="Bearer x", **{"Mcp-Param-Region": "eu"})
    client.request("tools/call", {"name": "echo", "arguments": {}, "_meta": {}}, id="same", meta={"progressToken": 5, "x/y": 1})
    [got] = [r for r in seen(client, "tools/call") if r["id"] == "same"]
    assert got["session"] is False
    assert got["meta"] == sorted([*modern_meta(), "progressToken", "x/y"])
    assert got["headers"] == ["authorization", "mcp-method", "mcp-name", "mcp-param-region", "mcp-protocol-version"]


def test_a_legacy_daemon_gets_nothing_that_it_does_not_know(pool, project):
    a = project()
    pool.configure({"fake": server("legacy")})
    pool.start()
    client = modern(pool, a)
    client.request("server/discover")
    client.request("tools/call", {"name": "echo", "arguments": {"text": "x"}, "requestState": "s", "inputResponses": {}},
                   id=3, meta={"progressToken": 5, "x/y": 1})
    everything = json.loads(client.call("seen"))
    probes = [r for r in everything if r["method"] == "server/discover"]
    assert all(r["session"] for r in probes)  # poold's own, in its own session
    assert len(probes) == 1
    assert all(r["session"] for r in everything if r["method"] != "initialize")
    [got] = [r for r in everything if r["method"] == "tools/call" and r["params"]["name"] == "echo"]
    assert got["meta"] == ["progressToken", "x/y"] and set(got["params"]) == {"name", "arguments", "_meta"}
    assert got["headers"] == ["mcp-protocol-version", "mcp-session-id"]
    assert got["id"] not in (3, "3")  # ids of several clients of one process would clash
    [hello] = [r for r in everything if r["method"] == "initialize" and r["params"]["clientInfo"]["name"] == "raw-modern"]
    assert hello["params"]["capabilities"] == {} and hello["params"]["protocolVersion"] == "2025-11-25"


def test_answers_of_a_legacy_daemon_become_those_of_the_revision(pool, project):
    a = project()
    pool.configure({"fake": server("legacy")})
    pool.start()
    client = modern(pool, a)
    with pytest.raises(RpcError) as missing:
        client.call("missing")
    assert missing.value.error == {"code": -32602, "message": "Resource not found", "data": 7}
    with pytest.raises(RpcError) as unknown:
        client.request("no/such")
    assert (unknown.value.code, client.status) == (-32601, 404)
    read = client.request("resources/read", {"uri": "a:b"})
    assert read == {"contents": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    assert client.call("slow", meta={"progressToken": "tok"}, steps=2, seconds=0.2) == "done"
    assert [n["params"] for n in client.notifications] == [{"progressToken": "tok", "progress": i, "total": 2} for i in (1, 2)]
    assert client.call("log") == "logged" and client.notifications == []
    assert client.call("log", meta={NAMED + "logLevel": "warning"}) == "logged"
    assert [n["params"]["level"] for n in client.notifications] == ["warning"]
    assert client.call("log", meta={NAMED + "logLevel": "debug"}) == "logged"
    assert [n["params"]["level"] for n in client.notifications] == ["debug", "warning"]
    # What it asked on the way was refused, not passed on.
    wait_until(lambda: [r for r in json.loads(client.call("seen")) if r["id"] == "q1"], "its question is answered")


def test_input_that_is_required_passes_both_ways(pool, project):
    a = project()
    pool.configure({"fake": server()})
    pool.start()
    client = modern(pool, a)
    first = client.request("tools/call", {"name": "ask", "arguments": {}})
    assert first["resultType"] == "input_required" and first["inputRequests"]["r"]["method"] == "roots/list"
    again = client.request("tools/call", {"name": "ask", "arguments": {}, "requestState": first["requestState"],
                                          "inputResponses": {"r": {"roots": []}}})
    assert json.loads(again["content"][0]["text"]) == ["s", {"r": {"roots": []}}]


def test_a_client_that_closes_its_response_takes_its_call_back(pool, project, era):
    a = project()
    pool.start()
    client, other = modern(pool, a), modern(pool, a)
    other.call("echo")
    message = client.message("tools/call", {"name": "wait", "arguments": {}})
    client.connection.request("POST", "/mcp", json.dumps(message), {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream", **client.headers, **mirrored(message)})
    wait_until(lambda: [r for r in seen(other, "tools/call") if r["params"]["name"] == "wait"], "it is at the daemon")
    client.close()
    wait_until(lambda: other.call("lost") == "1", "the daemon hears of it", 5)


# --- who it is

def test_each_client_process_has_one_session_that_ends_with_it(pool, project, era):
    a = project()
    pool.start()
    client, same = modern(pool, a), modern(pool, a)
    client.call("echo"), same.call("echo")
    assert pool.daemon(a)["sessions"] == 1
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from mcp_client import *; " \
           f"print(ModernClient({pool.url + '/mcp'!r}).call('whoami'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=a / "sub", capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["project"] == str(a), done.stderr
    wait_until(lambda: pool.daemon(a)["sessions"] == 1, "the other's is over", 5)


def test_a_client_is_looked_for_where_it_was_until_it_asks_discover(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    code = f"""if True:
        import os, sys, json
        sys.path.insert(0, {str(HERE)!r})
        from mcp_client import *
        where = lambda: json.loads(ModernClient({pool.url + '/mcp'!r}).call('whoami'))['project']
        print(where())
        os.chdir({str(b)!r})
        print(where())
        client = ModernClient({pool.url + '/mcp'!r})
        client.request('server/discover')
        print(where())
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=a, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(a), str(a), str(b)], done.stderr


def test_another_authorization_is_another_session(pool, project):
    a = project()
    pool.configure({"fake": server("legacy")})
    pool.start()
    modern(pool, a, Authorization="Bearer one").call("echo")
    modern(pool, a, Authorization="Bearer two").call("echo")
    modern(pool, a, Authorization="Bearer one").call("echo")
    assert pool.daemon(a)["sessions"] == 2


def test_capabilities_as_large_as_a_request_may_be_make_none_of_ours_too_large(pool, project, era):
    a = project()
    pool.start()
    client = modern(pool, a)
    client.call("echo")  # the daemon is up, so that it is asked for the lists of this client at once
    pid = pool.pid()
    other = modern(pool, a, Authorization="Bearer other")  # a session of its own

    def sized(n):
        return {"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {"_meta": {
            NAMED + "protocolVersion": MODERN, NAMED + "clientCapabilities": {"x": "y" * n}}}}
    message = sized(4 * 1024 * 1024 - len(json.dumps(sized(0))))
    status, body = answer(other, message, mirrored(message))
    assert (status, body["id"]) == (200, 0)
    assert other.call("echo", text="x") == "x" and pool.pid() == pid


@pytest.mark.parametrize("declared", [{"clientInfo": 7}, {"clientInfo": {"name": "n" * 3_000_000, "version": "1"}}],
                         ids=["no-object", "large"])
def test_what_a_client_says_of_itself_is_kept_with_measure(pool, project, era, declared):
    a = project()
    pool.start()
    meta = {NAMED + key: value for key, value in declared.items()}
    for _ in range(2):
        client = modern(pool, a)
        assert client.call("echo", meta, text="x") == "x"
        assert client.request("server/discover", meta=meta)["resultType"] == "complete"
        pool.ctl("evict", a)


# --- deaths

def test_calls_go_on_after_each_death(pool, project, era):
    a = project()
    pool.start()
    client = modern(pool, a)
    first = json.loads(client.call("whoami"))["pid"]
    os.kill(first, signal.SIGKILL)
    second = json.loads(client.call("whoami"))["pid"]
    assert second != first
    pool.ctl("evict", a)
    third = json.loads(client.call("whoami"))["pid"]
    assert third != second
    pool.kill()
    client.close()
    assert json.loads(client.call("whoami"))["pid"] == third
    with pytest.raises(RpcError, match="ended before it answered"):
        client.call("crash")
    assert json.loads(client.call("whoami"))["project"] == str(a)


def test_a_call_cut_by_a_kill_of_poold_is_told_so_to_who_resumes_it(pool, project, era):
    a = project()
    pool.start()
    client = modern(pool, a)
    message = client.message("tools/call", {"name": "slow", "arguments": {"seconds": 30}}, id="mine")
    stream = Stream(client.url, {**client.headers, **mirrored(message)}, message)
    assert stream.response.status == 200
    wait_until(lambda: stream.ids, "an event id")
    pool.kill()
    wait_until(lambda: stream.ended, "the cut")
    again = Stream(client.url, {"Last-Event-ID": stream.ids[-1], "MCP-Protocol-Version": MODERN})
    [told] = wait_until(lambda: again.messages(), "the error")
    assert told["id"] == "mine" and "may have run" in told["error"]["message"]


# --- from memory

def test_a_call_that_its_client_closed_is_not_resumed(pool, project, era):
    pool.start()
    client = modern(pool, project())
    client.call("echo")
    message = client.message("tools/call", {"name": "slow", "arguments": {"seconds": 2}}, id=5)
    stream = Stream(pool.url + "/mcp", {**client.headers, **mirrored(message)}, message)
    wait_until(lambda: stream.ids, "the priming event")
    stream.close()
    wait_until(lambda: client.call("echo", text="x") and pool.daemon(pool.home / "repo"), "that is noticed")
    for _ in range(2):  # while the daemon still works on it, and when it has ended
        again = Stream(pool.url + "/mcp", {"Last-Event-ID": stream.ids[0]})
        wait_until(lambda: again.ended, "it is told so at once", 5)
        [told] = again.messages()
        assert told["id"] == 5 and "takes the call back" in told["error"]["message"]
        again.close()
        wait_until(lambda: pool.daemon(pool.home / "repo")["inFlight"] == 0, "its end")
    assert client.call("echo", text="x") == "x"


def test_what_a_daemon_says_behind_an_answer_is_in_nobodys_way(pool, project):
    pool.configure({"fake": server("legacy")})
    pool.start()
    a = project()
    older = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)}).open()
    client = modern(pool, a)
    assert client.call("twice") == "first"
    assert client.call("echo", text="x") == "x", "on the same connection"
    body = older.post({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "twice"}})[2]
    assert "first" in body and "second" not in body
    assert older.call("echo", text="x") == "x"


def test_a_known_server_answers_while_it_is_down_and_a_look_starts_nothing(pool, project, era):
    a = project()
    pool.start()
    client = modern(pool, a)
    found, listed = client.request("server/discover"), client.request("tools/list")
    old = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)}).open()
    old.request("tools/list")
    wait_until(lambda: client.request("tools/list") == listed, "it is remembered")
    pool.ctl("stop", "--now", a)
    wait_until(lambda: pool.daemon(a)["state"] == "down", "down")
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from mcp_client import *; " \
           f"c = ModernClient({pool.url + '/mcp'!r}); print(json.dumps([c.request('server/discover'), c.request('tools/list')]))"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], cwd=a, capture_output=True, text=True, timeout=60)
        again, again_listed = json.loads(done.stdout)
        assert again == {**found, "ttlMs": 0, "cacheScope": "private"}
        assert again_listed == {**listed, "ttlMs": 0, "cacheScope": "private"}
        pool.kill()
    time.sleep(3)  # nothing happens: there is no condition to wait for
    assert pool.daemon(a)["state"] == "down"
    client.close()
    assert client.request("server/discover") == again
    wait_until(lambda: pool.daemon(a)["state"] == "ready", "a client that stays starts it", 10)


def test_the_first_look_at_an_unknown_server_that_starts_slowly_sends_the_client_to_sessions(pool, project):
    a = project()
    pool.configure({"fake": server("dual", "--start-delay", "7")})
    pool.start()
    client = modern(pool, a)
    began = time.monotonic()
    with pytest.raises(RpcError, match="started for the first time") as first:
        client.request("server/discover")
    assert (first.value.code, client.status) == (-32601, 404) and time.monotonic() - began < 6
    assert json.loads(client.call("whoami"))["project"] == str(a)


# --- subscriptions/listen

def heard(stream, method):
    return [m for m in stream.messages() if m.get("method") == method]


def test_listen_tells_what_was_asked_for_and_nothing_else(pool, project, era):
    a = project()
    pool.start()
    client = modern(pool, a)
    client.call("echo")
    stream = client.listen("l", toolsListChanged=True)
    follower = client.listen(5, resourceSubscriptions=["a:é"], promptsListChanged=True)
    first = wait_until(lambda: stream.messages(), "the acknowledgement")[0]
    assert first == {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                     "params": {"_meta": {TAG: "l"}, "notifications": {"toolsListChanged": True}}}
    [second] = wait_until(lambda: follower.messages(), "the other acknowledgement")
    assert second["params"]["notifications"] == {"promptsListChanged": True, "resourceSubscriptions": ["a:é"]}

    def changed():
        client.call("change"), client.call("touch", uri="a:é"), client.call("touch", uri="a:f")
        return heard(stream, "notifications/tools/list_changed") and heard(follower, "notifications/resources/updated")
    wait_until(changed, "both are told")
    assert all(m["params"]["_meta"] == {TAG: "l"} for m in stream.messages())
    assert all(m["params"]["_meta"] == {TAG: 5} for m in follower.messages())
    assert {m["params"]["uri"] for m in heard(follower, "notifications/resources/updated")} == {"a:é"}
    assert not heard(stream, "notifications/resources/updated") and not heard(follower, "notifications/tools/list_changed")
    assert len(heard(stream, "notifications/subscriptions/acknowledged")) == 1
    stream.close(), follower.close()


def test_a_listen_stream_outlives_the_push_stream_of_a_legacy_daemon(pool, project):
    pool.configure({"fake": server("legacy")})
    pool.start()
    client = modern(pool, project())
    client.call("echo")
    stream = client.listen(resourceSubscriptions=["a:b"])

    def is_told(uri):
        count = len(heard(stream, "notifications/resources/updated"))
        client.call("touch", uri=uri)
        return len(heard(stream, "notifications/resources/updated")) > count
    wait_until(lambda: is_told("a:b"), "the push stream is open")
    client.call("cut")
    end = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > end and is_told("a:b"), "it was opened again")
    stream.close()


def test_a_resource_is_followed_until_the_last_that_listens_has_gone(pool, project):
    pool.configure({"fake": server("legacy")})
    pool.start()
    client = modern(pool, project())
    client.call("echo")
    uris = [f"a:{n}" for n in range(900)]
    streams = [client.listen(f"l{n}", resourceSubscriptions=some) for n, some in enumerate((uris, uris[::-1], ["a:7", "a:7"]))]
    wait_until(lambda: all(s.messages() for s in streams), "all are acknowledged")

    def count(method):
        return len(seen(client, "resources/" + method))
    wait_until(lambda: count("subscribe") == 900, "each is asked for once", 30)
    streams[0].close(), streams[2].close()
    last = client.listen("last", resourceSubscriptions=["b"])
    wait_until(lambda: count("subscribe") == 901, "one more")
    last.close()
    wait_until(lambda: count("unsubscribe"), "that has gone, and those before it")
    assert [r["params"]["uri"] for r in seen(client, "resources/unsubscribe")] == ["b"]
    streams[1].close()
    wait_until(lambda: count("unsubscribe") == 901, "each is given up once", 30)


def test_a_listen_stream_outlives_the_daemon_and_hears_of_the_next_one(pool, project, era):
    a = project()
    pool.start()
    client = modern(pool, a)
    client.request("server/discover"), client.request("tools/list")
    stream = client.listen(toolsListChanged=True, resourceSubscriptions=["a:b"])
    client.call("change")

    def is_heard():
        if era == "legacy":  # its push stream may have been opened since
            client.call("change")
        return heard(stream, "notifications/tools/list_changed")
    wait_until(is_heard, "the change")
    before = len(stream.messages())
    pid = pool.daemon(a)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "dead")
    client.call("echo")
    # The next daemon has the list without the change: it differs.
    wait_until(lambda: len(heard(stream, "notifications/tools/list_changed")) and len(stream.messages()) > before,
               "what differs is told")

    def updated():
        client.call("touch", uri="a:b")
        return heard(stream, "notifications/resources/updated")
    wait_until(updated, "it goes on with the next daemon")
    assert not stream.ended and len(heard(stream, "notifications/subscriptions/acknowledged")) == 1
    pool.ctl("shutdown")
    wait_until(lambda: stream.ended, "the end")
    assert stream.messages()[-1] == {"jsonrpc": "2.0", "id": "listen-1",
                                     "result": {"resultType": "complete", "_meta": {TAG: "listen-1"}}}


def test_lean_lists_are_there_for_modern_clients_too(pool, project, era):
    a = project()
    pool.start()
    client = ModernClient(pool.url + "/lean/mcp", {"X-Poold-Project": str(a)})
    assert [t["name"] for t in client.request("tools/list")["tools"]] == ["search_tools", "describe_tool", "call_tool"]
    found = client.request("tools/call", {"name": "search_tools", "arguments": {"query": "echo"}})
    assert "echo" in found["content"][0]["text"] and found["resultType"] == "complete"
    assert client.call("call_tool", name="echo", arguments={"text": "through"}) == "through"
