"""The official conformance suites: run one against a URL, and read its verdicts."""
import json
import os
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import HERE, wait_until

INSTALLED = Path(os.environ.get("POOLD_TEST_CONFORMANCE", Path.home() / ".cache/poold-tests/conformance"))
MODULES = INSTALLED / "node_modules"
# From good to bad; INFO is no verdict.
VERDICTS = ["SUCCESS", "SKIPPED", "WARNING", "FAILURE"]


def node():
    """A Node.js that is new enough for the suites (22): the one that was installed with them, or the tests'."""
    own = [path for path in MODULES.glob("node-*/bin/node") if path.exists()]
    found = str(own[0]) if own else os.environ.get("POOLD_TEST_NODE", "node")
    if not (MODULES / "conformance-0.2").exists():
        pytest.skip(f"the conformance suites are not in {MODULES}: ./runtests installs them")
    if int(subprocess.run([found, "-p", "parseInt(process.versions.node)"], capture_output=True, text=True).stdout) < 22:
        pytest.skip("the conformance suites need Node.js 22 or newer")
    return found


def fixture_command(directory):
    """The command that starts the fixture, without its options; a copy in directory sees the installed modules."""
    copy = Path(directory) / "conformance"
    if not copy.exists():
        shutil.copytree(HERE / "conformance", copy)
        (copy / "node_modules").symlink_to(MODULES)
    return [node(), str(copy / "server.mjs")]


def everything_command():
    """The reference server "everything", which offers little of what the suites ask for, and checks no Host."""
    modules = Path(os.environ.get("POOLD_TEST_NODE_MODULES", Path.home() / ".cache/poold-tests/node/node_modules"))
    return [node(), str(modules / "@modelcontextprotocol/server-everything/dist/index.js")]


@contextmanager
def running(words, port, **more):
    """The server's process, from when it listens to its end."""
    process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, **more)
    try:
        def listens():
            assert process.poll() is None, f"{words} ended with {process.returncode}"
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_until(listens, f"{words} listens")
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_suite(version, url, directory, revision=None, scenario=None):
    """{(scenario, check id): (worst verdict, what was said about it)} of one run of the suite against url."""
    out = Path(directory)
    out.mkdir(parents=True)
    words = [node(), MODULES / f"conformance-{version}" / "dist" / "index.js", "server", "--url", url, "-o", out]
    words += ["--spec-version", revision] if revision else []
    words += ["--scenario", scenario] if scenario else ["--suite", "all"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=180, cwd=out)
    worst = {}
    for file in sorted(out.glob("*/checks.json")):
        # server-NAME-2026-11-28T03-29-52-339Z
        name = file.parent.name.removeprefix("server-").rsplit("-", 6)[0]
        for check in json.loads(file.read_text()):
            key, verdict = (name, check["id"]), check["status"]
            if verdict != "INFO" and VERDICTS.index(verdict) >= VERDICTS.index(worst.get(key, ("SUCCESS",))[0]):
                worst[key] = (verdict, check.get("errorMessage", ""))
    assert worst, f"the suite ran nothing: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return worst


def failing(verdicts):
    """The checks that did not succeed, for people."""
    return [f"{scenario}: {check}: {verdict} {said}" for (scenario, check), (verdict, said) in verdicts.items()
            if verdict != "SUCCESS"]
