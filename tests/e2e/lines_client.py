"""A raw MCP client that speaks JSON lines, over mcp.sock or over the pipes of a program."""
import itertools
import json
import socket
import subprocess

from mcp_client import RpcError


class Lines:
    """send() and receive() take and give messages; request() waits for the answer to its own."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.ids = itertools.count(0)
        self.others = []  # what came beside the answers
        self.answers = {}

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.writer.write(data + b"\n")
        self.writer.flush()

    def receive(self):
        """The next message; None at the end."""
        line = self.reader.readline()
        return json.loads(line) if line else None

    def ask(self, method, params=None, id=None):
        """Send a request without waiting; its id."""
        id = next(self.ids) if id is None else id
        self.send({"jsonrpc": "2.0", "id": id, "method": method, **({} if params is None else {"params": params})})
        return id

    def answer(self, id):
        """The whole answer to this id, whatever comes before it."""
        while id not in self.answers:
            message = self.receive()
            assert message is not None, f"the end came before the answer to {id}"
            if "method" in message or message.get("id") is None:
                self.others.append(message)
            else:
                self.answers[message["id"]] = message
        answer = self.answers.pop(id)
        assert type(answer["id"]) is type(id)
        return answer

    def request(self, method, params=None, id=None):
        answer = self.answer(self.ask(method, params, id))
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def open(self, version="2025-11-25", capabilities=None):
        self.initialized = self.request("initialize", {
            "protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": {"name": "lines", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def call(self, tool, token=None, **arguments):
        params = {"name": tool, "arguments": arguments}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        return self.request("tools/call", params)["content"][0]["text"]

    def whoami(self):
        return json.loads(self.call("whoami"))


class Socket(Lines):
    """Over mcp.sock. hello: the first line's content, its answer is in welcome (wait=False: comes among the others)."""

    def __init__(self, pool, timeout=60, wait=True, **hello):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(pool.run / "mcp.sock"))
        super().__init__(self.socket.makefile("rb"), self.socket.makefile("wb"))
        self.welcome = None
        if hello:
            self.send({"poold": hello})
            self.welcome = self.receive()["poold"] if wait else None

    def end(self):
        """The client sends no more."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        for file in (self.reader, self.writer, self.socket):
            try:
                file.close()
            except OSError:
                pass


class Program(Lines):
    """Over the pipes of a program, as every stdio client does it."""

    def __init__(self, words, cwd, env, stderr=None):
        self.process = subprocess.Popen([*map(str, words)], cwd=cwd, env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=stderr)
        super().__init__(self.process.stdout, self.process.stdin)

    def close(self, seconds=10):
        """End it as clients do; its exit status."""
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
