"""One client object of a real SDK lives on while daemons and poold die around it.

Each runs as a process in its project's directory, uses the URL that all share, and never connects anew.
"""
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import HERE, alive, make_project, serena_dir, wait_until

NODE = os.environ.get("POOLD_TEST_NODE", "node")
MODULES = Path(os.environ.get("POOLD_TEST_NODE_MODULES", Path.home() / ".cache/poold-tests/node/node_modules"))
KINDS = ["python-http", "python-sse", "typescript-http", "typescript-sse"]


class SdkError(Exception):
    pass


class Sdk:
    """A client process; orders and answers are JSON lines, several may be under way."""

    def __init__(self, pool, kind, cwd, url=None):
        language, transport = kind.split("-")
        if language == "typescript":
            if not (MODULES / "@modelcontextprotocol" / "sdk").exists():
                pytest.skip(f"the TypeScript SDK is not in {MODULES}: ./runtests installs it")
            words = [NODE, HERE / "clients" / "sdk_typescript.mjs"]
        else:
            words = [sys.executable, HERE / "clients" / "sdk_python.py"]
        url = url or pool.url + ("/mcp" if transport == "http" else "/sse")
        self.said = (pool.root / "client.log").open("ab")
        self.process = subprocess.Popen([*map(str, words), transport, url], cwd=cwd, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.said,
                                        env={**os.environ, "POOLD_TEST_NODE_MODULES": str(MODULES)})
        self.log = pool.root / "client.log"
        self.numbers = itertools.count(1)
        self.answers = {}
        self.news = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        self.instructions = self.answer(0)

    def read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            with self.news:
                self.answers[answer["id"]] = answer
                self.news.notify_all()
        with self.news:
            self.answers[None] = True
            self.news.notify_all()

    def send(self, what, **more):
        number = next(self.numbers)
        self.process.stdin.write(json.dumps({"id": number, "do": what, **more}) + "\n")
        self.process.stdin.flush()
        return number

    def answer(self, number, seconds=30):
        with self.news:
            self.news.wait_for(lambda: number in self.answers or None in self.answers, seconds)
            answer = self.answers.pop(number, None)
        if answer is None:
            pytest.fail(f"no answer from the client; it said: {self.log.read_text()[-3000:]}")
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer["result"]

    def ask(self, what, **more):
        return self.answer(self.send(what, **more))

    def call(self, tool, progress=False, **arguments):
        return self.answer(self.send("call", tool=tool, arguments=arguments, progress=progress))

    def whoami(self):
        return json.loads(self.call("whoami")["text"])

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.said.close()


@pytest.fixture
def sdk(pool):
    """make(kind, directory) -> a connected Sdk."""
    made = []

    def make(*args, **kw):
        made.append(Sdk(pool, *args, **kw))
        return made[-1]
    yield make
    for one in made:
        one.close()


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


@pytest.mark.parametrize("kind", ["python-http", "typescript-http", "typescript-sse"])
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
    clients = [Sdk(pool, kind, cwd) for kind, cwd in
               (("python-http", a), ("typescript-http", b), ("typescript-sse", a), ("python-sse", b))]
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
