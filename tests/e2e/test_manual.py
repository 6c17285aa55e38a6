"""Each error is provoked once, and what it says is looked up in the manual."""
import http.client
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading

import pytest

from conftest import BIN, fake_server, wait_until
from mcp_client import Client, RpcError
from test_poolctl import Stub


@pytest.fixture(scope="module")
def rows():
    """exit status -> (code, meaning) as `poolctl help exit-codes` has them."""
    text = subprocess.run([BIN / "poolctl", "help", "exit-codes"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^    (\d+), ([a-z-]+)\n((?:        .*\n)+)", text, re.M)
    return {int(n): (code, " ".join(body.split())) for n, code, body in found}


@pytest.fixture(scope="module")
def errors():
    """code -> its text in `poolctl help errors`."""
    text = subprocess.run([BIN / "poolctl", "help", "errors"], capture_output=True, text=True, check=True).stdout
    return {code: " ".join(body.split()) for code, body in re.findall(r"^    ([a-z-]+)\n((?:        .*\n)+)", text, re.M)}


def unused_port_taken():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    return s


# --- one function per exit status: does what ends with it, gives the words of the command ---

def usage(pool, repo):
    return "lisst"


def no_project(pool, repo):
    return "ensure", "/"


def start_failed(pool, repo):
    return "ensure", "-s", "broken", repo


def start_timeout(pool, repo):
    return "ensure", "-s", "late", "--timeout", "1", repo


def degraded(pool, repo):
    return "ensure", "--warm", "-s", "useless", repo


def not_running(pool, repo):
    return ("reload",)


def config(pool, repo):
    pool.config_file.write_text('{"idleSeconds": "soon"}')
    return "config", "--check"


def registry(pool, repo):
    pool.state.mkdir(parents=True, exist_ok=True)
    pool.state.chmod(0o700)
    db = sqlite3.connect(pool.state / "registry.db")
    db.execute("PRAGMA user_version = 9999")
    db.execute("CREATE TABLE x (y)")
    db.commit()
    db.close()
    return "ensure", repo


def address(pool, repo):
    pool.taken = unused_port_taken()
    pool.env["POOLD_LISTEN"] = f"127.0.0.1:{pool.taken.getsockname()[1]}"
    return "ensure", repo


def denied(pool, repo):
    return "trust", repo


def no_server(pool, repo):
    return "ensure", "-s", "nobody", repo


def conflict(pool, repo):
    pool.ctl("ensure", repo)
    pool.ctl("pin", repo)
    return "evict", repo


def pool_full(pool, repo):
    pool.configure(maxDaemons=1, startWaitSeconds=2)
    pool.start()
    client = Client(f"{pool.url}/mcp", headers={"X-Poold-Project": str(repo)}).open()
    pool.caller = threading.Thread(target=lambda: client.call("slow", seconds=8))
    pool.caller.start()
    wait_until(lambda: pool.daemon(repo)["state"] == "busy", "the call runs")
    other = pool.home / "other"
    (other / ".git").mkdir(parents=True)
    return "ensure", "--timeout", "1", other


def system(pool, repo):
    pool.stdout = open("/dev/full", "w")
    return ("help",)


PROVOKED = {usage: 2, no_project: 3, start_failed: 4, start_timeout: 5, degraded: 6, not_running: 7, config: 9,
            registry: 10, address: 11, denied: 12, no_server: 13, conflict: 17, pool_full: 18, system: 23}


def page(name):
    return " ".join(subprocess.run([BIN / "poolctl", "help", name], capture_output=True, text=True,
                                   check=True).stdout.split())


@pytest.mark.parametrize("provoke", PROVOKED, ids=lambda f: f.__name__)
def test_an_exit_status_is_in_the_manual_with_what_it_means(pool, project, rows, errors, provoke):
    repo = project()
    pool.configure({"fake": fake_server(), "broken": fake_server("--exit-code", "3"),
                    "late": fake_server("--start-delay", "30"),
                    "useless": {**fake_server("--warm-text", "Error: no language server"), "warmup": {"tool": "nothing"}}})
    words = provoke(pool, repo)
    words = (words,) if isinstance(words, str) else words
    out = getattr(pool, "stdout", subprocess.PIPE)
    done = subprocess.run([BIN / "poolctl", "--json", *map(str, words)], env=pool.env, stdout=out,
                          stderr=subprocess.PIPE, text=True, timeout=60, stdin=subprocess.DEVNULL)
    if hasattr(pool, "caller"):
        pool.caller.join()
    status = PROVOKED[provoke]
    assert done.returncode == status, done.stderr
    problem = json.loads(done.stderr.strip().splitlines()[-1])
    code, meaning = rows[status]
    assert problem["code"] == code
    assert meaning.startswith(problem["title"])
    assert f"HTTP status {problem['status']}" in errors[code] and f"exit status {status}" in errors[code]
    if code in ("start-failed", "start-timeout", "degraded", "not-running"):
        assert problem["remedy"]
    assert problem["detail"]


def test_every_error_of_the_api_becomes_its_own_exit_status(pool, rows, errors):
    assert sorted(rows) == list(range(len(errors))), "each status once, without a gap"
    for status, (code, _) in rows.items():
        if not status:
            continue
        body = json.dumps({"code": code, "detail": "as it is", "status": 500}).encode()
        stub = Stub(pool, b"HTTP/1.1 500 No\r\nContent-Type: application/problem+json\r\n"
                          b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        done = pool.ctl("reload", check=False)
        stub.close()
        pool.run.rmdir()
        assert done.returncode == status and "as it is" in done.stderr, (code, done)


def test_a_second_poold_says_so_with_a_status_of_its_own(pool, rows):
    pool.start()
    done = subprocess.run([BIN / "poold"], env=pool.env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 8 and f"already running, pid {pool.pid()}" in done.stderr
    assert rows[8][0] == "already-running"
    assert "8 already-running:" in page("poold")


def test_errors_of_the_api_are_in_the_manual(pool, project, errors):
    repo = project()
    pool.start()
    seen = {}

    def ask(method, path, body=None, content_type="application/json"):
        c = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=30)
        c.request(method, path, body, {"Content-Type": content_type} if method != "GET" else {})
        r = c.getresponse()
        problem = json.loads(r.read())
        assert r.getheader("content-type").startswith("application/problem+json")
        assert problem["status"] == r.status
        seen[problem["code"]] = r.status

    ask("GET", "/api/v1/nothing")
    ask("DELETE", "/api/v1/version", "")
    ask("POST", "/api/v1/ensure", "{")
    ask("POST", "/api/v1/ensure", '{"pth": "/"}')
    ask("POST", "/api/v1/ensure", json.dumps({"path": "/"}))
    ask("POST", "/api/v1/ensure", json.dumps({"path": str(repo), "server": "nobody"}))
    assert set(seen) >= {"not-found", "method", "parse", "bad-request", "no-project", "no-server"}, seen
    for code, status in seen.items():
        assert f"HTTP status {status}," in errors[code], (code, status)


def test_errors_of_a_call_are_in_the_manual(pool, project, errors):
    repo = project()
    pool.configure({"fake": fake_server(), "broken": fake_server("--exit-code", "3")})
    pool.start()
    headers = {"X-Poold-Project": str(repo)}
    client = Client(f"{pool.url}/mcp", headers=headers).open()
    codes = []
    with pytest.raises(RpcError) as lost:
        client.call("crash")
    codes.append(lost.value.code)
    with pytest.raises(RpcError) as failed:
        Client(f"{pool.url}/s/broken/mcp", headers=headers).open()
    codes.append(failed.value.code)
    assert [code for code in codes if f"JSON-RPC code {code}," in errors["daemon-lost"]]
    assert [code for code in codes if f"JSON-RPC code {code}," in errors["start-failed"]]


def test_errors_of_the_front_are_in_the_manual(pool, project, errors):
    repo = project()
    pool.start()
    client = Client(f"{pool.url}/mcp", headers={"X-Poold-Project": str(repo)}).open()

    def refused(body):
        status, _, text = client.post(body)
        return status, json.loads(text)["error"]["code"]

    assert refused([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]) == (400, code_of(errors, "bad-request"))
    client.connection.request("DELETE", client.path, headers={"Mcp-Session-Id": client.session})
    assert client.connection.getresponse().read() is not None
    assert refused({"jsonrpc": "2.0", "id": 1, "method": "ping"}) == (404, code_of(errors, "no-session"))
    client.session = None
    client.connection.request("POST", client.path, "{", {"Content-Type": "application/json",
                                                         "Accept": "application/json, text/event-stream"})
    answer = client.connection.getresponse()
    assert json.loads(answer.read())["error"]["code"] == code_of(errors, "parse")


def code_of(errors, code):
    """The JSON-RPC code that the manual gives."""
    return int(re.search(r"JSON-RPC code (-\d+),", errors[code])[1])


def test_help_shows_every_topic_and_suggests_one(pool):
    text = pool.ctl("help").stdout
    topics = re.search(r"^topics:((?: [^\n]*\n)+)", text, re.M)[1].split()
    assert len(topics) >= 16
    for topic in topics:
        assert len(pool.ctl("help", topic).stdout) > 200, topic
    wrong = pool.ctl("help", "routig", check=False)
    assert wrong.returncode == 2 and "did you mean routing?" in wrong.stderr
    assert "usage: poolctl trust" in pool.ctl("help", "trust").stdout


def test_the_pages_render(pool):
    mandoc = shutil.which("mandoc") or pytest.skip("no mandoc")
    for name in ("poold.8", "poolctl.1", "poold.conf.5", "poold-api.7"):
        page_file = BIN.parent.parent / "docs" / "man" / name
        if not page_file.exists():
            page_file = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "man", name)
        done = subprocess.run([mandoc, "-T", "utf8", page_file], capture_output=True, text=True)
        assert done.returncode == 0 and len(done.stdout) > 3000


def test_poold_and_its_page_agree_on_the_options(pool):
    usage_text = subprocess.run([BIN / "poold", "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"^  (--[a-z-]+)", usage_text, re.M)
    assert "--log-format" in options and len(options) >= 8
    for option in options:
        assert f" {option} " in page("poold")
