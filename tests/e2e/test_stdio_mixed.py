"""50 clients of one stdio server who all use the same request ids and progress tokens at the same time, cancel calls
and leave in the middle of them.

POOLD_TEST_STDIO_CALLS (default 20,000) is the number of calls of all together.
"""
import asyncio
import json
import os
import sys

from conftest import HERE, wait_until
from test_mixed import Connection

CALLS = int(os.environ.get("POOLD_TEST_STDIO_CALLS", 20000))
CLIENTS, WORKERS = 50, 2  # connections of each client
SERVER = {"command": sys.executable, "args": [str(HERE / "stdio_mcp.py")], "type": "stdio"}
KINDS = ("echo", "steps", "echo", "cancel", "echo", "steps", "leave", "never", "echo", "steps")


class Client:
    def __init__(self, pool, project, name):
        self.port, self.project, self.name = pool.port, str(project), name
        self.headers, self.wrong, self.unasked = {}, [], []
        self.done = dict.fromkeys(KINDS, 0)

    async def open(self):
        first = await Connection(self).open()
        _, answer = await first.request(0, "initialize", {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": self.name, "version": "1"}})
        self.headers = {"Mcp-Session-Id": first.fields["mcp-session-id"],
                        "MCP-Protocol-Version": answer["result"]["protocolVersion"]}
        self.stream, self.control = await Connection(self).open(), await Connection(self).open()
        _, fields = await self.stream.send("GET")
        self.listener = asyncio.create_task(self.listen(fields))
        self.connections = [first] + [await Connection(self).open() for _ in range(WORKERS - 1)]
        return self

    async def listen(self, fields):
        async for message in self.stream.messages(fields):
            self.unasked.append(message)

    async def cancel(self, id, after):
        await asyncio.sleep(after)
        status, fields = await self.control.send("POST", {
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
        assert status == 202
        [_ async for _ in self.control.pieces(fields)]

    async def one(self, connection, n):
        """The n-th call: every client uses the same id and token for its n-th."""
        id, kind, mark = str(n) if n % 2 else n, KINDS[n % len(KINDS)], f"{self.name} {n}"
        given = {"mark": mark, "seconds": n % 7 / 1000}
        tool = {"cancel": "steps", "leave": "steps"}.get(kind, kind)
        if tool == "steps":
            given["steps"] = 1 + n % 3
        params = {"name": tool, "arguments": given, "_meta": {"progressToken": id}}
        self.done[kind] += 1
        if kind == "leave":
            leaver = await Connection(self).open()
            leaver.request_task = asyncio.create_task(leaver.request(id, "tools/call", params))
            await asyncio.sleep(n % 5 / 1000)
            leaver.request_task.cancel()
            leaver.output.close()
            return
        if kind in ("cancel", "never"):
            call = asyncio.create_task(connection.request(id, "tools/call", params))
            async with self.cancelling:
                await self.cancel(id, n % 5 / 1000)
                while kind == "never" and not call.done():  # one that comes before the call cancels nothing
                    await self.cancel(id, 0.01)
            beside, answer = await call
        else:
            beside, answer = await connection.request(id, "tools/call", params)
        got = answer.get("result", {}).get("content", [{}])[0].get("text")
        is_cancelled = answer.get("error", {}).get("code") == -32800
        if answer["id"] != id or type(answer["id"]) is not type(id) or \
                not (got == mark if kind in ("echo", "steps") else is_cancelled or (got == mark and kind == "cancel")):
            self.wrong.append((kind, mark, answer))
        steps = [(m["params"]["progressToken"], m["params"]["message"], m["params"]["progress"]) for m in beside]
        all_steps = [(id, mark, i + 1) for i in range(given.get("steps", 0))]
        if steps != all_steps[:len(steps)] or (kind == "steps" and steps != all_steps):
            self.wrong.append((kind, mark, steps))

    async def work(self, numbers):
        waiting = iter(numbers)
        self.cancelling = asyncio.Lock()  # one connection is for cancels

        async def worker(connection):
            for n in waiting:
                await self.one(connection, n)
        await asyncio.gather(*(worker(c) for c in self.connections))

    async def close(self):
        self.listener.cancel()
        for c in [self.stream, self.control, *self.connections]:
            c.output.close()


async def talk(pool, project):
    clients = [await Client(pool, project, f"client {i}").open() for i in range(CLIENTS)]
    await asyncio.gather(*(c.work(range(1, CALLS // CLIENTS + 1)) for c in clients))
    for c in clients:
        await c.close()
    return clients


def test_many_clients_with_equal_ids_and_tokens_who_cancel_and_leave_are_never_mixed_up(pool, project):
    a = project()
    pool.configure({"stdio": SERVER})
    pool.start()
    clients = asyncio.run(talk(pool, a))
    for c in clients:
        assert not c.wrong, (len(c.wrong), c.wrong[:3])
        assert not c.unasked, c.unasked[:3]
        assert sum(c.done.values()) == CALLS // CLIENTS and min(c.done.values()) > 0
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0, "every call is over, also those whose client left")
    assert len(pool.json("list")) == 1 and pool.daemon(a)["starts"] == 1
    assert json.loads(pool.ctl("list", "--json").stdout)[0]["state"] == "ready"
