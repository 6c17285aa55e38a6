"""Coding agents that stay: Claude Code and Codex, each one process over several turns, with scripted models.

A turn makes the agent call one tool of poold; what the tool answered is the turn's result.
"""
import itertools
import json
import os
import queue
import subprocess
import threading
from pathlib import Path

import pytest

from clients.scripted_codex import CodexModel
from clients.scripted_model import Model

MODULES = Path(os.environ.get("POOLD_TEST_NODE_MODULES", Path.home() / ".cache/poold-tests/node/node_modules"))
CLAUDE = Path(os.environ.get("POOLD_TEST_CLAUDE", MODULES / ".bin/claude"))
CODEX = next(MODULES.glob("@openai/codex-*/vendor/*/bin/codex"), MODULES / "@openai/codex")
OF_OTHERS = ("CLAUDE", "ANTHROPIC_", "OPENAI_", "CODEX_", "POOLD_")


def environment(home, **more):
    """For an agent with a home of its own, that talks to nobody but its model and poold."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(OF_OTHERS) and k.lower() not in ("http_proxy", "https_proxy")}
    return {**env, "HOME": str(home), **more}


def claude_environment(home, model):
    return environment(home, CLAUDE_CONFIG_DIR=str(home / ".claude"), ANTHROPIC_BASE_URL=model.url,
                       ANTHROPIC_API_KEY="sk-ant-none", ENABLE_TOOL_SEARCH="false", DISABLE_AUTOUPDATER="1",
                       CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_TELEMETRY="1")


class Agent:
    """A process that is driven by JSON lines."""

    def __init__(self, pool, words, cwd, env):
        self.log = pool.root / "agent.log"
        self.process = subprocess.Popen(list(map(str, words)), cwd=cwd, env=env, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log.open("ab"))
        self.cwd = cwd
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def say(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def next(self, is_it, seconds=30):
        """The next line of which is_it() holds, or None after so many seconds without one."""
        try:
            while (line := self.lines.get(timeout=seconds)) is not None:
                if is_it(line):
                    return line
        except queue.Empty:
            return None
        pytest.fail(f"{self.name} ended; it said: {self.log.read_text()[-2000:]}")

    def watch_tools(self):
        """From now on self.offered says which tools of poold the model was offered last."""
        def see(request):
            if request.get("tools"):
                self.offered = self.tools_in(request)
        self.offered = set()
        self.model.server.seen = see

    def do(self, tool, seconds=30, **arguments):
        """What the tool answered to the agent, None if nothing came."""
        self.begin(tool, **arguments)
        return self.result(seconds)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.model.close()


class ClaudeCode(Agent):
    """`claude -p` that reads its user's messages from stdin as they come."""

    name = "Claude Code 2.1.330"

    def __init__(self, pool, cwd):
        if not CLAUDE.exists():
            pytest.skip(f"Claude Code is not at {CLAUDE}: ./runtests installs it")
        self.model = Model()
        home = pool.root / "claude"
        home.mkdir()
        env = claude_environment(home, self.model)
        subprocess.run([CLAUDE, "mcp", "add", "--transport", "http", "--scope", "user", "poold", pool.url + "/mcp"],
                       cwd=pool.home, env=env, check=True, capture_output=True)
        super().__init__(pool, [CLAUDE, "-p", "--input-format", "stream-json", "--output-format", "stream-json",
                                "--verbose", "--allowedTools", "mcp__poold"], cwd, env)

    @staticmethod
    def tools_in(request):
        return {t["name"].removeprefix("mcp__poold__") for t in request["tools"]}

    def begin(self, tool, **arguments):
        text = f"CALL mcp__poold__{tool} {json.dumps(arguments)}"
        self.say({"type": "user", "message": {"role": "user", "content": text}})

    def result(self, seconds=30):
        """The model ends a turn with all answers so far, a line each."""
        line = self.next(lambda line: line["type"] == "result", seconds)
        return line and line["result"].splitlines()[-1]


class Codex(Agent):
    """`codex app-server`, what editors run; one thread of one user."""

    name = "Codex CLI 0.171.0"

    def __init__(self, pool, cwd):
        if not CODEX.is_file():
            pytest.skip(f"Codex is not in {MODULES}: ./runtests installs it")
        self.model = CodexModel()
        home = pool.root / "codex"
        home.mkdir()
        (home / "config.toml").write_text(f"""\
model = "scripted"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.scripted]
name = "scripted"
base_url = "{self.model.url}/v1"
wire_api = "responses"
[mcp_servers.poold]
url = "{pool.url}/mcp"
[analytics]
enabled = false
""")
        super().__init__(pool, [CODEX, "app-server"], cwd, environment(home, CODEX_HOME=str(home)))
        self.numbers = itertools.count(1)
        self.ask("initialize", clientInfo={"name": "poold-tests", "title": "tests", "version": "1"})
        self.say({"method": "initialized"})
        self.thread = self.ask("thread/start", cwd=str(cwd))["thread"]["id"]

    def ask(self, method, **params):
        number = next(self.numbers)
        self.say({"id": number, "method": method, "params": params})
        return self.next(lambda line: line.get("id") == number and "method" not in line)["result"]

    @staticmethod
    def tools_in(request):
        return {t["name"] for space in request["tools"] if space.get("name") == "mcp__poold" for t in space["tools"]}

    def begin(self, tool, **arguments):
        text = f"CALL {tool} {json.dumps(arguments)}"
        self.ask("turn/start", threadId=self.thread, input=[{"type": "text", "text": text}])

    def result(self, seconds=30):
        item = self.next(lambda line: line.get("method") == "item/completed"
                         and line["params"]["item"]["type"] == "mcpToolCall", seconds)
        if item is None:
            return None
        self.next(lambda line: line.get("method") == "turn/completed", seconds)
        call = item["params"]["item"]
        return call["error"]["message"] if call["error"] else call["result"]["content"][0]["text"]
