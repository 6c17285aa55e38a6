"""A daemon that demands an Authorization: what the front asks for a client carries that client's, and reaches no other."""
import pytest

from conftest import fake_server, wait_until
from mcp_client import Client, Stream


def tools(client):
    return [t["name"] for t in client.request("tools/list")["tools"]]


def test_what_the_front_asks_for_a_client_carries_its_authorization_and_reaches_no_other(pool, project):
    a = project("a")
    pool.configure({"fake": fake_server("--demand-authorization")})
    url = pool.ctl("ensure", a).stdout.strip()
    one, two = (Client(url, {"Authorization": f"Bearer {who}-5ecret"}).open() for who in ("one", "two"))
    for _ in range(2):
        for client, who in ((one, "one"), (two, "two")):
            client.connection.close()
            client.call("echo", text="opens the link")
            assert tools(client) == ["echo", f"of_{who}-5ecret"]
            assert client.call("echo", text=who) == who
        pool.ctl("evict", a)
        for client, who in ((one, "one"), (two, "two")):  # from memory
            client.connection.close()
            assert tools(client) == ["echo", f"of_{who}-5ecret"]
        assert tools(Client(url, {"Authorization": "Bearer one-5ecret"}).open()) == ["echo", "of_one-5ecret"]
        pool.kill()
    stream = Stream(url, {"Mcp-Session-Id": one.session, **one.headers})
    one.connection.close()
    one.call("notify")
    wait_until(lambda: any(m.get("method", "").endswith("list_changed") for m in stream.messages()), "a push")
    stream.close()
    said = [f for f in pool.state.rglob("*") if f.is_file() and b"Bearer one-5ecret" in f.read_bytes()]
    assert said == [], "it is written nowhere"
