#!/usr/bin/env python3
"""What a user of real Serena waits for, with poold and without.

    bench/serena.py BUILD_DIR [PROJECT]     (a release build; Serena as ./quickstart installs it)

Prints medians of a few rounds: start, warm connect + initialize + tools/list directly and through the front
(a ratio), the first call after an eviction, the next call after kill -9 of poold, `poolctl ensure` warm.
"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from mcp_client import Client  # noqa: E402

build = Path(sys.argv[1]).resolve()
source = Path(sys.argv[2] if len(sys.argv) > 2 else Path(__file__).parent.parent / "tests").resolve()
ctl = build / "poolctl"


def timed(action):
    start = time.monotonic()
    action()
    return (time.monotonic() - start) * 1000


def median(action, rounds):
    return statistics.median(timed(action) for _ in range(rounds))


def connect(url):
    Client(url).open().request("tools/list")


def main():
    root = Path(tempfile.mkdtemp(prefix="poold-bench-"))
    project = root / "home" / "repo"
    shutil.copytree(source, project, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    (project / ".git").mkdir()
    env = {**os.environ, "POOLD_STATE_DIR": str(root / "state"), "POOLD_RUN_DIR": str(root / "run"),
           "POOLD_CONFIG": str(root / "none"), "POOLD_LISTEN": "127.0.0.1:0"}

    def run(*words):
        return subprocess.run([ctl, *words, str(project)], env=env, check=True, capture_output=True, text=True).stdout
    try:
        first = timed(lambda: run("ensure"))
        daemon = json.loads(run("ensure", "--warm", "--json"))
        print(f"poolctl ensure, nothing running            {first:8.0f} ms")
        print(f"  of it the daemon, until its handshake    {daemon['steps']['handshakeMs']:8.0f} ms")
        print(f"poolctl ensure, warm, whole process        {median(lambda: run('ensure'), 20):8.1f} ms")
        direct = median(lambda: connect(daemon["directUrl"]), 20)
        front = median(lambda: connect(daemon["url"]), 20)
        print(f"connect + initialize + tools/list, direct  {direct:8.1f} ms")
        print(f"  through the front                        {front:8.1f} ms   (x{front / direct:.2f})")
        client = Client(daemon["url"]).open()
        call = "find_symbol", {"name_path_pattern": "main"}

        def find():
            client.request("tools/call", {"name": call[0], "arguments": call[1]})
        find()
        print(f"find_symbol, warm                          {median(find, 5):8.0f} ms")
        run("evict")
        print(f"first find_symbol after eviction           {timed(find):8.0f} ms")

        def restart_poold():
            pid_file = root / "run" / "poold.pid"
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
            client.connection.close()
            client.request("tools/list")
        print(f"tools/list at once after kill -9 of poold  {median(restart_poold, 5):8.0f} ms")
    finally:
        subprocess.run([ctl, "shutdown"], env=env, capture_output=True)
        shutil.rmtree(root, ignore_errors=True)


main()
