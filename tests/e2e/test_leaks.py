"""A daemon keeps sessions for those who live, and for nobody else, however often poold was killed."""
import json
import os
import signal
import subprocess
import sys

import pytest

from conftest import HERE, alive, wait_until
from mcp_client import Client

# Each has called once, says so, and then reads its stdin: a line is another call.
CLIENTS = {
    "sessions": "from mcp_client import Client\nc = Client(sys.argv[2] + '/mcp', {'X-Poold-Project': sys.argv[3]}).open()",
    "modern": "from mcp_client import ModernClient\nc = ModernClient(sys.argv[2] + '/mcp', {'X-Poold-Project': sys.argv[3]})",
    "sse": "from test_sse_clients import SseClient\nfrom types import SimpleNamespace\n"
           "c = SseClient(SimpleNamespace(url=sys.argv[2]), sys.argv[3])\nc.initialize()",
}


class Process:
    def __init__(self, pool, root, kind):
        code = (f"import sys\nsys.path.insert(0, sys.argv[1])\n{CLIENTS[kind]}\n"
                "while True:\n    print(c.call('whoami'), flush=True)\n    sys.stdin.readline()\n"
                "    hasattr(c, 'connection') and c.connection.close()\n")
        self.process = subprocess.Popen([sys.executable, "-c", code, str(HERE), pool.url, str(root)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert json.loads(self.process.stdout.readline())["project"] == str(root)

    def call(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def kept(pool, project):
    """A project, and kept() -> the sessions of its daemon: that of poold itself, and that of who asks."""
    a = project("a")
    watcher = Client(pool.ctl("ensure", a).stdout.strip()).open()

    def kept():
        watcher.connection.close()
        return set(json.loads(watcher.call("sessions")))
    assert len(kept()) == 2
    return a, kept


def kill_while(pool, then):
    """Kill poold; then() happens while there is none that could notice it."""
    pid = pool.pid()
    os.kill(pid, signal.SIGSTOP)
    then()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pool.pid() not in (None, pid) and pool.serves(), "the next poold")


def test_kills_of_poold_leave_nothing_of_its_own(pool, kept):
    a, kept = kept
    before = kept()
    for _ in range(3):
        pool.kill()
        assert kept() == before
    assert alive(pool.daemon(a)["pid"])


def test_clients_that_end_while_there_is_no_poold_leave_nothing(pool, kept):
    a, kept = kept
    before = kept()
    for _ in range(3):
        clients = [Process(pool, a, kind) for kind in CLIENTS]
        assert len(kept()) == len(before) + len(clients)
        kill_while(pool, lambda: [c.kill() for c in clients])
        wait_until(lambda: kept() == before, "what they had is gone", 5)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_that_ends_after_a_kill_of_poold_without_a_word_leaves_nothing(pool, kept, kind):
    a, kept = kept
    before = kept()
    client = Process(pool, a, kind)
    assert len(kept()) == len(before) + 1
    pool.kill()
    client.kill()
    wait_until(lambda: kept() == before, "what it had is gone", 5)


@pytest.mark.parametrize("kind", ["sessions", "modern"])
def test_a_client_goes_on_with_what_the_daemon_keeps_for_it(pool, kept, kind):
    a, kept = kept
    client = Process(pool, a, kind)
    before = kept()
    for _ in range(2):
        pool.kill()
        assert client.call()["pid"] == pool.daemon(a)["pid"]
        assert kept() == before
    client.kill()
    wait_until(lambda: len(kept()) == len(before) - 1, "its end", 5)


def test_a_client_that_begins_anew_on_its_stream_leaves_nothing_of_its_first_session(pool, kept):
    from test_sse_clients import SseClient
    a, kept = kept
    client = SseClient(pool, a)
    client.initialize()
    client.call("whoami")
    before = len(kept())
    client.initialize({"roots": {}})
    client.call("whoami")
    wait_until(lambda: len(kept()) == before, "the first is ended", 5)
