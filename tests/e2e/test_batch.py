"""JSON-RPC batches: an array of messages in one POST, in the revision that has them."""
import json

import pytest

from conftest import fake_server, wait_until
from mcp_client import Client


def request(id, method, **params):
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def call(id, tool, **arguments):
    return request(id, "tools/call", name=tool, arguments=arguments)


def events(body):
    return [json.loads(line[5:]) for line in body.splitlines() if line.startswith("data:")]


@pytest.fixture(params=["sse", "json"])
def client(pool, project, request):
    pool.configure({"fake": fake_server(*(["--json"] if request.param == "json" else []))})
    return Client(pool.ctl("ensure", project("a")).stdout.strip()).open("2025-03-26")


def test_each_request_is_answered_once_under_its_own_id(client):
    status, headers, body = client.post([
        call("a", "echo", text="1"), call(2, "slow", seconds=0.2), request(3, "ping"),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
        request(4, "tools/list"), request("x", "no/such")])
    assert status == 200 and headers["content-type"] == "text/event-stream"
    answers = {m["id"]: m for m in events(body) if "id" in m}
    assert len(events(body)) == 5 and set(answers) == {"a", 2, 3, 4, "x"}
    assert answers["a"]["result"]["content"][0]["text"] == "1" and answers[3]["result"] == {}
    assert answers["x"]["error"]["code"] == -32601
    assert client.call("echo", text="the connection goes on") == "the connection goes on"


def test_what_asks_nothing_is_taken_with_202(client):
    status, _, body = client.post([{"jsonrpc": "2.0", "method": "notifications/initialized"},
                                   {"jsonrpc": "2.0", "id": 5, "result": {}}])
    assert (status, body) == (202, "")


@pytest.mark.parametrize("batch, why", [
    ([request(1, "initialize")], "initialize"), ([1, 2], "not a JSON-RPC message"),
    ([request(n, "ping") for n in range(101)], "more than 100")])
def test_a_batch_that_must_not_be_is_refused_whole(client, batch, why):
    status, _, body = client.post(batch)
    assert status == 400 and why in json.loads(body)["error"]["message"]


def test_other_revisions_have_no_batches(pool, project):
    client = Client(pool.ctl("ensure", project("a")).stdout.strip()).open("2025-06-18")
    status, _, body = client.post([request(1, "ping")])
    assert status == 400 and "2025-03-26" in json.loads(body)["error"]["message"]


def test_a_client_that_leaves_in_between_disturbs_nobody(pool, project, client):
    root = pool.home / "a"
    client.connection.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.post([call(1, "slow", seconds=2), call(2, "slow", seconds=2)])
    client.connection.close()
    assert pool.daemon(root)["inFlight"] == 2
    wait_until(lambda: pool.daemon(root)["inFlight"] == 0, "both have ended")
    assert client.call("echo", text="on") == "on"
