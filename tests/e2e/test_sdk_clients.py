"""One client object of a real SDK lives on while daemons and poold die around it.

Each runs as a process in its project's directory, uses the URL that all share, and never connects anew.
"""
import json
import os
import signal

import pytest

from conftest import alive, make_project, serena_dir, wait_until
from sdk_clients import Sdk, sdk  # noqa: F401  (a fixture)

KINDS = ["py2-http", "py2-sse", "ts1-http", "ts1-sse"]  # the others: test_long_lived.py


@pytest.mark.parametrize("kind", KINDS)
def test_two_clients_in_two_projects_each_reach_their_own(pool, project, sdk, kind):
    a, b = project("a"), project("b")
    pool.start()
    one, two = sdk(kind, a), sdk(kind, b / "sub")
    assert str(a) in one.instructions and str(b) in two.instructions
    assert "echo" in one.ask("list")
    # All at once, in both: each answer belongs to its question.
    asked = [(c, c.send("call", tool="echo", arguments={"text": f"{p.name}{i}"}, progress=False), f"{p.name}{i}")
             for i in range(10) for c, p in ((one, a), (two, b))]
    who = [(c, c.send("call", tool="whoami", arguments={}, progress=False), p) for c, p in ((one, a), (two, b))]
    for client, number, text in reversed(asked):
        assert client.answer(number)["text"] == text
    for client, number, path in who:
        assert json.loads(client.answer(number)["text"])["project"] == str(path)
    assert [d["sessions"] for d in pool.json("list")] == [1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_progress_and_pushes_arrive(pool, project, sdk, kind):
    pool.start()
    client = sdk(kind, project())
    slow = client.call("slow", progress=True, steps=4, seconds=0.4)
    # The TypeScript SDK drops what comes in one piece with the answer: the last step is its own affair.
    assert slow["text"] == "done" and slow["progress"][:3] == [1, 2, 3]
    client.call("notify")
    assert wait_until(lambda: client.ask("heard"), "the push") == ["notifications/tools/list_changed"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_object_outlives_its_daemons(pool, project, sdk, kind):
    a = project()
    pool.start()
    client = sdk(kind, a)
    pids = [client.whoami()["pid"]]
    pool.ctl("evict", a)
    pids.append(client.whoami()["pid"])
    os.kill(pids[-1], signal.SIGKILL)
    wait_until(lambda: not alive(pids[-1]), "the daemon is dead")
    pids.append(client.whoami()["pid"])
    os.kill(pool.daemon(a)["keeperPid"], signal.SIGKILL)
    wait_until(lambda: not alive(pids[-1]), "nothing is left of the daemon")
    pids.append(client.whoami()["pid"])
    assert len(set(pids)) == 4
    assert client.call("slow", progress=True, steps=3, seconds=0.3)["progress"][:2] == [1, 2]
    client.call("notify")
    wait_until(lambda: client.ask("heard"), "a push of the fourth daemon")


@pytest.mark.parametrize("kind", ["py2-http", "ts1-http", "ts1-sse"])
def test_the_object_outlives_poold(pool, project, sdk, kind):
    a = project()
    pool.start()
    client = sdk(kind, a)
    pid = client.whoami()["pid"]
    for _ in range(3):
        pool.kill()
        assert client.whoami()["pid"] == pid
        assert "echo" in client.ask("list")
        heard = len(client.ask("heard"))
        wait_until(lambda: client.call("notify") and len(client.ask("heard")) > heard, "a push to the new poold's stream")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the daemon is dead")
    assert client.whoami()["pid"] != pid


def test_real_clients_on_real_serena(pool):
    """Both SDKs, one project each, while Serena, its keeper and poold are killed between calls."""
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    projects = []
    for name in ("a", "b"):
        path = make_project(pool, name)
        (path / "m.py").write_text(f"def shared():\n    return 'body of {name}'\n")
        projects.append(path)
    pool.start()
    a, b = projects
    clients = [Sdk(pool, kind, cwd).connected() for kind, cwd in
               (("py2-http", a), ("ts1-http", b), ("ts1-sse", a), ("py2-sse", b))]
    long_lived = list(zip(clients[:2], (a, b)))

    def all_find(pairs):
        asked = [(c, c.send("call", tool="find_symbol", progress=False,
                            arguments={"name_path_pattern": "shared", "include_body": True}), p) for c, p in pairs]
        for client, number, path in asked:
            assert f"body of {path.name}" in client.answer(number, 120)["text"]

    try:
        all_find([*long_lived, (clients[2], a), (clients[3], b)] * 3)
        daemons = [pool.daemon(p) for p in projects]
        pool.kill()
        all_find(long_lived)
        assert [pool.daemon(p)["pid"] for p in projects] == [d["pid"] for d in daemons]
        os.kill(daemons[0]["pid"], signal.SIGKILL)
        os.kill(daemons[1]["keeperPid"], signal.SIGKILL)
        wait_until(lambda: not any(alive(d["pid"]) for d in daemons), "both are dead")
        all_find(long_lived)
    finally:
        for client in clients:
            client.close()
