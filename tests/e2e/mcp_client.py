"""A raw MCP client over one kept HTTP connection, so that tests see bytes and headers."""
import http.client
import itertools
import json
import threading
from urllib.parse import urlparse


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code, self.error = error["code"], error


class Client:
    """Streamable HTTP, legacy handshake."""

    def __init__(self, url, headers=None, timeout=60):
        u = urlparse(url)
        self.path = u.path + (f"?{u.query}" if u.query else "")
        self.connection = http.client.HTTPConnection(u.hostname, u.port, timeout=timeout)
        self.headers = dict(headers or {})
        self.session = None
        self.ids = itertools.count(0)
        self.seen = {}           # headers of the last answer
        self.notifications = []  # what came beside the last answer

    def post(self, message, headers=None):
        """(status, headers, body text) of one POST."""
        h = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **self.headers,
             **(headers or {})}
        if self.session:
            h["Mcp-Session-Id"] = self.session
        self.connection.request("POST", self.path, json.dumps(message), h)
        r = self.connection.getresponse()
        self.seen = {k.lower(): v for k, v in r.getheaders()}
        return r.status, self.seen, r.read().decode()

    def request(self, method, params=None, id=None):
        id = next(self.ids) if id is None else id
        message = {"jsonrpc": "2.0", "id": id, "method": method}
        if params is not None:
            message["params"] = params
        status, headers, body = self.post(message)
        assert status == 200, (status, body)
        if headers["content-type"].startswith("text/event-stream"):
            messages = [json.loads("".join(line[5:].strip() for line in event.splitlines() if line.startswith("data:")))
                        for event in body.replace("\r\n", "\n").split("\n\n") if "data: {" in event]
        else:
            messages = [json.loads(body)]
        self.notifications = messages[:-1]
        answer = messages[-1]
        assert answer["id"] == id and type(answer["id"]) is type(id), answer
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def notify(self, method, params=None):
        status, _, body = self.post({"jsonrpc": "2.0", "method": method, "params": params or {}})
        assert status == 202, (status, body)

    def open(self, version="2025-11-25"):
        self.initialized = self.request("initialize", {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}})
        self.initialize_headers = self.seen
        self.session = self.seen["mcp-session-id"]
        self.headers["MCP-Protocol-Version"] = self.initialized["protocolVersion"]
        self.notify("notifications/initialized")
        return self

    def call(self, tool, token=None, **arguments):
        params = {"name": tool, "arguments": arguments}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        result = self.request("tools/call", params)
        return result["content"][0]["text"]

    def whoami(self):
        return json.loads(self.call("whoami"))

    def close(self):
        self.connection.close()


class Stream:
    """A long event stream, read in the background; events is a list of (name, data)."""

    def __init__(self, url, headers=None):
        u = urlparse(url)
        self.connection = http.client.HTTPConnection(u.hostname, u.port, timeout=120)
        self.connection.request("GET", u.path + (f"?{u.query}" if u.query else ""),
                                headers={"Accept": "text/event-stream", **(headers or {})})
        self.socket = self.connection.sock  # an answer framed by its end takes it off the connection
        self.response = self.connection.getresponse()
        self.events, self.ended = [], False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        name, data = "message", []
        try:
            for raw in self.response:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].strip())
                elif not line:
                    if any(data):  # a priming event has none
                        self.events.append((name, "\n".join(data)))
                    name, data = "message", []
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended = True

    def messages(self):
        return [json.loads(d) for n, d in self.events if n == "message"]

    def close(self):
        try:
            self.socket.shutdown(2)
        except OSError:
            pass  # it has ended already
        self.connection.close()
