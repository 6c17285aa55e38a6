"""Client objects of the real SDKs, each a process of its own that does what it is told by JSON lines.

A kind is an SDK with its major version, and a transport: "ts1-http", "py2-sse". Versions are pinned in etc/install.
"""
import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import HERE

TOOLS = Path.home() / ".cache/poold-tests"
NODE = os.environ.get("POOLD_TEST_NODE", "node")
MODULES = Path(os.environ.get("POOLD_TEST_NODE_MODULES", TOOLS / "node/node_modules"))
PYTHON_OF_MCP1 = Path(os.environ.get("POOLD_TEST_PYTHON_MCP1", TOOLS / "venv-mcp1/bin/python"))
PROGRAMS = {  # what runs an SDK's driver, the driver, and what must be there for it
    "ts1": (NODE, "sdk_typescript.mjs", MODULES / "@modelcontextprotocol/sdk"),
    "ts2": (NODE, "sdk_typescript2.mjs", MODULES / "@modelcontextprotocol/client"),
    "py1": (PYTHON_OF_MCP1, "sdk_python.py", PYTHON_OF_MCP1),
    "py2": (sys.executable, "sdk_python.py", Path(sys.executable)),
    "callbacks": (sys.executable, "callbacks_python.py", Path(sys.executable)),  # py2 that answers questions too
}


class SdkError(Exception):
    """What the SDK raised; or the client's process has ended."""


class Sdk:
    """A client process; orders and answers are JSON lines, several may be under way."""

    def __init__(self, pool, kind, cwd, url=None, more=()):
        sdk, transport = kind.split("-")
        program, driver, needed = PROGRAMS[sdk]
        if not needed.exists():
            pytest.skip(f"{needed} is not there: ./runtests installs it")
        self.kind, self.cwd = kind, cwd
        if transport == "stdio":
            url = url or json.dumps(pool.connect_command())
        url = url or pool.url + ("/sse" if transport == "sse" else "/mcp")
        self.log = pool.root / f"client-{kind}.log"
        self.said = self.log.open("ab")
        self.process = subprocess.Popen([program, HERE / "clients" / driver, transport, url, *more], cwd=cwd,
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
                                        env={**os.environ, "POOLD_TEST_NODE_MODULES": str(MODULES)})
        self.numbers = itertools.count(1)
        self.answers = {}
        self.news = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def connected(self):
        """Waits for its handshake; apart from the constructor, so that several can start at once."""
        self.instructions = self.answer(0, 60)["instructions"]
        return self

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
        try:
            self.process.stdin.write(json.dumps({"id": number, "do": what, **more}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.process.wait(10)
        return number

    def send_call(self, tool, progress=False, **arguments):
        return self.send("call", tool=tool, arguments=arguments, progress=progress)

    def has_answered(self, number, seconds):
        """Is there an answer or an error within that time?"""
        with self.news:
            return self.news.wait_for(lambda: number in self.answers or None in self.answers, seconds)

    def answer(self, number, seconds=30):
        with self.news:
            self.news.wait_for(lambda: number in self.answers or None in self.answers, seconds)
            answer = self.answers.pop(number, None)
        if answer is None and None in self.answers:
            raise SdkError(f"{self.kind} has ended; it said: {self.log.read_text()[-3000:]}")
        if answer is None:
            pytest.fail(f"no answer from {self.kind}; it said: {self.log.read_text()[-3000:]}")
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer["result"]

    def ask(self, what, **more):
        return self.answer(self.send(what, **more))

    def call(self, tool, progress=False, **arguments):
        return self.answer(self.send_call(tool, progress, **arguments))

    def whoami(self):
        return json.loads(self.call("whoami")["text"])

    def end_input(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended

    def close(self):
        self.end_input()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.said.close()


@pytest.fixture
def sdk(pool):
    """make(kind, directory) -> a connected Sdk; make(..., connect=False) -> one that is on its way."""
    made = []

    def make(*args, connect=True, **kw):
        made.append(Sdk(pool, *args, **kw))
        return made[-1].connected() if connect else made[-1]
    yield make
    for one in made:
        one.end_input()
    for one in made:
        one.close()
