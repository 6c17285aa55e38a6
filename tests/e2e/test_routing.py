"""Which project does a request reach? Each rule with real processes in real directories."""
import http.client
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HERE, wait_until
from mcp_client import Client, RpcError, Stream

WHOAMI = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
from mcp_client import Client, RpcError
try:
    c = Client(sys.argv[1]).open()
    print(c.whoami()["project"])
    print(c.seen["x-poold-route"])
except RpcError as e:
    print("error:", e)
"""


def ask_from(cwd, url, prefix=(), **kw):
    """What a client process working in cwd reaches by the URL that all share."""
    done = subprocess.run([*prefix, sys.executable, "-c", WHOAMI, url], cwd=cwd, capture_output=True, text=True,
                          timeout=60, **kw)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_two_clients_in_two_directories_reach_their_own_projects(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    clients = [subprocess.Popen([sys.executable, "-c", WHOAMI, pool.url + "/mcp"], cwd=cwd, text=True,
                                stdout=subprocess.PIPE) for cwd in (a, b, a, b)]
    answers = [c.communicate(timeout=60)[0].splitlines()[0] for c in clients]
    assert answers == [str(a), str(b), str(a), str(b)]
    assert len(pool.json("list")) == 2


def test_a_subfolder_belongs_to_its_project(pool, project):
    a = project("a")
    pool.start()
    assert ask_from(a / "sub", pool.url + "/mcp") == str(a)


def test_a_symbolic_link_leads_to_the_real_project(pool, project):
    a = project("a")
    link = pool.home / "link"
    link.symlink_to(a)
    pool.start()
    assert ask_from(link, pool.url + "/mcp") == str(a)


def test_no_project_is_an_error_that_names_the_ways(pool):
    empty = pool.home / "empty"
    empty.mkdir()
    pool.start()
    said = ask_from(empty, pool.url + "/mcp")
    for word in ("error:", "poolctl ensure", "X-Poold-Project", str(empty)):
        assert word in said
    assert pool.json("list") == []


def test_the_home_directory_is_no_project(pool):
    (pool.home / ".git").mkdir()
    folder = pool.home / "folder"
    folder.mkdir()
    pool.start()
    env = {**os.environ, "HOME": str(pool.home)}
    assert ask_from(folder, pool.url + "/mcp", env=env).startswith("error:")


def test_a_header_names_the_project_by_path_or_key(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    by_path = Client(pool.url + "/mcp", {"X-Poold-Project": str(b)}).open()
    assert by_path.initialize_headers["x-poold-route"] == "header"
    assert by_path.whoami()["project"] == str(b)
    key = pool.daemon(b)["projectKey"]
    assert Client(pool.url + "/mcp", {"X-Poold-Project": key}).open().whoami()["project"] == str(b)
    assert Client(f"{pool.url}/mcp?project={a}").open().whoami()["project"] == str(a)


def test_the_path_names_the_project_and_wins(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    assert url.startswith(pool.url + "/p/")
    client = Client(url).open()
    assert client.whoami()["project"] == str(a)
    assert str(a) in client.initialized["instructions"]


def test_an_unknown_key_is_a_clear_error(pool):
    pool.start()
    with pytest.raises(RpcError, match="nokey"):
        Client(pool.url + "/p/nokey/mcp").open()


def test_a_session_is_never_bound_again_to_another_project(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    client = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)}).open()
    client.headers["X-Poold-Project"] = str(b)
    with pytest.raises(RpcError, match="session of its own"):
        client.whoami()
    client.headers["X-Poold-Project"] = str(a)
    assert client.whoami()["project"] == str(a)


def test_one_connection_may_serve_two_projects_in_turn(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    one = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)}).open()
    two = Client(pool.url + "/mcp", {"X-Poold-Project": str(b)})
    two.connection = one.connection
    two.open()
    for _ in range(3):
        assert one.whoami()["project"] == str(a)
        assert two.whoami()["project"] == str(b)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root to become another user")
def test_another_user_is_refused(pool, project):
    a = project("a")
    pool.start()
    get = f"import http.client as h; c = h.HTTPConnection('127.0.0.1', {pool.port}); c.request('POST', '/mcp', '{{}}'); " \
          "r = c.getresponse(); print(r.status, r.read().decode())"
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", get], cwd="/",
                          capture_output=True, text=True)
    assert done.stdout.startswith("403"), done
    assert "another user" in done.stdout


def bwrap_works():
    """In a chroot, or where namespaces are forbidden, it does not."""
    return shutil.which("bwrap") and not subprocess.run(["bwrap", "--dev-bind", "/", "/", "true"], capture_output=True).returncode


@pytest.mark.skipif(not bwrap_works(), reason="bwrap is not installed, or may make no namespaces here")
def test_a_bind_mount_that_pretends_to_be_elsewhere_is_seen_through(pool, project):
    a = project("a")
    decoy = project("decoy")
    pool.start()
    said = ask_from("/", pool.url + "/mcp",
                    prefix=("bwrap", "--dev-bind", "/", "/", "--bind", str(a), str(decoy), "--chdir", str(decoy)))
    assert said == str(a)


def test_a_web_page_starts_nothing(pool, project):
    a = project("a")
    pool.start()
    for headers, status in (({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421),
                            ({"Sec-Fetch-Site": "cross-site"}, 403)):
        c = http.client.HTTPConnection("127.0.0.1", pool.port)
        c.request("POST", f"/mcp?project={a}", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize"}),
                  {"Content-Type": "application/json", **headers})
        assert c.getresponse().status == status
    assert pool.json("list") == []


def test_what_the_front_refuses_of_the_api_is_a_problem(pool):
    pool.start()
    c = http.client.HTTPConnection("127.0.0.1", pool.port)
    c.request("POST", "/api/v1/reload", "{}", {"Content-Type": "text/plain"})
    r = c.getresponse()
    problem = json.loads(r.read())
    assert r.status == 415 and r.getheader("Content-Type") == "application/problem+json"
    assert problem["status"] == 415 and problem["code"] == "bad-request" and "application/json" in problem["detail"]


def test_other_machines_are_not_listened_to(pool, project):
    pool.env["POOLD_LISTEN"] = "0.0.0.0:0"
    refused = pool.ctl("ensure", project(), check=False)
    assert refused.returncode == 11 and "this machine only" in refused.stderr
