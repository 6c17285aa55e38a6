#!/usr/bin/env python3
"""Six ways of giving an agent the tools of Serena (A1 to A6), with and without poold, in one run.

    bench/ways.py BUILD_DIR [ROUNDS [PROJECT]]    (a release build; ./runtests installs the rest)

Real Serena, real Claude Code, a scripted model; each row is one find_symbol, whole process, seconds
(least / median / most). Prints a Markdown table, then what the tool definitions take in the model's
context. Only rows of one run can be compared: the machine may be busy.

A1 an agent within a session that has the tools    A4 socat between client and server
A2 the server as a subprocess of each session      A5 the server as an HTTP daemon
A3 several local processes share one stdio server  A6 a program without Claude Code
"""
import concurrent.futures
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from clients.scripted_model import Model  # noqa: E402
from mcp_client import Client  # noqa: E402

build = Path(sys.argv[1]).resolve()
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
source = Path(sys.argv[3] if len(sys.argv) > 3 else Path(__file__).parent.parent / "tests").resolve()
claude = os.environ.get("POOLD_TEST_CLAUDE", Path.home() / ".cache/poold-tests/node/node_modules/.bin/claude")
ARGUMENTS = {"name_path_pattern": "main"}


# As the built-in entry, but over stdio.
STDIO = {"command": "${POOLD_SERENA}", "type": "stdio",
         "args": ["start-mcp-server", "--project", "${POOLD_PROJECT}", "--context", "claude-code", "--agent-interface",
                  "tools", "--transport", "stdio", "--enable-web-dashboard", "false", "--open-web-dashboard", "false",
                  "--enable-gui-log-window", "false"],
         "env": {"SERENA_HOME": "${POOLD_SERENA_HOME}", "SERENA_USAGE_REPORTING": "false"},
         "warmup": {"tool": "find_symbol", "arguments": {"name_path_pattern": "no_such_symbol_to_warm_up"}}}


class Ways:
    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="poold-ways-"))
        self.project = self.root / "home" / "repo"
        shutil.copytree(source, self.project, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
        (self.project / ".git").mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith(("CLAUDE", "ANTHROPIC", "POOLD_R"))},
                    "HOME": str(self.root / "home"), "POOLD_STATE_DIR": str(self.root / "state"),
                    "POOLD_RUN_DIR": str(self.root / "run"), "POOLD_CONFIG": str(self.root / "poold.conf"),
                    "POOLD_LISTEN": f"127.0.0.1:{self.port}", "PATH": f"{build}:{os.environ['PATH']}",
                    "POOLD_SERENA_DIR": os.environ.get("POOLD_SERENA_DIR",
                                                       str(Path.home() / ".local/share/poold/serena"))}
        self.model = Model(seen=self.look)
        self.requests = []
        self.env.update(ANTHROPIC_BASE_URL=self.model.url, ANTHROPIC_API_KEY="sk-ant-none", ENABLE_TOOL_SEARCH="false",
                        DISABLE_AUTOUPDATER="1", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_TELEMETRY="1",
                        CLAUDE_CONFIG_DIR=str(self.root / "claude"))
        (self.root / "poold.conf").write_text(json.dumps({"mcpServers": {"serena-stdio": STDIO}}))
        self.url = f"http://127.0.0.1:{self.port}"
        self.children = []

    def look(self, request):
        self.requests.append(request)

    def ctl(self, *words):
        return subprocess.run([build / "poolctl", *words], env=self.env, cwd=self.project, check=True,
                              capture_output=True, text=True).stdout

    def serena_stdio(self):
        """Command, arguments and environment of a Serena of one's own, on the same prepared home."""
        why = json.loads(self.ctl("why", "--server", "serena-stdio", "--json"))
        own = {k: v for k, v in why["environment"].items() if k.startswith(("SERENA", "POOLD"))}
        return why["argv"][0], why["argv"][1:], own

    def prompt(self, server, text, tools):
        """One `claude -p` with this MCP server; what it answered."""
        config = self.root / f"mcp-{len(self.requests)}-{os.urandom(3).hex()}.json"
        config.write_text(json.dumps({"mcpServers": {"s": server}}))
        done = subprocess.run([claude, "-p", text, "--mcp-config", config, "--strict-mcp-config", "--output-format",
                               "json", "--allowedTools", tools], cwd=self.project, env=self.env, capture_output=True,
                              text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, (done.stdout, done.stderr)
        answer = json.loads(done.stdout)["result"]
        assert "name_path" in answer, answer
        return answer

    def find(self, server):
        return self.prompt(server, f"CALL mcp__s__find_symbol {json.dumps(ARGUMENTS)}", "mcp__s__find_symbol")

    def within(self, server):
        inner = f"CALL mcp__s__find_symbol {json.dumps(ARGUMENTS)}"
        words = {"description": "find it", "prompt": inner, "subagent_type": "general-purpose",
                 "run_in_background": False}
        return self.prompt(server, f"CALL Agent {json.dumps(words)}", "mcp__s__find_symbol,Agent,Task")

    def definitions(self, server, text="nothing"):
        """Bytes of the MCP tools' definitions in the model's first request."""
        self.requests.clear()
        self.prompt_quietly(server, text)
        sizes = [sum(len(json.dumps(t)) for t in r.get("tools", []) if t["name"].startswith("mcp__"))
                 for r in self.requests if r.get("tools")]
        return sizes[0] if sizes else 0

    def prompt_quietly(self, server, text):
        config = self.root / f"mcp-{os.urandom(3).hex()}.json"
        config.write_text(json.dumps({"mcpServers": {"s": server}}))
        subprocess.run([claude, "-p", text, "--mcp-config", config, "--strict-mcp-config"], cwd=self.project,
                       env=self.env, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)

    def close(self):
        for child in self.children:
            child.terminate()
            child.wait()
        subprocess.run([build / "poolctl", "shutdown"], env=self.env, capture_output=True)
        self.model.close()
        shutil.rmtree(self.root, ignore_errors=True)


def seconds(action):
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        action()
        times.append(time.monotonic() - start)
    return times


def row(name, what, times):
    shown = " / ".join(f"{t:.2f}" for t in (min(times), statistics.median(times), max(times)))
    print(f"| {name} | {what} | {shown} |", flush=True)


def main():
    w = Ways()
    try:
        endpoint = json.loads(w.ctl("ensure", "--warm", "--json"))
        http = {"type": "http", "url": w.url + "/mcp"}
        command, args, own = w.serena_stdio()
        print("| way | what | s: least / median / most |\n|---|---|---|")

        w.find(http)  # what Claude Code does once only
        row("A1", "agent gateway: main session and an agent within it, over poold's URL", seconds(lambda: w.within(http)))

        stdio = {"command": command, "args": args, "env": own}
        w.ctl("stop", "--now", "--server", "serena", ".")  # never two on one root
        row("A2", "Serena as a subprocess, caches warm", seconds(lambda: w.find(stdio)))

        sock = str(w.root / "run" / "mcp.sock")
        connect = {"command": "poolctl", "args": ["connect", "--server", "serena-stdio"]}
        w.ctl("ensure", "--warm", "--server", "serena-stdio")
        row("A2", "`poolctl connect` in its place (shared stdio Serena)", seconds(lambda: w.find(connect)))

        plain = {"command": "socat", "args": ["STDIO", f"UNIX-CONNECT:{sock}"]}

        def three(server):
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                list(pool.map(w.find, [server] * 3))
        row("A3", "three at once share one stdio Serena through mcp.sock", seconds(lambda: three(connect)))
        w.ctl("stop", "--now", "--server", "serena-stdio", ".")

        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        runner = w.root / "serena.sh"
        runner.write_text("#!/bin/sh\nexec " + " ".join(f"'{x}'" for x in [command, *args]) + "\n")
        runner.chmod(0o755)
        w.children.append(subprocess.Popen(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", f"EXEC:{runner}"],
                                           cwd=w.project, env={**w.env, **own}, stderr=subprocess.DEVNULL))
        row("A4", "socat to a forking socat (the document's)",
            seconds(lambda: w.find({"command": "socat", "args": [f"TCP:127.0.0.1:{port}", "STDIO"]})))
        w.ctl("ensure", "--warm")
        row("A4", "the same client command, poold's mcp.sock", seconds(lambda: w.find(plain)))

        direct = json.loads(w.ctl("ensure", "--json"))["directUrl"]
        row("A5", "warm HTTP daemon, its own port", seconds(lambda: w.find({"type": "http", "url": direct})))
        row("A5", "warm, through poold's one URL", seconds(lambda: w.find(http)))

        def evicted():
            w.ctl("evict")
            w.find(http)
        row("A5", "evicted before, through poold's one URL", seconds(evicted))

        def raw():
            Client(endpoint["url"]).open().request("tools/call", {"name": "find_symbol", "arguments": ARGUMENTS})
        w.ctl("ensure", "--warm")
        row("A6", "`poolctl call find_symbol`, whole process",
            seconds(lambda: w.ctl("call", "find_symbol", f"name_path_pattern={ARGUMENTS['name_path_pattern']}")))
        row("A6", "a program's own MCP client, through the front", seconds(raw))

        print("\n| in the model's first request | bytes of tool definitions | about tokens (4 bytes each) |\n|---|---|---|")
        for name, server in (("all tools, URL", http), ("all tools, `poolctl connect`", {"command": "poolctl", "args": ["connect"]}),
                             ("lean, URL", {"type": "http", "url": w.url + "/lean/mcp"}),
                             ("lean, `poolctl connect --lean`", {"command": "poolctl", "args": ["connect", "--lean"]})):
            size = w.definitions(server)
            print(f"| {name} | {size} | {size // 4} |", flush=True)
    finally:
        w.close()


main()
