"""The management API over api.sock and through the front, with a real poold and keepers."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import alive, fake_server, wait_until
from contract import Contract
from mcp_client import Client

JSON = {"Content-Type": "application/json"}
DAEMON_MEMBERS = set("""project projectKey server instance private spare state health daemonId generation pid keeperPid port url directUrl
    sessions inFlight memoryBytes cpuMs idleMs evictInMs evictWhy startedAt readyAt reason detail tail retryInMs
    pinned trusted transport step steps starts usualStartMs logFile""".split())


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.bytes = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.bytes)


class Api:
    """One poold, asked over its unix socket (or, with front, through its port)."""
    known_contract = None

    def __init__(self, pool):
        self.pool = pool

    def connection(self, front=False, timeout=60):
        if front:
            return http.client.HTTPConnection("127.0.0.1", self.pool.port, timeout=timeout)
        return UnixConnection(self.pool.run / "api.sock", timeout)

    def ask(self, method, path, body=None, headers=None, front=False, timeout=60, prefix="/api/v1"):
        c = self.connection(front, timeout)
        if headers is None:
            headers = JSON if method != "GET" else {}
        text = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        c.request(method, prefix + path, text, headers)
        answer = Answer(c.getresponse())
        c.close()
        self.contract().check(method, prefix + path, answer)
        return answer

    def contract(self):
        """What openapi.json says of every answer; each one here is held against it."""
        if Api.known_contract is None:
            c = self.connection()
            c.request("GET", "/api/v1/openapi.json")
            Api.known_contract = Contract(Answer(c.getresponse()).json)
            c.close()
        return Api.known_contract

    def get(self, path, **kw):
        answer = self.ask("GET", path, **kw)
        assert answer.status == 200, answer.bytes
        return answer.json

    def post(self, path, body=None, status=200, **kw):
        answer = self.ask("POST", path, {} if body is None else body, **kw)
        assert answer.status == status, answer.bytes
        return answer.json

    def ensure(self, path, status=200, **members):
        return self.post("/ensure", {"path": str(path), **members}, status)

    def problem(self, method, path, body=None, **kw):
        answer = self.ask(method, path, body, **kw)
        assert answer.headers["Content-Type"] == "application/problem+json", answer.bytes
        p = answer.json
        assert p["status"] == answer.status and p["type"] == "urn:poold:error:" + p["code"]
        assert p["title"] and p["detail"]
        return answer.status, p

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pool.pid()}/fd"))

    def descriptors_at_rest(self):
        """Their number once the connections of earlier requests are closed."""
        seen = []

        def is_same():
            seen.append(self.descriptors())
            return len(seen) > 20 and len(set(seen[-20:])) == 1
        wait_until(is_same, "descriptors stay the same")
        return seen[-1]


def slot(d):
    return f"/daemons/{d['projectKey']}/{d['server']}"


SERVERS = {
    "fake": fake_server(),
    "fails": {"command": "sh", "type": "http", "args": ["-c", "echo first; echo last words >&2; exit 3; : ${POOLD_PORT}"]},
    "warmed": fake_server("--warm-text", "all well", warmup={"tool": "warm", "arguments": {}}),
    "degraded": fake_server("--warm-text", "Error: no language server", warmup={"tool": "warm", "arguments": {}}),
    "hangs": {"command": "sh", "type": "http", "args": ["-c", "echo waiting; exec sleep 600; : ${POOLD_PORT}"]},
    "talks": {"command": "sh", "type": "http",
              "args": ["-c", "i=0; while sleep 0.05; do i=$((i+1)); echo line $i; done; : ${POOLD_PORT}"]},
    "big": {"command": "sh", "type": "http", "logMaxMiB": 1,
            "args": ["-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo line $i 0123456789012345678901234567890123456789; "
                     "done; exec sleep 600; : ${POOLD_PORT}"]},
}


@pytest.fixture
def api(pool):
    """Served by poold alone: nothing here needs poolctl."""
    a = Api(pool)

    def serves():
        try:
            return pool.pid() and a.get("/version")["pid"] == pool.pid()
        except (OSError, http.client.HTTPException):
            return False

    def shut_down(*words, **kw):
        assert words == ("shutdown",)
        try:
            a.post("/shutdown", {}, 202)
        except (OSError, http.client.HTTPException):
            pass  # it has ended already

    pool.serves, pool.ctl = serves, shut_down
    pool.configure(SERVERS)
    pool.start()
    yield a
    pool.close()
    assert "Sanitizer" not in pool.log_tail(1000), pool.log_tail(200)


# --- what poold says of itself ---

def test_version_and_health_say_who_serves(api):
    version, health = api.get("/version"), api.get("/health")
    assert version["api"] == "v1" and version["pid"] == api.pool.pid()
    assert version["stateDir"] == str(api.pool.state) and version["runDir"] == str(api.pool.run)
    assert version["configFile"] == str(api.pool.config_file)
    assert version["listen"] == f"127.0.0.1:{api.pool.port}"
    assert version["startedAt"].endswith("Z")
    assert health["status"] == "ok" and health["registry"] == "ok" and health["orphans"] == 0
    assert set(health["daemons"]) == set("down starting ready busy draining stopping failed".split())


def test_settings_show_value_default_unit_and_range(api):
    s = api.get("/settings")
    row = s["settings"]["idleSeconds"]
    assert row["default"] == 1800 and row["unit"] == "seconds" and row["min"] == 0 and row["help"]
    assert s["settings"]["defaultServer"]["value"] == "fake"
    assert s["fileExists"] and s["file"] == str(api.pool.config_file)
    assert set(SERVERS) <= set(s["mcpServers"])


def test_reload_takes_a_good_file_and_refuses_a_bad_one(api):
    api.pool.configure(SERVERS, idleSeconds=77)
    assert api.post("/reload")["file"] == str(api.pool.config_file)
    assert api.get("/settings")["settings"]["idleSeconds"]["value"] == 77
    api.pool.config_file.write_text('{"idleSeconds": "soon"}')
    status, p = api.problem("POST", "/reload", {})
    assert status == 422 and p["code"] == "config" and "idleSeconds" in p["detail"]
    assert api.get("/settings")["settings"]["idleSeconds"]["value"] == 77


# --- ensure ---

def test_ensure_starts_a_daemon_and_shows_it(api, project):
    d = api.ensure(project())
    assert d["state"] == "ready" and d["reason"] == "ensure"
    assert DAEMON_MEMBERS <= set(d)
    assert d["health"]["process"] == d["health"]["accepts"] == d["health"]["mcp"] == "ok"
    assert alive(d["pid"]) and alive(d["keeperPid"])
    assert d["directUrl"] == f"http://127.0.0.1:{d['port']}/mcp"
    assert d["url"].startswith(f"http://127.0.0.1:{api.pool.port}/p/{d['projectKey']}/")
    assert 0 <= d["steps"]["spawnedMs"] <= d["steps"]["portOpenMs"] <= d["steps"]["handshakeMs"]
    assert d["evictInMs"] > 0 and d["evictWhy"] is None and d["idleMs"] >= 0 and d["starts"] == 1
    assert api.get("/daemons")[0]["daemonId"] == d["daemonId"]
    full = api.get(slot(d))
    assert full["clients"] == [] and full["lastExits"] == []


def test_many_at_once_get_one_daemon(api, project):
    path = project()
    with ThreadPoolExecutor(40) as many:
        daemons = list(many.map(lambda _: api.ensure(path), range(40)))
    assert {d["daemonId"] for d in daemons} == {daemons[0]["daemonId"]}
    assert api.get("/daemons")[0]["starts"] == 1


def test_progress_comes_as_lines_and_ends_with_the_daemon(api, project):
    c = api.connection()
    c.request("POST", "/api/v1/ensure", json.dumps({"path": str(project())}),
              {**JSON, "Accept": "application/x-ndjson"})
    r = c.getresponse()
    assert r.status == 200 and r.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in r.read().splitlines()]
    steps = [line["step"] for line in lines[:-1]]
    assert [s for s in steps if s in ("spawned", "port-open", "handshake")] == ["spawned", "port-open", "handshake"]
    times = [line["ms"] for line in lines[:-1]]
    assert times == sorted(times)
    assert lines[-1]["daemon"]["state"] == "ready"
    c.request("POST", "/api/v1/ensure", json.dumps({"path": lines[-1]["daemon"]["project"]}),
              {**JSON, "Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in c.getresponse().read().splitlines()]
    assert len(lines) == 1 and lines[0]["daemon"]["state"] == "ready"


def test_progress_of_a_failed_start_ends_with_the_problem(api, project):
    c = api.connection()
    c.request("POST", "/api/v1/ensure", json.dumps({"path": str(project()), "server": "fails"}),
              {**JSON, "Accept": "application/x-ndjson"})
    last = json.loads(c.getresponse().read().splitlines()[-1])
    assert last["problem"]["code"] == "start-failed" and "last words" in last["problem"]["tail"]


def test_a_failed_start_says_why_and_is_remembered(api, project):
    path = project()
    p = api.ensure(path, 502, server="fails")
    assert p["code"] == "start-failed" and "last words" in p["tail"] and p["detail"]
    assert p["daemon"]["state"] == "failed" and p["daemon"]["retryInMs"] >= 0
    forced = api.ensure(path, 502, server="fails", force=True)
    assert forced["daemon"]["starts"] == 2
    again = api.ensure(path, 502, server="fails")  # within the back-off: no new try
    assert again["daemon"]["starts"] == 2 and again["detail"] == forced["detail"]
    assert again["daemon"]["retryInMs"] > 0
    exits = api.get(slot(again["daemon"]))["lastExits"]
    assert len(exits) == 2 and all(e["event"] == "fail" and e["reason"] for e in exits)


def test_a_wait_ends_and_the_start_goes_on(api, project):
    began = time.monotonic()
    p = api.ensure(project(), 504, server="hangs", waitMs=300)
    assert 0.25 < time.monotonic() - began < 10
    assert p["code"] == "start-timeout" and "still starting" in p["detail"]
    assert api.get(slot(p["daemon"]))["state"] == "starting"


def test_no_wait_answers_at_once(api, project):
    d = api.ensure(project(), server="hangs", noWait=True)
    assert d["state"] == "starting" and d["step"] in ("queued", "spawned")


@pytest.mark.parametrize("front", [False, True])
def test_a_client_that_hangs_up_is_noticed_and_aborts_nothing(api, project, front):
    path = project()
    d = api.ensure(path, server="hangs", noWait=True)
    wait_until(lambda: api.get(slot(d), front=front)["pid"], "it is spawned")
    before = api.descriptors_at_rest()
    waiting = []
    for ndjson in (False, True):
        for _ in range(5):
            c = api.connection(front)
            c.request("POST", "/api/v1/ensure", json.dumps({"path": str(path), "server": "hangs"}),
                      {**JSON, **({"Accept": "application/x-ndjson"} if ndjson else {})})
            waiting.append(c)
    wait_until(lambda: api.descriptors() >= before + 10, "they are accepted")
    for c in waiting:
        c.sock.close()
    wait_until(lambda: api.descriptors() <= before, "poold closed its ends")
    assert api.get(slot(d))["state"] == "starting"


def test_a_start_that_is_stopped_is_said_so(api, project):
    path = project()
    d = api.ensure(path, server="hangs", noWait=True)
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(lambda: api.ask("POST", "/ensure", {"path": str(path), "server": "hangs"}))
        time.sleep(0.2)  # either order is right; mostly the waiter is there first
        assert api.post(slot(d) + "/stop", {"now": True})["state"] in ("down", "starting")
        answer = waiting.result()
    assert answer.status == 409 and answer.json["code"] == "conflict" and "stopped" in answer.json["detail"]


def test_warm_waits_for_the_warm_up_call(api, project):
    d = api.ensure(project(), server="warmed", warm=True)
    assert d["health"]["useful"] == "ok" and d["steps"]["warmMs"] >= d["steps"]["handshakeMs"]


def test_a_degraded_daemon_is_an_answer_that_says_so(api, project):
    d = api.ensure(project(), server="degraded", warm=True)
    assert d["state"] == "ready" and d["health"]["mcp"] == "ok" and d["health"]["useful"] == "failed"
    assert "no language server" in d["health"]["cause"]


def test_the_clients_of_a_daemon_are_shown(api, project):
    d = api.ensure(project())
    client = Client(d["url"])
    client.open()
    client.call("echo", text="x")
    full = api.get(slot(d))
    assert full["sessions"] == 1 and len(full["clients"]) == 1
    c = full["clients"][0]
    assert c["transport"] == "http" and c["inFlight"] == 0 and c["oldestCallMs"] is None
    assert c["lastUseAt"].endswith("Z") and api.get("/health")["sessions"] == 1
    with ThreadPoolExecutor(1) as other:
        call = other.submit(lambda: client.call("slow", seconds=1))
        busy = wait_until(lambda: (lambda x: x if x["state"] == "busy" else None)(api.get(slot(d))), "it is busy")
        assert busy["inFlight"] == 1 and busy["evictWhy"] == "busy" and busy["idleMs"] is None
        status, p = api.problem("POST", slot(d) + "/evict", {})
        assert status == 409 and "calls are running" in p["detail"]
        call.result()
    client.close()


def test_places_that_are_no_project_are_refused(api):
    for body, code in (({"path": "/"}, "no-project"), ({"path": str(api.pool.home)}, "no-project"),
                       ({"project": "no-such-key"}, "no-project"), ({"path": "rel"}, "bad-request"),
                       ({}, "bad-request"), ({"path": "/tmp", "project": "x"}, "bad-request")):
        assert api.problem("POST", "/ensure", body)[1]["code"] == code, body


def test_an_unknown_server_is_named_with_those_there_are(api, project):
    status, p = api.problem("POST", "/ensure", {"path": str(project()), "server": "nope"})
    assert status == 404 and p["code"] == "no-server" and "fake" in p["detail"]


# --- stop, restart, evict, pin ---

def test_stop_answers_when_the_process_is_gone(api, project):
    d = api.ensure(project())
    stopped = api.post(slot(d) + "/stop")
    assert stopped["state"] == "down" and stopped["reason"] == "asked" and not alive(d["pid"])
    assert stopped["pid"] is None and stopped["evictWhy"] == "down"
    assert api.post(slot(d) + "/stop")["state"] == "down"  # once more is no mistake
    assert api.get(slot(d))["lastExits"][0]["reason"] == "asked"
    assert api.ensure(d["project"])["generation"] == 2


def test_restart_makes_a_new_life(api, project):
    d = api.ensure(project())
    again = api.post(slot(d) + "/restart")
    assert again["state"] == "ready" and again["daemonId"] != d["daemonId"] and again["reason"] == "restart"
    assert not alive(d["pid"]) and alive(again["pid"])
    api.post(slot(d) + "/stop")
    assert api.post(slot(d) + "/restart")["state"] == "ready"


def test_a_pinned_daemon_is_not_evicted(api, project):
    d = api.ensure(project())
    pinned = api.post(slot(d) + "/pin", {"pinned": True})
    assert pinned["pinned"] and pinned["evictInMs"] is None and pinned["evictWhy"] == "pinned"
    status, p = api.problem("POST", slot(d) + "/evict", {})
    assert status == 409 and p["code"] == "conflict" and "pinned" in p["detail"] and alive(d["pid"])
    assert not api.post(slot(d) + "/pin", {"pinned": False})["pinned"]
    assert api.post(slot(d) + "/evict")["reason"] == "evicted"


def test_stop_all_waits_for_all(api, project):
    daemons = [api.ensure(project(f"p{i}")) for i in range(3)]
    api.ensure(daemons[0]["project"], server="hangs", noWait=True)
    assert api.post("/stop") == {"stopped": 4}
    assert {d["state"] for d in api.get("/daemons")} == {"down"}
    assert not any(alive(d["pid"]) for d in daemons)
    assert api.post("/stop") == {"stopped": 0}


# --- projects ---

def test_projects_are_listed_trusted_and_forgotten(api, project):
    d = api.ensure(project())
    row = api.get("/projects")[0]
    assert row["projectKey"] == d["projectKey"] and not row["trusted"] and row["firstUsedAt"] <= row["lastUsedAt"]
    assert [x["daemonId"] for x in row["daemons"]] == [d["daemonId"]]
    assert api.post("/trust", {"project": d["projectKey"], "trusted": True})["trusted"]
    assert api.get(slot(d))["trusted"]
    assert not api.post("/trust", {"path": d["project"], "trusted": False})["trusted"]
    answer = api.ask("DELETE", f"/projects/{d['projectKey']}")
    assert answer.status == 200 and answer.json == {"forgotten": d["projectKey"]}
    assert api.get("/projects") == []
    wait_until(lambda: not alive(d["pid"]), "its daemon ends")
    assert api.problem("DELETE", f"/projects/{d['projectKey']}")[1]["code"] == "no-project"


def test_endpoint_starts_nothing_and_makes_nothing_known(api, project):
    path = project()
    e = api.get(f"/endpoint?path={path}/sub")
    assert e["project"] == str(path) and e["state"] == "down" and e["how"] == "marker:.git"
    assert e["url"].endswith(f"/p/{e['projectKey']}/mcp") and e["directUrl"] is None
    assert api.get("/projects") == [] and api.get("/daemons") == []
    d = api.ensure(path)
    e = api.get(f"/endpoint?path={path}/sub")
    assert e["projectKey"] == d["projectKey"] and e["url"] == d["url"] and e["directUrl"] == d["directUrl"]
    assert api.get(f"/endpoint?project={d['projectKey']}")["how"] == "key"
    assert api.problem("GET", "/endpoint?path=/")[1]["code"] == "no-project"


def test_why_shows_route_command_and_environment(api, project):
    path = project()
    w = api.get(f"/why?path={path}/sub")
    assert w["rule"] == "path" and w["project"] == str(path) and w["marker"] == ".git"
    assert w["argv"][0].endswith(("python3", "python")) or w["argv"][0] == sys.executable
    assert str(path) in w["argv"] and w["cwd"] == str(path) and w["environment"]["HOME"]
    assert [s["rule"] for s in w["steps"]] == ["path", "project"] and w["state"] == "down"
    child = subprocess.Popen(["sleep", "60"], cwd=path / "sub")
    try:
        w = api.get(f"/why?pid={child.pid}")
        assert w["rule"] == "cwd" and w["project"] == str(path) and str(child.pid) in w["steps"][0]["result"]
    finally:
        child.kill()
        child.wait()
    status, p = api.problem("GET", "/why?path=/")
    assert p["code"] == "no-project" and p["steps"]
    assert api.problem("GET", "/why")[1]["code"] == "bad-request"


def test_why_hides_values_that_look_secret(api, project):
    env = {"MY_API_KEY": "hunter2", "PLAIN": "shown"}
    api.pool.configure({"fake": fake_server(env=env)})
    api.post("/reload")
    path = project()
    assert api.get(f"/why?path={path}")["environment"]["MY_API_KEY"] == "***"
    assert api.get(f"/why?path={path}")["environment"]["PLAIN"] == "shown"
    assert api.get(f"/why?path={path}&showSecrets=1")["environment"]["MY_API_KEY"] == "hunter2"


# --- logs and history ---

def test_logs_give_the_last_lines(api, project):
    p = api.ensure(project(), 502, server="fails")
    key = p["daemon"]["projectKey"]
    answer = api.ask("GET", f"/logs?project={key}&server=fails")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"first\n" in answer.bytes and b"last words\n" in answer.bytes
    assert len(api.ask("GET", f"/logs?project={key}&server=fails&lines=1").bytes.splitlines()) == 1
    assert api.problem("GET", f"/logs?project={key}&server=hangs")[1]["code"] == "not-found"
    assert api.problem("GET", f"/logs?project={key}&server=nope")[1]["code"] == "no-server"


def test_logs_reach_into_the_rotated_file(api, project):
    d = api.ensure(project(), server="big", noWait=True)
    url = f"/logs?project={d['projectKey']}&server=big"
    wait_until(lambda: b"line 60000 " in api.ask("GET", url + "&lines=1").bytes, "all is written")
    assert Path(d["logFile"] + ".1").exists()
    lines = api.ask("GET", url + "&lines=25000").bytes.splitlines()
    numbers = [int(line.split()[1]) for line in lines if line.startswith(b"line ")]
    assert numbers == list(range(numbers[0], 60001)) and len(numbers) > 15000


@pytest.mark.parametrize("front", [False, True])
def test_followed_logs_stream_and_notice_a_departed_client(api, project, front):
    d = api.ensure(project(), server="talks", noWait=True)
    wait_until(lambda: Path(d["logFile"]).exists() and Path(d["logFile"]).stat().st_size > 50, "it talks")
    api.get("/version", front=front)  # what the front keeps open from its first request on
    before = api.descriptors_at_rest()
    c = api.connection(front)
    c.request("GET", f"/api/v1/logs?project={d['projectKey']}&server=talks&lines=2&follow=1")
    r = c.getresponse()
    assert r.status == 200
    numbers = []
    while len(numbers) < 12:
        line = r.readline()
        assert line, "the stream ended"
        if line.startswith(b"line "):
            numbers.append(int(line.split()[1]))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    r.close()
    c.close()
    wait_until(lambda: api.descriptors() <= before, "poold closed its end")


def test_history_tells_starts_and_ends_newest_first(api, project):
    a, b = api.ensure(project("a")), api.ensure(project("b"))
    api.post(slot(a) + "/stop")
    rows = api.get("/history")
    assert rows[0]["event"] == "end" and rows[0]["reason"] == "asked" and rows[0]["project"] == a["project"]
    assert rows[0]["tookMs"] >= 0 and rows[0]["at"].endswith("Z")
    only = api.get(f"/history?project={b['projectKey']}")
    assert {r["projectKey"] for r in only} == {b["projectKey"]} and [r["event"] for r in only] == ["ready", "start"]
    assert len(api.get("/history?limit=1")) == 1


# --- HTTP ---

def test_unknown_paths_and_methods(api):
    assert api.problem("GET", "/nothing")[0] == 404
    answer = api.ask("POST", "/daemons", {})
    assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD" and answer.json["code"] == "method"
    assert api.ask("OPTIONS", "/ensure").headers["Allow"] == "POST"


def test_head_answers_without_a_body(api):
    answer = api.ask("HEAD", "/version")
    assert answer.status == 200 and answer.bytes == b"" and int(answer.headers["Content-Length"]) > 10


def test_changes_need_the_json_type_even_without_a_body(api):
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
                    {"Content-Type": "application/jsonx"}):
        status, p = api.problem("POST", "/stop", b"", headers=headers)
        assert status == 415 and "Content-Type" in p["detail"]
    assert api.ask("POST", "/stop", b"", headers={"Content-Type": "application/json; charset=utf-8"}).status == 200


@pytest.mark.parametrize("body, code, said", [
    (b"{", "parse", "line 1"), (b"[]", "bad-request", "object"), (b"7", "parse", ""), (b'{"a":1,"a":2}', "parse", "a"),
    (b'{"now":1}', "bad-request", '"now"'), (b'{"never":true}', "bad-request", "unknown member \"never\""),
    (b'{"now":true}{}', "parse", ""), (b"\xff", "parse", "")])
def test_bodies_that_are_wrong_are_refused_with_the_place(api, body, code, said):
    status, p = api.problem("POST", "/stop", body)
    assert status == 400 and p["code"] == code and said in p["detail"]


def test_bodies_that_are_too_big_are_refused(api):
    status, p = api.problem("POST", "/stop", b" " * 300_000)
    assert status == 413 and p["code"] == "too-big"

    def pieces():
        for _ in range(40):
            yield b" " * 10_000
    c = api.connection()
    c.request("POST", "/api/v1/stop", pieces(), JSON, encode_chunked=True)
    assert c.getresponse().status == 413


def test_queries_that_are_no_text_are_refused(api):
    for query in ("path=%ff", "path=/a%00b", "path=/a&path=/b", "limit=x"):
        assert api.problem("GET", "/history?" + query)[0] == 400, query


def test_one_connection_serves_many_requests(api, project):
    c = api.connection()
    for i in range(50):
        c.request("GET", "/api/v1/version" if i % 2 else "/api/v1/nothing")
        assert Answer(c.getresponse()).status == (200 if i % 2 else 404)
    assert c.sock is not None


def test_a_connection_is_good_after_a_wait(api, project):
    c = api.connection()
    for server, status in (("fake", 200), ("fails", 502), ("fake", 200)):
        c.request("POST", "/api/v1/ensure", json.dumps({"path": str(api.pool.home / "repo"), "server": server})
                  if (api.pool.home / "repo").exists() else json.dumps({"path": str(project()), "server": server}), JSON)
        assert Answer(c.getresponse()).status == status


def test_requests_sent_in_one_go_are_answered_in_turn(api, project):
    body = json.dumps({"path": str(project())})
    one = (f"POST /api/v1/ensure HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
           f"Content-Length: {len(body)}\r\n\r\n{body}")
    two = "GET /api/v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(api.pool.run / "api.sock"))
        s.sendall((one + two).encode())
        got = b""
        while piece := s.recv(65536):
            got += piece
    assert got.count(b"HTTP/1.1 200") == 2 and got.index(b'"state":"ready"') < got.index(b'"api":"v1"')


def test_hundreds_may_wait_at_once(api, project):
    path = project()
    with ThreadPoolExecutor(200) as many:
        answers = list(many.map(lambda _: api.ask("POST", "/ensure", {"path": str(path)}), range(200)))
    assert {a.status for a in answers} == {200} and len({a.json["daemonId"] for a in answers}) == 1


# --- through the front ---

def test_the_front_relays_the_same_answers(api, project):
    d = api.post("/ensure", {"path": str(project())}, front=True)
    assert d["state"] == "ready" and api.get(slot(d), front=True)["daemonId"] == d["daemonId"]
    assert api.problem("GET", "/nothing", front=True)[0] == 404
    assert api.ask("POST", "/stop", b"", headers={}, front=True).status in (400, 403, 415)


def test_a_stated_peer_is_believed_from_the_front_alone(api):
    headers = {**JSON, "X-Poold-Peer": "uid=0;pid=1"}
    assert api.ask("POST", "/stop", {}, headers=headers).status == 200
    assert api.ask("POST", "/stop", {}, headers=headers, front=True).status == 200
    log = [line for line in api.pool.log_tail().splitlines() if "route=stopAll" in line]
    assert len(log) == 2 and f"pid={os.getpid()}" in log[0] and "pid=1 " not in "".join(log)


# --- the end ---

def test_shutdown_answers_first_and_may_leave_daemons(api, project):
    d = api.ensure(project())
    pid = api.pool.pid()
    assert api.post("/shutdown", {"keepDaemons": True}, 202) == {"keepDaemons": True}
    wait_until(lambda: not alive(pid), "poold ends")
    assert alive(d["pid"]) and alive(d["keeperPid"])
    wait_until(lambda: api.pool.process.poll() is not None, "its keeper ends too")
    api.pool.start()
    again = wait_until(lambda: next((x for x in api.get("/daemons") if x["state"] == "ready"), None), "it is adopted")
    assert again["daemonId"] == d["daemonId"] and again["pid"] == d["pid"]


def test_a_waiting_client_is_let_go_at_the_end(api, project):
    path = project()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(lambda: api.ask("POST", "/ensure", {"path": str(path), "server": "hangs"}))
        wait_until(lambda: any(d["state"] == "starting" for d in api.get("/daemons")), "it starts")
        pid = api.pool.pid()
        os.kill(pid, signal.SIGTERM)
        with pytest.raises((OSError, http.client.HTTPException)):
            waiting.result(timeout=30)
    wait_until(lambda: not alive(pid), "poold ends")
    api.pool.start()
