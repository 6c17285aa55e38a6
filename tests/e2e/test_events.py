"""Server-sent events of the management API."""
import http.client
import json
import os
import signal
import socket
import threading
import time

import pytest

from conftest import wait_until
from mcp_client import Client, Stream
from test_api import JSON, SERVERS, api, slot  # noqa: F401  (a fixture)


class Events:
    """A reader of /events in the background. events: (id, name, data)."""

    def __init__(self, api, query="", last_id=None, front=True, status=200):
        self.contract = api.contract()
        self.connection = api.connection(front, timeout=120)
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        self.connection.request("GET", "/api/v1/events" + query, headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == status, self.response.read()
        assert self.response.headers["Content-Type"] == "text/event-stream"
        self.events, self.comments, self.last_id, self.ended = [], [], None, False
        threading.Thread(target=self.read, daemon=True).start()
        wait_until(lambda: self.last_id, "the first id")

    def read(self):
        name, data = None, None
        try:
            for raw in self.response:
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if raw.startswith(b":"):
                    self.comments.append(value)
                elif field == "id":
                    self.last_id = value
                elif field == "event":
                    name = value
                elif field == "data":
                    data = json.loads(value)
                elif not field and name:
                    self.events.append((self.last_id, name, data))
                    name = None
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended = True

    def named(self, name):
        return [data for _, n, data in list(self.events) if n == name]

    def states(self):
        return [(e["state"], e["reason"]) for e in self.named("state")]

    def wait(self, name, **members):
        """The first event of this name with these members."""
        def found():
            return next((e for e in self.named(name) if members.items() <= e.items()), None)
        return wait_until(found, f"{name} {members}; there are {self.events}")

    def check(self):
        """Each is one of the shapes in openapi.json; ids grow."""
        numbers = [int(i.split("-")[1]) for i, n, _ in self.events if n != "reset"]
        assert numbers == sorted(set(numbers)), numbers
        assert len({i.split("-")[0] for i, _, _ in self.events}) <= 1
        for _, name, data in self.events:
            self.contract.shape("Event" + name.capitalize(), data)

    def close(self):
        self.check()
        if self.connection.sock:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.response.close()
        self.connection.close()


@pytest.mark.parametrize("front", [False, True])
def test_a_life_is_told_step_by_step(api, project, front):
    events = Events(api, front=front)
    d = api.ensure(project())
    api.post(slot(d) + "/stop")
    events.wait("health", daemonId=d["daemonId"], health={
        "process": "unknown", "accepts": "unknown", "mcp": "unknown", "useful": "unknown", "cause": None})
    assert events.states() == [("starting", "ensure"), ("ready", "ensure"), ("stopping", "asked"), ("down", "asked")]
    steps = events.named("step")
    assert [s["step"] for s in steps] == ["queued", "spawned", "port-open", "handshake"]
    assert [s["ms"] for s in steps] == sorted(s["ms"] for s in steps)
    order = [name if name != "state" else data["state"] for _, name, data in events.events]
    assert order.index("starting") < order.index("step") < order.index("ready")
    ready = events.wait("state", state="ready")
    assert ready["daemonId"] == d["daemonId"] and ready["was"] == "starting" and ready["wasMs"] > 0
    assert ready["project"] == d["project"] and ready["projectKey"] == d["projectKey"] and ready["server"] == "fake"
    health = [h["health"]["mcp"] for h in events.named("health")]
    assert "ok" in health and health[-1] == "unknown"
    told = len(steps)
    again = api.ensure(d["project"])
    events.wait("state", state="ready", daemonId=again["daemonId"])
    assert [s["step"] for s in events.named("step")[told:]] == ["queued", "spawned", "port-open", "handshake"]
    events.close()


def test_a_failure_and_a_crash_are_told_with_their_reason(api, project):
    events = Events(api)
    path = project()
    api.ensure(path, 502, server="fails")
    failed = events.wait("state", state="failed")
    assert failed["reason"] == "start-exited" and "exit status 3" in failed["detail"]
    d = api.ensure(path)
    os.kill(d["pid"], 9)
    crashed = events.wait("state", state="down", server="fake")
    assert crashed["reason"] == "crashed" and "signal 9" in crashed["detail"]
    events.close()


def test_an_eviction_is_told_with_its_reason(api, project):
    api.pool.configure(SERVERS, idleSeconds=1)
    api.post("/reload")
    events = Events(api)
    d = api.ensure(project())
    gone = events.wait("state", state="stopping", projectKey=d["projectKey"])
    assert gone["reason"] == "idle" and gone["was"] == "ready"
    events.close()


def test_sessions_trust_pin_reload_and_forget_are_told(api, project):
    events = Events(api)
    d = api.ensure(project())
    client = Client(d["url"]).open()
    opened = events.wait("session", change="opened")
    assert opened["client"] == "raw 1" and opened["transport"] == "http" and opened["projectKey"] == d["projectKey"]
    client.connection.request("DELETE", client.path, headers={"Mcp-Session-Id": client.session})
    client.connection.getresponse().read()
    events.wait("session", change="closed")
    sse = Stream(d["url"].removesuffix("/mcp") + "/sse")
    sse.close()
    api.post(slot(d) + "/pin", {"pinned": True})
    assert events.wait("pin")["pinned"] is True
    api.post(slot(d) + "/pin", {"pinned": True})  # no change, no event
    api.post("/trust", {"path": d["project"], "trusted": True})
    assert events.wait("trust")["trusted"] is True
    api.post("/reload")
    assert events.wait("config")["file"] == str(api.pool.config_file)
    assert api.ask("DELETE", f"/projects/{d['projectKey']}").json == {"forgotten": d["projectKey"]}
    assert events.wait("forget")["project"] == d["project"]
    events.wait("state", state="down", reason="forgotten")
    assert len(events.named("pin")) == 1
    events.close()


def test_sighup_is_told_like_a_reload(api):
    events = Events(api)
    os.kill(api.pool.pid(), 1)
    events.wait("config")
    events.close()


def test_only_one_project_if_asked(api, project):
    a, b = api.ensure(project("a")), api.ensure(project("b"))
    events, all_events = Events(api, f"?project={a['projectKey']}"), Events(api)
    for d in (b, a):
        api.post(slot(d) + "/stop")
    events.wait("state", state="down")
    all_events.wait("state", state="down", projectKey=b["projectKey"])
    assert {e["projectKey"] for _, _, e in events.events} == {a["projectKey"]}
    events.close()
    all_events.close()
    status, p = api.problem("GET", "/events?project=no-such-key")
    assert status == 404 and p["code"] == "no-project"


def test_a_reader_that_comes_back_misses_nothing(api, project):
    events = Events(api)
    d = api.ensure(project())
    events.wait("state", state="ready")
    began = events.events[0][0]
    events.close()
    api.post(slot(d) + "/stop")
    again = Events(api, last_id=began)
    again.wait("state", state="down")
    assert again.events[0][0] != began and again.states()[-3:] == [("ready", "ensure"), ("stopping", "asked"),
                                                                   ("down", "asked")]
    assert [e for e in again.events if e[0] in {i for i, _, _ in events.events}] == events.events[1:]
    again.close()


def test_an_id_without_events_is_one_to_come_back_with(api, project):
    first = Events(api)
    last_id = first.last_id
    first.close()
    api.ensure(project())
    again = Events(api, last_id=last_id)
    again.wait("state", state="starting")
    assert not again.named("reset")
    again.close()


def test_unknown_ids_get_a_reset_and_then_what_follows(api, project):
    epoch = Events(api).last_id.split("-")[0]
    for last_id in ("nonsense", f"{epoch}-99", f"{int(epoch) - 1}-0", f"{epoch}-", f"{epoch}--1", "7"):
        events = Events(api, last_id=last_id)
        assert events.wait("reset")["why"] == "unknown-id", last_id
        assert events.last_id.startswith(epoch)
        events.close()
    d = api.ensure(project())
    assert d["state"] == "ready"


def test_a_restart_of_poold_is_a_reset_and_ids_grow(api, project):
    events = Events(api)
    d = api.ensure(project())
    events.wait("state", state="ready")
    wait_until(lambda: events.last_id.split("-")[1] != "0", "events were told")
    old = events.last_id
    os.kill(api.pool.pid(), 9)
    wait_until(lambda: events.ended, "the stream ends")
    wait_until(lambda: api.pool.serves(), "the next poold")
    again = Events(api, last_id=old)
    assert again.wait("reset")["why"] == "unknown-id"
    assert int(again.last_id.split("-")[0]) > int(old.split("-")[0])
    # after a reset the reader lists; the list is complete, adoption or not
    assert [(x["daemonId"], x["state"]) for x in api.get("/daemons")] == [(d["daemonId"], "ready")]
    again.close()


def test_a_slow_reader_is_told_to_list_again_and_costs_nothing(api, project):
    """One that reads nothing at all while thousands of events happen."""
    d = api.ensure(project())
    slow = socket.socket(socket.AF_UNIX)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(str(api.pool.run / "api.sock"))
    slow.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    quick = Events(api, front=False)
    c = api.connection()
    for i in range(4000):
        c.request("POST", f"/api/v1{slot(d)}/pin", json.dumps({"pinned": i % 2 == 0}), JSON)
        c.getresponse().read()
    wait_until(lambda: len(quick.named("pin")) == 4000, "the quick one has them all")
    quick.close()
    got = b""
    slow.settimeout(20)
    while b"event: reset" not in got:
        piece = slow.recv(65536)
        assert piece, "the stream ended"
        got += piece
    assert b'"why":"too-slow"' in got and len(got) < 1_500_000
    api.ask("POST", slot(d) + "/stop", {"now": True})
    while b'"state":"down"' not in got:
        got += slow.recv(65536)
    slow.close()


@pytest.mark.parametrize("front", [False, True])
def test_departed_readers_are_noticed_at_once(api, front):
    api.get("/version", front=front)
    before = api.descriptors_at_rest()
    readers = [Events(api, front=front) for _ in range(10)]
    assert api.descriptors() >= before + 10
    for r in readers:
        r.close()
    began = time.monotonic()
    wait_until(lambda: api.descriptors() <= before, "poold closed its ends")
    assert time.monotonic() - began < 5


def test_a_silent_stream_gets_a_comment_every_15_s(api):
    events = Events(api)
    time.sleep(0)
    wait_until(lambda: events.comments, "a comment", 25)
    assert not events.events
    events.close()


# --- what answers wait for ---

def test_a_list_right_after_a_restart_knows_what_runs(api, project):
    """No answer about daemons before poold has found those of before it, however slow a keeper is."""
    daemons = [api.ensure(project(name)) for name in "abc"]
    keeper, old = daemons[1]["keeperPid"], api.pool.pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: api.pool.pid() not in (None, old) and api.pool.serves(), "the next poold")
        later = threading.Timer(0.7, os.kill, (keeper, signal.SIGCONT))
        later.start()
        assert not api.get("/health")["synced"]  # this one does not wait
        listed, metrics = api.get("/daemons"), api.ask("GET", "/metrics", prefix="").bytes
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert {x["daemonId"]: x["state"] for x in listed} == {d["daemonId"]: "ready" for d in daemons}
    assert b'poold_daemons{state="ready"} 3' in metrics
    assert api.get("/health")["synced"]


def test_forget_answers_when_the_daemons_are_gone(api, project):
    stubborn = {**SERVERS["fake"], "command": "sh", "args": [
        "-c", 'trap "" TERM; ' + " ".join(map(str, [SERVERS["fake"]["command"], *SERVERS["fake"]["args"]])) + " & wait; sleep 60"],
        "stopGraceSeconds": 1}
    api.pool.configure({"fake": stubborn})
    api.post("/reload")
    d = api.ensure(project())
    assert api.ask("DELETE", f"/projects/{d['projectKey']}").status == 200
    assert not os.path.exists(f"/proc/{d['pid']}")
    assert api.get("/projects") == []


def test_a_start_during_a_shutdown_is_refused_as_such(api, project):
    stubborn = {"command": "sh", "args": ["-c", 'trap "" TERM; sleep 600; sleep 600; : ${POOLD_PORT}'], "type": "http",
                "stopGraceSeconds": 3}
    api.pool.configure({**SERVERS, "stubborn": stubborn})
    api.post("/reload")
    path = project()
    d = api.ensure(path, server="stubborn", noWait=True)
    wait_until(lambda: api.get(slot(d))["pid"], "it is spawned")
    api.post("/shutdown", {}, 202)
    status, p = api.problem("POST", "/ensure", {"path": str(path)})
    assert status == 503 and p["code"] == "not-running" and p["detail"] == "poold is shutting down"
    assert [x["state"] for x in api.get("/daemons")] == ["stopping"]
