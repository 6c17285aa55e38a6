"""poold with real Serena: two projects at once, health in layers, trust, and what is left behind."""
import json
import os
import shutil
import signal
import stat
import threading
from pathlib import Path

import pytest

from conftest import alive, make_project, pool_of_its_own, serena_dir, wait_until
from mcp_client import Client

needs_clangd = pytest.mark.skipif(not shutil.which("clangd"), reason="clangd is not installed")


def python_project(pool, name):
    """Several modules with a function `shared` whose body names the project."""
    path = make_project(pool, name)
    for i in range(3):
        (path / f"m{i}.py").write_text(f"def shared():\n    return 'body of {name}'\n\n\n"
                                       f"class Only_{name}:\n    def method_{i}(self):\n        return shared()\n")
    return path


def c_project(pool, name):
    path = make_project(pool, name)
    (path / "main.c").write_text(f"static int shared(void)\n{{\n    return sizeof \"body of {name}\";\n}}\n"
                                 "int main(void)\n{\n    return shared();\n}\n")
    (path / "compile_commands.json").write_text(json.dumps(
        [{"directory": str(path), "command": "cc -c main.c", "file": "main.c"}]))
    return path


class Serenas:
    """A started pool with projects; one per module and worker."""

    def __init__(self, pool):
        self.pool = pool
        self.made = {}

    def project(self, name, make=python_project):
        if name not in self.made:
            self.made[name] = make(self.pool, name)
        return self.made[name]

    def client(self, project, server=None, **kw):
        headers = {"X-Poold-Project": str(project)}
        return Client(self.pool.url + (f"/s/{server}" if server else "") + "/mcp", headers, **kw).open()

    def warm(self, project, *more):
        self.pool.ctl("ensure", "--warm", project, *more, timeout=120)
        return self.pool.daemon(project)


@pytest.fixture(scope="module")
def plain(request):
    """No configuration file at all: Serena is what poold starts by itself."""
    serena = serena_dir()
    with pool_of_its_own(request.config) as pool:
        pool.config_file.unlink()
        pool.env["POOLD_SERENA_DIR"] = str(serena)
        pool.start()
        yield Serenas(pool)


@pytest.fixture(scope="module")
def tuned(request):
    """Looks at health each second, and has Serena over HTTP+SSE as a server beside the built-in one."""
    serena = serena_dir()
    with pool_of_its_own(request.config) as pool:
        pool.env["POOLD_SERENA_DIR"] = str(serena)
        pool.configure({}, defaultServer="serena", healthSeconds=1)
        pool.start()
        entry = pool.json("config")["mcpServers"]["serena"]
        args = ["sse" if word == "streamable-http" else word for word in entry["args"]]
        pool.configure({"over-sse": {"command": entry["command"], "args": args, "type": "sse",
                                     "env": entry["env"], "warmup": entry["warmup"]}},
                       defaultServer="serena", healthSeconds=1)
        pool.ctl("reload")
        yield Serenas(pool)


def find(client, name, **more):
    """What find_symbol says, as a list; an error of the tool is the test's."""
    result = client.request("tools/call", {"name": "find_symbol", "arguments": {
        "name_path_pattern": name, "include_body": True, **more}})
    text = result["content"][0]["text"]
    assert not result.get("isError"), text
    return json.loads(text)


def tree_of(pid):
    """pid and all its descendants."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    tree = [pid]
    for one in tree:
        tree += children.get(one, [])
    return tree


def commandline(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def language_server(daemon):
    """The child of Serena that has a session of its own."""
    return wait_until(lambda: [p for p in tree_of(daemon["pid"])[1:] if alive(p) and os.getsid(p) == p],
                      "a language server in a session of its own")[0]


def in_threads(*jobs):
    """Run all at once; the first failure of one is the test's."""
    failures = []

    def run(job):
        try:
            job()
        except BaseException as e:  # an assertion in a thread would go unseen
            failures.append(e)
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def files_below(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


# --- the right project ---

@pytest.mark.parametrize("where", ["streamable-http", "sse"])
def test_symbols_of_one_project_never_come_from_the_other(request, where):
    serenas = request.getfixturevalue("plain" if where == "streamable-http" else "tuned")
    server = None if where == "streamable-http" else "over-sse"
    a, b = serenas.project("alpha"), serenas.project("beta")
    barrier = threading.Barrier(4)

    def job(project, other):
        client = serenas.client(project, server, timeout=120)
        barrier.wait(30)
        for _ in range(12):
            found = find(client, "shared")
            assert len(found) == 3
            assert all(f"body of {project.name}" in f["body"] for f in found), found
            assert find(client, f"Only_{other.name}") == []

    # Two cold projects, two clients each, all calls at once.
    in_threads(*[lambda p=p, o=o: job(p, o) for p, o in ((a, b), (b, a)) * 2])
    daemons = [serenas.pool.daemon(p, server or "serena") for p in (a, b)]
    assert [d["transport"] for d in daemons] == ["sse" if server else "http"] * 2
    assert daemons[0]["pid"] != daemons[1]["pid"]
    if server:
        serenas.pool.ctl("stop", a, "--server", server)
        serenas.pool.ctl("stop", b, "--server", server)


@pytest.mark.parametrize("make", [python_project, pytest.param(c_project, marks=needs_clangd)])
def test_warm_means_that_symbols_answer_and_nothing_was_left_in_the_project(plain, make):
    project = plain.project(f"tidy_{make.__name__}", make)
    before = files_below(project)
    daemon = plain.warm(project)
    assert daemon["health"] == {"process": "ok", "accepts": "ok", "mcp": "ok", "useful": "ok", "cause": None}
    assert daemon["steps"]["warmMs"] >= daemon["steps"]["handshakeMs"] > 0
    assert f"body of {project.name}" in find(plain.client(project), "shared")[0]["body"]
    if make is c_project:
        home = plain.pool.state / "serena" / daemon["projectKey"]
        wait_until(lambda: list(home.rglob("*.idx")), "clangd's index is written, in Serena's home")
    assert files_below(project) == before


# --- trust ---

def test_a_hostile_project_runs_nothing_until_it_is_trusted(plain):
    project = plain.project("hostile")
    out = plain.pool.root / "hostile-ran"
    out.mkdir()
    server = project / "server.sh"
    server.write_text(f"#!/bin/sh\n: >'{out}/language-server'\n"
                      f"exec '{serena_dir()}/bin/poold-pyright' \"$@\"\n")
    server.chmod(0o755)
    (project / ".serena").mkdir()
    (project / ".serena" / "project.yml").write_text(
        "project_name: hostile\nlanguage_servers: [python]\n"
        f"activation_command: \": >'{out}/activation'\"\n"
        f"ls_specific_settings:\n  python:\n    ls_path: {server}\n")

    daemon = plain.warm(project)
    assert daemon["trusted"] is False
    assert len(find(plain.client(project), "shared")) == 3, "our own language server works without trust"
    assert files_below(out) == []

    shown = plain.pool.ctl("trust", project, check=False)
    assert shown.returncode != 0, "without a terminal nobody could have agreed"
    assert "activation_command" in shown.stderr and str(server) in shown.stderr
    plain.pool.ctl("trust", "--yes", project)
    plain.pool.ctl("restart", project)
    assert plain.warm(project)["trusted"] is True
    assert len(find(plain.client(project), "shared")) == 3
    assert files_below(out) == ["activation", "language-server"], "else the files above prove nothing"
    plain.pool.ctl("stop", project)


# --- health ---

def test_a_language_server_that_cannot_start_is_shown_with_its_cause(pool):
    broken = pool.root / "broken-serena"
    (broken / "bin").mkdir(parents=True)
    (broken / "bin" / "serena").symlink_to(serena_dir() / "bin" / "serena")
    wrapper = broken / "bin" / "poold-pyright"
    wrapper.write_text("#!/bin/sh\necho 'libnode.so.99 is missing' >&2\nexit 127\n")
    wrapper.chmod(0o755)
    pool.config_file.unlink()
    pool.env["POOLD_SERENA_DIR"] = str(broken)
    project = python_project(pool, "broken")

    said = pool.ctl("ensure", "--warm", project, check=False, timeout=120)
    assert said.returncode == 6, (said, pool.log_tail())
    assert said.stdout.strip().endswith("/mcp"), "it runs, so its endpoint is printed"
    daemon = pool.daemon(project)
    assert daemon["state"] == "ready"
    assert (daemon["health"]["mcp"], daemon["health"]["useful"]) == ("ok", "failed")
    cause = daemon["health"]["cause"]
    assert "language server" in cause and "python: " in cause, "the cause of the cause, not just that there is one"
    assert cause in said.stderr and cause in pool.ctl("status", project).stdout


def test_a_language_server_killed_alone_is_no_crash(tuned):
    project = tuned.project("gamma")
    client = tuned.client(project)
    daemon = tuned.warm(project)
    server = language_server(daemon)
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not alive(server), "the language server is dead")
    assert len(find(client, "Only_gamma")) == 3
    (project / "new.py").write_text("def born_later():\n    pass\n")
    assert len(find(client, "born_later")) == 1, "only a living language server knows this"
    after = tuned.pool.daemon(project)
    assert (after["daemonId"], after["pid"]) == (daemon["daemonId"], daemon["pid"])
    assert after["health"]["cause"] is None


def test_a_stopped_serena_is_noticed_and_recovers(tuned):
    project = tuned.project("gamma")
    daemon = tuned.warm(project)
    os.kill(daemon["pid"], signal.SIGSTOP)
    try:
        ill = wait_until(lambda: (d := tuned.pool.daemon(project))["health"]["mcp"] == "failed" and d, "it is noticed")
        assert ill["health"]["process"] == "ok"
        assert "SIGSTOP" in ill["health"]["cause"]
    finally:
        os.kill(daemon["pid"], signal.SIGCONT)
    well = wait_until(lambda: (d := tuned.pool.daemon(project))["health"]["mcp"] == "ok" and d, "it recovers")
    assert well["health"]["cause"] is None
    assert well["daemonId"] == daemon["daemonId"], "it was not restarted"
    assert len(find(tuned.client(project), "shared")) == 3


def test_a_long_call_is_not_mistaken_for_a_hang(tuned):
    project = tuned.project("busy")
    (project / ".serena").mkdir()
    (project / ".serena" / "project.yml").write_text(
        "project_name: busy\nlanguage_servers: [python]\nincluded_optional_tools: [execute_shell_command]\n")
    daemon = tuned.warm(project)
    client, answer = tuned.client(project), []
    gate = tuned.pool.root / "gate"
    os.mkfifo(gate)
    call = threading.Thread(target=lambda: answer.append(client.call(
        "execute_shell_command", command=f"cat '{gate}'")))
    call.start()
    with gate.open("w") as end:  # returns when the tool has opened it, so the call runs
        busy = wait_until(lambda: (d := tuned.pool.daemon(project))["state"] == "busy" and d, "busy")
        assert busy["inFlight"] == 1
        # Many looks at its health later (one each second), another client's quick request passes.
        quick = tuned.client(project)
        seen = []
        for _ in range(40):
            assert "find_symbol" in [t["name"] for t in quick.request("tools/list")["tools"]]
            seen.append(tuned.pool.daemon(project))
            threading.Event().wait(0.1)
        assert {d["state"] for d in seen} == {"busy"}
        assert {json.dumps(d["health"]) for d in seen} == {json.dumps(busy["health"])}
        assert busy["health"]["mcp"] == "ok" and busy["health"]["cause"] is None
        assert tuned.pool.ctl("evict", project, check=False).returncode == 17, "a busy one is not evicted"
        end.write("all of it")
    call.join(60)
    assert "all of it" in answer[0]
    assert tuned.pool.daemon(project)["daemonId"] == daemon["daemonId"]
    tuned.pool.ctl("stop", project)


# --- lives and deaths ---

def test_stop_returns_when_the_whole_tree_is_gone(plain):
    project = plain.project("alpha")
    daemon = plain.warm(project)
    assert language_server(daemon) != daemon["pid"]
    tree = tree_of(daemon["pid"])
    assert len(tree) >= 2
    plain.pool.ctl("stop", project)
    assert [commandline(p) for p in tree if alive(p)] == []
    wait_until(lambda: not alive(daemon["keeperPid"]), "its keeper has ended too")
    assert plain.pool.daemon(project)["state"] == "down"


def test_killed_poold_finds_the_same_serena_again(plain):
    project = plain.project("alpha")
    daemon = plain.warm(project)
    server = language_server(daemon)
    client = plain.client(project)
    for _ in range(3):
        plain.pool.kill()
        client.connection.close()
        assert len(find(client, "shared")) == 3
    after = plain.pool.daemon(project)
    for same in ("daemonId", "pid", "keeperPid", "port", "startedAt"):
        assert after[same] == daemon[same]
    assert alive(server)


def test_a_killed_keeper_leaves_nothing_and_the_next_call_works(plain):
    project = plain.project("alpha")
    daemon = plain.warm(project)
    language_server(daemon)
    tree = tree_of(daemon["keeperPid"])
    client = plain.client(project, timeout=120)
    os.kill(daemon["keeperPid"], signal.SIGKILL)
    wait_until(lambda: [p for p in tree if alive(p)] == [], "nothing of it is left")
    assert len(find(client, "shared")) == 3
    after = plain.pool.daemon(project)
    assert after["daemonId"] != daemon["daemonId"] and after["state"] == "ready"


def test_the_home_of_serena_is_ours_and_private(plain):
    project = plain.project("alpha")
    daemon = plain.warm(project)
    home = plain.pool.state / "serena" / daemon["projectKey"]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not (plain.pool.home / ".serena").exists()
