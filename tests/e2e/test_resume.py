"""Response streams that survive: priming, event ids, a GET with Last-Event-ID, and what a killed poold leaves behind."""
import http.client
import json
import os

import pytest

from conftest import alive, fake_server, wait_until
from mcp_client import Client


class Events:
    """The blocks of an event stream, one by one: {"id": .., "data": [..], "retry": .., "event": ..}."""

    def __init__(self, port, method, headers, body=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request(method, "/mcp", body, {"Accept": "application/json, text/event-stream",
                                                       "Content-Type": "application/json", **headers})
        self.sock = self.connection.sock
        self.response = self.connection.getresponse()
        self.kind = self.response.getheader("Content-Type")

    def next(self):
        """The next block with a field in it, None at the end."""
        block = {}
        for raw in self.response:
            line = raw.decode().rstrip("\r\n")
            if not line and block:
                return block
            if line and not line.startswith(":"):
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                block[name] = block.get(name, []) + [value] if name == "data" else value
        return None

    def rest(self):
        return list(iter(self.next, None))

    def leave(self):
        """Close it in the middle."""
        self.response.close()
        self.connection.close()


def message_of(block):
    return json.loads("\n".join(block["data"]))


def open_client(pool, project_dir, version="2025-11-25", **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(project_dir)}, **kw).open(version)


def begin(pool, client, tool, id=7, token=None, **arguments):
    """POST a call and look at its stream."""
    params = {"name": tool, "arguments": arguments}
    if token is not None:
        params["_meta"] = {"progressToken": token}
    return Events(pool.port, "POST", {**client.headers, "Mcp-Session-Id": client.session},
                  json.dumps({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))


def resume(pool, last_id, session=None):
    return Events(pool.port, "GET", {"Last-Event-ID": last_id, **({"Mcp-Session-Id": session} if session else {})})


@pytest.fixture
def served(pool, project):
    """served(*options of the fake) -> a project whose daemon is up."""
    def start(*options, **settings):
        a = project()
        pool.configure({"fake": fake_server(*options)}, **settings)
        pool.ctl("ensure", a)
        return a
    return start


def test_a_response_stream_opens_with_a_priming_event(pool, served):
    stream = begin(pool, open_client(pool, served()), "slow", token=1, steps=2, seconds=0.2)
    blocks = stream.rest()
    assert blocks[0]["data"] == [""] and blocks[0]["retry"] == "1500" and blocks[0]["id"]
    assert [message_of(b).get("method", "answer") for b in blocks[1:]] == ["notifications/progress"] * 2 + ["answer"]
    assert len({b["id"] for b in blocks}) == len(blocks)


def test_a_late_json_answer_comes_as_an_event_that_can_be_resumed(pool, served):
    client = open_client(pool, served("--json"))
    stream = begin(pool, client, "slow", seconds=2)
    primed = stream.next()
    stream.leave()
    assert message_of(resume(pool, primed["id"]).rest()[-1])["result"]["content"][0]["text"] == "done"


def test_a_json_answer_stays_json(pool, served):
    client = open_client(pool, served("--json"))
    assert client.call("echo", text="x") == "x"
    assert client.seen["content-type"] == "application/json"


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18"])
def test_older_clients_get_ids_but_no_event_without_data(pool, served, version):
    blocks = begin(pool, open_client(pool, served(), version), "slow", token=1, seconds=0.1).rest()
    assert not [b for b in blocks if b.get("data") == [""]]
    assert all(b["id"] for b in blocks if "data" in b)


def test_clients_of_2024_11_05_get_no_ids(pool, served):
    blocks = begin(pool, open_client(pool, served(), "2024-11-05"), "slow", token=1, seconds=0.1).rest()
    assert blocks and not [b for b in blocks if "id" in b]


@pytest.mark.parametrize("with_session", [True, False])
def test_a_lost_stream_goes_on_where_it_was_lost(pool, served, with_session):
    client = open_client(pool, served())
    stream = begin(pool, client, "slow", token=1, steps=4, seconds=2)
    stream.next()
    seen = stream.next()
    assert message_of(seen)["params"]["progress"] == 1
    stream.leave()
    again = resume(pool, seen["id"], client.session if with_session else None)
    assert again.response.getheader("Connection") == "close"
    blocks = [b for b in again.rest() if "data" in b]
    assert [message_of(b)["params"]["progress"] for b in blocks[:-1]] == [2, 3, 4]
    assert message_of(blocks[-1])["id"] == 7 and message_of(blocks[-1])["result"]
    assert json.loads(client.call("calls")).count("slow") == 1


def test_a_client_that_resumes_takes_its_stream_from_the_old_connection(pool, served):
    client = open_client(pool, served())
    first = begin(pool, client, "slow", token=1, steps=4, seconds=2)
    first.next()
    second = resume(pool, first.next()["id"], client.session)
    assert message_of(second.rest()[-1])["id"] == 7
    assert not [b for b in first.rest() if "data" in b and "result" in message_of(b)]


def test_only_the_events_of_that_stream_after_that_id_are_replayed(pool, served):
    client = open_client(pool, served())
    streams = {id: begin(pool, client, "slow", id=id, token=id, steps=3, seconds=0.3).rest() for id in (1, 2)}
    for id, blocks in streams.items():
        for at, block in enumerate(blocks):
            again = [b for b in resume(pool, block["id"], client.session).rest() if "data" in b]
            assert not again or again[0].pop("retry") == "1500"
            assert again == blocks[at + 1:], f"stream {id} after event {at}"


def test_a_held_call_can_be_resumed_while_its_daemon_starts(pool, project):
    pool.configure({"fake": fake_server("--start-delay", "3")})
    a = project()
    pool.start()
    client = open_client(pool, a)
    pool.ctl("evict", a)
    wait_until(lambda: pool.daemon(a)["state"] == "down", "it is down")
    stream = begin(pool, client, "echo", id="x~%\"ü", text="late")
    primed = stream.next()
    stream.leave()
    assert primed["data"] == [""]
    answer = message_of(resume(pool, primed["id"]).rest()[-1])
    assert answer["id"] == "x~%\"ü" and answer["result"]["content"][0]["text"] == "late"


@pytest.mark.parametrize("id", [12, "twelve", "12"])
def test_after_a_kill_of_poold_the_resumed_stream_ends_with_an_error(pool, served, id):
    client = open_client(pool, served())
    stream = begin(pool, client, "slow", id=id, seconds=5)
    primed = stream.next()
    pool.kill()
    assert stream.rest() == []
    for session in (client.session, None):
        blocks = resume(pool, primed["id"], session).rest()
        answer = message_of(blocks[-1])
        assert answer["id"] == id and type(answer["id"]) is type(id)
        assert "may have run" in answer["error"]["message"]
    client.connection.close()
    assert client.call("echo", text="on") == "on"


def is_plain_get(pool, headers):
    """It is the session's long stream, which does not end."""
    stream = Events(pool.port, "GET", headers)
    assert stream.response.status == 200
    assert stream.next() == {"retry": "1500"}
    stream.sock.settimeout(0.5)
    try:
        return stream.next() is not None
    except TimeoutError:
        return True
    finally:
        stream.leave()


def push(pool, client, **headers):
    return Events(pool.port, "GET", {"Mcp-Session-Id": client.session, **headers})


@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25"])
def test_a_push_stream_that_is_opened_again_tells_what_was_sent_in_vain(pool, served, version):
    client = open_client(pool, served(), version)
    stream = push(pool, client)
    if version == "2025-11-25":
        assert stream.next() == {"retry": "1500"}
    client.call("notify")
    seen = stream.next()
    assert message_of(seen)["method"] == "notifications/tools/list_changed"
    client.call("notify")
    missed = stream.next()  # as far as poold can tell it was sent
    stream.leave()
    again = push(pool, client, **{"Last-Event-ID": seen["id"]})
    blocks = iter(again.next, None)
    told = next(b for b in blocks if "data" in b)
    assert (told["id"], told["data"]) == (missed["id"], missed["data"])
    client.call("notify")
    assert next(b for b in blocks if "data" in b)["id"] not in (missed["id"], seen["id"])
    again.leave()


def test_ids_that_are_not_ours_are_as_none(pool, served):
    a = served()
    client, other = open_client(pool, a), open_client(pool, a)
    blocks = begin(pool, client, "echo", text="x").rest()
    ours = blocks[0]["id"]
    forged = ours.replace("~7~", "~8~")
    assert forged != ours
    for id in ("1", "e1~", forged, ours[:-3]):
        assert is_plain_get(pool, {"Last-Event-ID": id, "Mcp-Session-Id": client.session})
    assert is_plain_get(pool, {"Last-Event-ID": ours, "Mcp-Session-Id": other.session})
    assert resume(pool, forged).response.status == 405  # and no session is named


def test_an_ended_session_is_not_resumed(pool, served):
    client = open_client(pool, served())
    id = begin(pool, client, "echo", text="x").rest()[0]["id"]
    c = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=5)
    c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": client.session})
    assert c.getresponse().status == 200
    assert resume(pool, id, client.session).response.status == 404


def test_a_call_that_is_lost_with_its_daemon_is_resumed_to_its_error(pool, served):
    client = open_client(pool, served())
    stream = begin(pool, client, "slow", seconds=20)
    primed = stream.next()
    stream.leave()
    pid = pool.daemon(client.headers["X-Poold-Project"])["pid"]
    os.kill(pid, 9)
    wait_until(lambda: not alive(pid), "the daemon is dead")
    answer = message_of(resume(pool, primed["id"]).rest()[-1])
    assert answer["id"] == 7 and "may have run" in answer["error"]["message"]


def test_what_is_kept_of_streams_is_bounded(pool, served):
    client = open_client(pool, served())
    first = begin(pool, client, "big", bytes=500_000).rest()
    for _ in range(30):
        last = begin(pool, client, "big", bytes=500_000).rest()
    assert message_of(resume(pool, last[0]["id"]).rest()[-1])["result"]
    assert "may have run" in message_of(resume(pool, first[0]["id"]).rest()[-1])["error"]["message"]
    big = begin(pool, client, "big", bytes=3_000_000).rest()  # more than is kept of one stream
    assert len(message_of(big[-1])["result"]["content"][0]["text"]) == 3_000_000
    assert "too large" in message_of(resume(pool, big[0]["id"]).rest()[-1])["error"]["message"]
