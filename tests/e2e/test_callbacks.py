"""What a server asks and tells unasked reaches exactly the client that it is for: two clients of one daemon that answer
differently, on the reference "everything" server."""
import pytest

from conftest import wait_until
from sdk_clients import MODULES, NODE, Sdk

EVERYTHING = MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
pytestmark = pytest.mark.skipif(not EVERYTHING.exists(), reason=f"{EVERYTHING} is not there: ./runtests installs it")
RESOURCE = "demo://resource/dynamic/text/1"


class Caller(Sdk):
    """A client with every callback, named after the folder that is its root."""

    def __init__(self, pool, transport, folder):
        self.name = folder.name
        super().__init__(pool, f"callbacks-{transport}", folder, more=(folder.name, str(folder)))


@pytest.fixture
def two(pool, project, request):
    """Two clients of one daemon, each in a folder of its own of the same project."""
    daemon, transport = request.param
    pool.configure({"everything": {
        "command": str(NODE), "args": [str(EVERYTHING), "streamableHttp" if daemon == "http" else "sse"], "type": daemon,
        "env": {"PORT": "${POOLD_PORT}"}}})
    a = project("a")
    pool.start()
    made = []
    for name in ("one", "two"):
        (a / name).mkdir()
        made.append(Caller(pool, transport, a / name).connected())
    yield made
    for client in made:
        client.close()
    assert [d["starts"] for d in pool.json("list")] == [1], "they shared one daemon"


@pytest.mark.parametrize("two", [("http", "http"), ("http", "sse"), ("sse", "http"), ("sse", "sse")], indirect=True,
                         ids=lambda p: f"{p[0]}-daemon-{p[1]}-client")
def test_each_callback_reaches_its_own_client(two):
    def ask_both(tool, progress=False, **arguments):
        """Both at once, answers in order."""
        numbers = [c.send("call", tool=tool, arguments=arguments, progress=progress) for c in two]
        return [c.answer(n) for c, n in zip(two, numbers)]

    for answer, client in zip(ask_both("trigger-sampling-request", prompt="who?"), two):
        assert f"{client.name} says: " in answer["text"]
    for answer, client in zip(ask_both("trigger-elicitation-request"), two):
        assert client.name in answer["text"]
    # The front asked for their roots as well, to know the project: its answers went no further.
    for answer, client in zip(ask_both("get-roots-list"), two):
        assert f"/a/{client.name}" in answer["text"] and "(1 total)" in answer["text"]
    for answer in ask_both("trigger-long-running-operation", progress=True, duration=1, steps=4):
        assert answer["progress"] == [1, 2, 3, 4] or answer["progress"] == [1, 2, 3]
    one, other = two
    one.ask("subscribe", uri=RESOURCE)
    one.call("toggle-subscriber-updates")
    other.call("toggle-simulated-logging")
    wait_until(lambda: ["resources/updated", RESOURCE] in one.ask("heard"), "the update at its subscriber")
    wait_until(lambda: any("-level" in what for kind, what in other.ask("heard") if kind == "log"), "a log message")
    assert not any(kind == "resources/updated" for kind, _ in other.ask("heard"))
    assert not any("-level" in what for _, what in one.ask("heard"))
    one.call("toggle-subscriber-updates")
    other.call("toggle-simulated-logging")
