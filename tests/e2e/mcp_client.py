"""A raw MCP client over one kept HTTP connection, so that tests see bytes and headers."""
import base64
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
        self.url = url
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


MODERN = "2026-07-28"
NAMED = "io.modelcontextprotocol/"


def modern_meta(version=MODERN, capabilities=None, **more):
    """_meta of a request of 2026-07-28; more: of its own."""
    return {NAMED + "protocolVersion": version, NAMED + "clientCapabilities": capabilities or {},
            NAMED + "clientInfo": {"name": "raw-modern", "version": "1"}, **more}


def mirrored(message):
    """The headers that mirror it."""
    params = message.get("params", {})
    headers = {"MCP-Protocol-Version": params.get("_meta", {}).get(NAMED + "protocolVersion", MODERN),
               "Mcp-Method": message["method"]}
    name = params.get("uri" if message["method"] == "resources/read" else "name")
    if name is not None and message["method"] in ("tools/call", "prompts/get", "resources/read"):
        plain = name.isascii() and name.isprintable() and name == name.strip()
        headers["Mcp-Name"] = name if plain else f"=?base64?{base64.b64encode(name.encode()).decode()}?="
    return headers


class ModernClient(Client):
    """Streamable HTTP of 2026-07-28: no handshake, no session, each request says all."""

    def message(self, method, params=None, id=None, meta=None):
        return {"jsonrpc": "2.0", "id": next(self.ids) if id is None else id, "method": method,
                "params": {**(params or {}), "_meta": {**modern_meta(), **(meta or {})}}}

    def request(self, method, params=None, id=None, meta=None):
        message = self.message(method, params, id, meta)
        self.status, headers, body = self.post(message, mirrored(message))
        if headers["content-type"].startswith("text/event-stream"):
            messages = [json.loads("".join(line[5:].strip() for line in event.splitlines() if line.startswith("data:")))
                        for event in body.replace("\r\n", "\n").split("\n\n") if "data: {" in event]
        else:
            messages = [json.loads(body)]
        self.notifications, answer = messages[:-1], messages[-1]
        assert answer["id"] == message["id"] and type(answer["id"]) is type(message["id"]), answer
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def call(self, tool, meta=None, **arguments):
        return self.request("tools/call", {"name": tool, "arguments": arguments}, meta=meta)["content"][0]["text"]

    def listen(self, id="listen-1", **filter):
        """A stream of what the filter asks for."""
        message = self.message("subscriptions/listen", {"notifications": filter}, id)
        return Stream(self.url, {**self.headers, **mirrored(message)}, message)


class Stream:
    """A long event stream, read in the background; events is a list of (name, data)."""

    def __init__(self, url, headers=None, message=None):
        """message: POSTed; without one it is a GET."""
        u = urlparse(url)
        self.connection = http.client.HTTPConnection(u.hostname, u.port, timeout=120)
        accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"} if message else \
            {"Accept": "text/event-stream"}
        self.connection.request("POST" if message else "GET", u.path + (f"?{u.query}" if u.query else ""),
                                json.dumps(message) if message else None, {**accept, **(headers or {})})
        self.socket = self.connection.sock  # an answer framed by its end takes it off the connection
        self.response = self.connection.getresponse()
        self.events, self.ids, self.ended = [], [], False
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
                elif line.startswith("id:"):
                    self.ids.append(line[3:].strip())
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
