"""Requests of a daemon to a client that has gone: the daemon gets an error, it does not wait for ever."""
import json
import subprocess
import sys

from conftest import HERE, wait_until
from test_resume import begin, message_of, open_client, resume
from test_upstream_resume import polling  # noqa: F401  (a fixture)


PATIENT = """
import sys, types
sys.path.insert(0, sys.argv[1])
from test_resume import begin, open_client
pool = types.SimpleNamespace(port=int(sys.argv[2]), url=f"http://127.0.0.1:{sys.argv[2]}")
stream = begin(pool, open_client(pool, sys.argv[3]), "ask")
while block := stream.next():
    if "roots/list" in "".join(block.get("data", [])):
        print(block, flush=True)
"""


def asked(client):
    """What the daemon was told so far by those that it has asked."""
    return [json.loads(answer) for answer in json.loads(client.call("asked"))]


def test_the_answer_of_a_client_that_is_there_reaches_the_daemon(pool, polling):
    client = open_client(pool, polling())
    stream = begin(pool, client, "ask")
    question = next(m for m in map(message_of, iter_data(stream)) if m.get("method") == "roots/list")
    assert client.post({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}})[0] == 202
    assert json.loads(message_of(list(iter_data(stream))[-1])["result"]["content"][0]["text"])["result"] == {"roots": []}


def iter_data(stream):
    """Blocks that hold a message."""
    return (b for b in iter(stream.next, None) if any(b.get("data", [])))


def test_a_client_that_leaves_is_answered_for(pool, polling):
    client = open_client(pool, polling(), "2024-11-05")  # which cannot resume
    stream = begin(pool, client, "ask")
    next(iter_data(stream))
    stream.leave()
    wait_until(lambda: asked(client), "the daemon has an answer")
    assert "gone" in asked(client)[0]["error"]["message"]


def test_a_client_that_resumes_may_still_answer(pool, polling):
    client = open_client(pool, polling())
    stream = begin(pool, client, "ask")
    primed = stream.next()
    stream.leave()
    again = resume(pool, primed["id"], client.session)
    question = message_of(next(iter_data(again)))
    assert client.post({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}})[0] == 202
    assert json.loads(message_of(next(iter_data(again)))["result"]["content"][0]["text"])["result"] == {"roots": []}


def test_a_client_that_does_not_come_back_is_answered_for(pool, polling):
    client = open_client(pool, polling())
    stream = begin(pool, client, "ask")
    stream.next()
    stream.leave()
    wait_until(lambda: asked(client), "the daemon has an answer", 30)
    assert "gone" in asked(client)[0]["error"]["message"]


def test_a_client_whose_process_ends_is_answered_for_at_once(pool, polling):
    a = polling()
    client = open_client(pool, a)
    other = subprocess.Popen([sys.executable, "-c", PATIENT, str(HERE), str(pool.port), str(a)], stdout=subprocess.PIPE)
    assert b"roots/list" in other.stdout.readline()
    other.stdout.close()
    other.kill()
    other.wait()
    wait_until(lambda: asked(client), "the daemon has an answer", 10)
    assert "gone" in asked(client)[0]["error"]["message"]
    wait_until(lambda: pool.daemon(a)["sessions"] == 1, "the session is put aside")
