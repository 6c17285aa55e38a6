"""Two clients of one daemon that use the same request ids, progress tokens and resource URIs at the same time.

POOLD_TEST_MIXED_CALLS (default 10,000) is the number of calls of both together; clients of real SDKs do a tenth of it.
"""
import asyncio
import json
import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import HERE, wait_until
from sdk_clients import sdk  # noqa: F401  (a fixture)

CALLS = int(os.environ.get("POOLD_TEST_MIXED_CALLS", 10000))
WORKERS = 8  # connections of each client, so many calls of it are under way
SERVER = {"command": sys.executable, "type": "http", "args": [str(HERE / "mixed_mcp.py"), "${POOLD_PORT}"]}
URIS = ["mixed://a", "mixed://b"]


class Connection:
    """One HTTP connection that is kept; one request at a time."""

    def __init__(self, client):
        self.client = client

    async def open(self):
        self.input, self.output = await asyncio.open_connection("127.0.0.1", self.client.port, limit=1 << 20)
        return self

    async def send(self, method, message=None):
        """The status line and headers of the answer."""
        fields = {"Host": f"127.0.0.1:{self.client.port}", "X-Poold-Project": self.client.project,
                  "Accept": "application/json, text/event-stream" if message else "text/event-stream",
                  **self.client.headers}
        body = json.dumps(message).encode() if message else b""
        if message:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self.output.write("\r\n".join([f"{method} /mcp HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""])
                          .encode() + body)
        lines = (await self.input.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(lines[0].split()[1]), {k.lower(): v.strip() for k, _, v in (s.partition(":") for s in lines[1:] if s)}

    async def pieces(self, fields):
        """The body as it comes: by length, by chunks or until the end."""
        if "content-length" in fields:
            yield await self.input.readexactly(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            while n := int(await self.input.readline(), 16):
                yield await self.input.readexactly(n)
                await self.input.readexactly(2)
            await self.input.readexactly(2)
        else:
            while data := await self.input.read(65536):
                yield data

    async def messages(self, fields):
        """The JSON-RPC messages of an answer, in order."""
        kept = b""
        async for piece in self.pieces(fields):
            kept += piece
            while fields["content-type"].startswith("text/event-stream") and b"\n\n" in kept:
                event, kept = kept.split(b"\n\n", 1)
                data = b"".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
                if data:
                    yield json.loads(data)
        if kept.strip() and fields["content-type"].startswith("application/json"):
            yield json.loads(kept)

    async def request(self, id, method, params):
        """(all messages before the answer, the answer)"""
        status, fields = await self.send("POST", {"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        assert status == 200, (status, fields)
        self.fields = fields
        found = [m async for m in self.messages(fields)]
        return found[:-1], found[-1]


class Client:
    def __init__(self, pool, project, name):
        self.port, self.project, self.name = pool.port, str(project), name
        self.headers, self.updates, self.wrong, self.touched, self.answered = {}, [], [], [], 0

    async def open(self):
        first = await Connection(self).open()
        _, answer = await first.request(0, "initialize", {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": self.name, "version": "1"}})
        self.headers = {"Mcp-Session-Id": first.fields["mcp-session-id"],
                        "MCP-Protocol-Version": answer["result"]["protocolVersion"]}
        status, fields = await first.send("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert status == 202
        [_ async for _ in first.pieces(fields)]
        for uri in URIS:
            await first.request(uri, "resources/subscribe", {"uri": uri})
        self.stream = await Connection(self).open()
        status, fields = await self.stream.send("GET")
        assert status == 200
        self.listener = asyncio.create_task(self.listen(fields))
        self.connections = [first] + [await Connection(self).open() for _ in range(WORKERS - 1)]

    async def listen(self, fields):
        async for message in self.stream.messages(fields):
            if message.get("method") == "notifications/resources/updated":
                self.updates.append(message["params"]["_meta"]["mark"])

    async def one(self, connection, n):
        """The n-th call: every client uses the same id, token and URI for its n-th."""
        id = str(n) if n % 2 else n
        mark = f"{self.name} {n}"
        kind = ("echo", "steps", "touch", "echo")[n // 2 % 4]
        given = {"mark": mark, "seconds": n % 5 / 1000}
        if kind == "steps":
            given["steps"] = 1 + n % 3
        if kind == "touch":
            given["uri"] = URIS[n % 2]
            self.touched.append(mark)
        beside, answer = await connection.request(id, "tools/call", {
            "name": kind, "arguments": given, "_meta": {"progressToken": id}})
        got = answer.get("result", {}).get("content", [{}])[0].get("text")
        if got != mark or answer["id"] != id or type(answer["id"]) is not type(id):
            self.wrong.append((mark, answer))
        steps = [(m["params"]["progressToken"], m["params"]["message"], m["params"]["progress"]) for m in beside]
        if steps != [(id, mark, i + 1) for i in range(given.get("steps", 0))]:
            self.wrong.append((mark, steps))
        self.answered += 1

    async def work(self, numbers):
        waiting = iter(numbers)

        async def worker(connection):
            for n in waiting:
                await self.one(connection, n)
        await asyncio.gather(*(worker(c) for c in self.connections))

    async def close(self):
        self.listener.cancel()
        for c in [self.stream, *self.connections]:
            c.output.close()


async def talk(pool, project):
    clients = [Client(pool, project, name) for name in ("left", "right")]
    for c in clients:
        await c.open()
    await asyncio.gather(*(c.work(range(1, CALLS // 2 + 1)) for c in clients))
    for c in clients:
        for _ in range(1000):
            if len(c.updates) >= len(c.touched):
                break
            await asyncio.sleep(0.01)
        await c.close()
    return clients


def test_equal_ids_tokens_and_subscriptions_of_two_clients_are_never_mixed_up(pool, project):
    a = project()
    pool.configure({"mixed": SERVER})
    pool.start()
    clients = asyncio.run(talk(pool, a))
    for c in clients:
        assert c.answered == CALLS // 2
        assert not c.wrong, (len(c.wrong), c.wrong[:3])
        assert sorted(c.updates) == sorted(c.touched)
    assert sum(len(c.touched) for c in clients) > CALLS / 8
    assert len(pool.json("list")) == 1


def sdk_works(client, calls):
    """Calls, WORKERS at a time; what was answered wrongly, and the updates that must come."""
    under_way, wrong, touched = deque(), [], []

    def check(mark, steps, number):
        said = client.answer(number)
        # SDKs drop progress that comes in one piece with the answer.
        if said["text"] != mark or set(said["messages"]) - {mark} or len(said["progress"]) > steps:
            wrong.append((mark, said))
    for n in range(calls):
        mark, steps, given = f"{client.kind} {n}", n % 4, {}
        tool = ("echo", "steps", "touch", "steps")[n % 4]
        if tool == "steps":
            given = {"steps": steps, "seconds": 0.002}
        if tool == "touch":
            given = {"uri": URIS[n // 4 % 2]}
            touched.append(f"{given['uri']} {mark}")
        if len(under_way) == WORKERS:
            check(*under_way.popleft())
        number = client.send_call(tool, progress=tool == "steps", mark=mark, **given)
        under_way.append((mark, steps if tool == "steps" else 0, number))
    for one in under_way:
        check(*one)
    return wrong, touched


@pytest.mark.parametrize("kinds", [("ts1-http", "py1-http"), ("py2-http", "ts2-http")])
def test_real_clients_of_different_sdks_are_never_mixed_up(pool, project, sdk, kinds):
    """SDKs count their request ids from 0 and use them as progress tokens: equal ones meet all the time."""
    a = project()
    pool.configure({"mixed": SERVER})
    pool.start()
    clients = [sdk(kind, a, connect=False) for kind in kinds]
    for client in clients:
        client.connected()
        for uri in URIS:
            client.ask("subscribe", uri=uri)
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(sdk_works, clients, [CALLS // 20] * 2))
    for client, (wrong, touched) in zip(clients, results):
        assert not wrong, (len(wrong), wrong[:3])
        wait_until(lambda: len(client.ask("heard")) >= len(touched), "its updates")
        assert sorted(client.ask("heard")) == sorted(touched)
    assert len(pool.json("list")) == 1
