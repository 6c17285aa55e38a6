"""Real stdio servers behind the front: several official clients of each share one process."""
import subprocess

import pytest
from conftest import alive, serena_dir, wait_until
from sdk_clients import sdk  # noqa: F401 (a fixture)
from test_stdio_pool import REAL

KINDS = ("ts1-http", "ts1-sse", "py2-http", "py1-sse")
CALLS = {
    "git": ("git_status", lambda root: {"repo_path": str(root)}, "branch"),
    "time": ("get_current_time", lambda root: {"timezone": "UTC"}, "UTC"),
    "filesystem": ("list_directory", lambda root: {"path": str(root)}, "mine.txt"),
    "memory": ("create_entities", lambda root: {"entities": [
        {"name": "n", "entityType": "t", "observations": ["o"]}]}, ""),
    "everything": ("echo", lambda root: {"message": "hello"}, "hello"),
}


@pytest.mark.parametrize("name", CALLS)
def test_official_clients_over_every_transport_share_one_process(pool, project, sdk, name):  # noqa: F811
    root = project("a")
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / "mine.txt").write_text("m")
    entry = dict(REAL[name])
    if name == "memory":
        entry["env"] = {"MEMORY_FILE_PATH": str(pool.home / "memory.jsonl")}
    pool.configure({name: entry})
    pool.start()
    clients = [sdk(kind, root, connect=False) for kind in KINDS]
    for c in clients:
        assert str(root) in c.connected().instructions
    tool, arguments, expected = CALLS[name]
    for c in clients:
        assert tool in c.ask("list")
    numbers = [(c, c.send_call(tool, **arguments(root))) for c in clients for _ in range(5)]
    for c, n in numbers:
        assert expected in c.answer(n)["text"]
    (d,) = pool.json("list")
    assert d["starts"] == 1 and d["sessions"] == len(KINDS)
    pool.kill()
    c = clients[0]
    assert expected in c.call(tool, **arguments(root))["text"]
    assert pool.json("list")[0]["pid"] == d["pid"]


def test_two_projects_with_the_filesystem_server_see_only_their_own_folder(pool, project, sdk):  # noqa: F811
    """It asks for the roots of its client; two at once, each client in its own project."""
    pool.configure({"filesystem": REAL["filesystem"]})
    roots = [project("a"), project("b")]
    for root in roots:
        (root / f"of-{root.name}.txt").write_text(root.name)
    pool.start()
    clients = [sdk(kind, root, connect=False) for root in roots for kind in ("ts1-http", "py2-http")]
    for c in clients:
        c.connected()
    for c in clients:
        other = roots[1 if c.cwd == roots[0] else 0]
        assert c.call("list_allowed_directories")["text"].splitlines()[1:] == [str(c.cwd)]
        assert f"of-{c.cwd.name}.txt" in c.call("list_directory", path=str(c.cwd))["text"]
        assert "denied" in c.call("list_directory", path=str(other))["text"]
        assert "denied" in c.call("read_file", path=str(other / f"of-{other.name}.txt"))["text"]
    assert len({d["pid"] for d in pool.json("list")}) == 2


def test_serena_over_stdio_serves_clients_over_every_transport(pool, project, sdk):  # noqa: F811
    serena_dir()
    root = project("a")
    (root / "a.py").write_text("def one():\n    return 1\n")
    pool.configure({"serena": {"command": "${POOLD_SERENA}", "args": [
        "start-mcp-server", "--transport", "stdio", "--project", "${POOLD_PROJECT}", "--agent-interface", "tools"],
        "env": {"SERENA_HOME": "${POOLD_SERENA_HOME}"}, "type": "stdio"}})
    pool.start()
    clients = [sdk(kind, root, connect=False) for kind in ("ts1-http", "py2-sse")]
    for c in clients:
        c.connected()
    for n, c in [(c.send_call("find_symbol", name_path_pattern="one"), c) for c in clients]:
        assert "a.py" in c.answer(n, 120)["text"]
    (d,) = pool.json("list")
    assert d["starts"] == 1 and d["sessions"] == 2 and alive(d["pid"])
    wait_until(lambda: pool.json("list")[0]["inFlight"] == 0, "nothing is under way")
