#!/usr/bin/env python3
"""A small MCP server for provoking faults; the main paths are tested with real Serena and real SDKs.

Speaks Streamable HTTP (answers as SSE, or JSON with --json) or HTTP+SSE (--transport sse). Tools: echo,
whoami (project, pid), slow (seconds, with progress), look (the same, annotated as reading only), big (bytes), crash
(the process ends itself), env, calls (names so far), notify (tools/list_changed; to all sessions with all), learn (one
more tool, told to all), forget (all sessions), mute (answers nothing from then on), grow (megabytes of memory),
settings (log level and subscriptions of the session), sessions (living ones).
"""
import argparse
import json
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

args = None
sessions = {}  # id -> queue of messages for its stream
calls = []
settings = {}  # session -> what it has set
kept = []  # memory of the tool grow
is_mute = False
asks, owners = threading.local(), {}  # --demand-authorization
turn = threading.Lock()  # --one-at-a-time

TOOLS = [{"name": n, "description": n, "inputSchema": {"type": "object"}}
         for n in ("echo", "whoami", "slow", "big", "crash", "env", "calls", "notify", "learn", "forget", "mute", "grow", "settings", "sessions")]
TOOLS.append({**TOOLS[2], "name": "look", "description": "slow, but only reads", "annotations": {"readOnlyHint": True}})


def text(value, is_error=False):
    return {"content": [{"type": "text", "text": value}], "isError": is_error}


def call_tool(name, arguments, progress, session):
    calls.append(name)
    if name == "echo":
        return text(arguments.get("text", ""))
    if name == "whoami":
        return text(json.dumps({"project": args.project, "pid": os.getpid(), "cwd": os.getcwd()}))
    if name in ("slow", "look"):
        steps = int(arguments.get("steps", 1))
        for i in range(steps):
            stop.wait(float(arguments.get("seconds", 1)) / steps)
            progress(i + 1, steps)
        return text("done")
    if name == "big":
        return text("x" * int(arguments["bytes"]))
    if name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "env":
        return text(json.dumps(dict(os.environ)))
    if name == "calls":
        return text(json.dumps(calls))
    if name == "notify":
        for one in list(sessions) if arguments.get("all") else [session]:
            sessions[one].put({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        return text("sent")
    if name == "learn":
        TOOLS.append({**TOOLS[0], "name": arguments["called"]})
        return call_tool("notify", {"all": True}, progress, session)
    if name == "forget":
        sessions.clear()
        return text("forgotten")
    if name == "mute":
        global is_mute
        is_mute = True
        return text("no more")
    if name == "grow":
        kept.append(bytearray(b"g") * (int(arguments["megabytes"]) << 20))
        return text("grown")
    if name == "settings":
        return text(json.dumps(settings.get(session, [])))
    if name == "sessions":
        return text(json.dumps(sorted(sessions)))
    if name == "warm":
        return text(args.warm_text, args.warm_text.startswith("Error"))
    raise KeyError(name)


def answer(message, progress, session):
    """The response to a request, or None for anything else."""
    if "id" not in message or "method" not in message:
        return None
    method, params = message["method"], message.get("params", {})
    reply = {"jsonrpc": "2.0", "id": message["id"]}
    if method == "initialize":
        if args.handshake_error:
            reply["error"] = {"code": -32603, "message": args.handshake_error}
            return reply
        reply["result"] = {"protocolVersion": params.get("protocolVersion", "2025-06-18"),
                           "capabilities": {"tools": {"listChanged": True}},
                           "serverInfo": {"name": "fake", "version": "1"}, "instructions": "fake"}
    elif method == "tools/list":
        start = int(params.get("cursor", 0))
        page = args.page or len(TOOLS)
        reply["result"] = {"tools": TOOLS[start:start + page]}
        if args.demand_authorization:
            reply["result"]["tools"] = TOOLS[:1] + [{**TOOLS[0], "name": "of_" + asks.who.split()[-1]}]
        if start + page < len(TOOLS):
            reply["result"]["nextCursor"] = str(start + page)
    elif method in ("logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
        settings.setdefault(session, []).append([method, params])
        reply["result"] = {}
    elif method == "ping":
        reply["result"] = {}
    elif method == "tools/call":
        try:
            reply["result"] = call_tool(params["name"], params.get("arguments", {}), progress, session)
        except KeyError as missing:
            reply["error"] = {"code": -32602, "message": f"unknown tool {missing}"}
    else:
        reply["error"] = {"code": -32601, "message": "no such method"}
    return reply


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def log_message(self, *_):
        pass

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")

    def send(self, status, value=None, headers=()):
        data = b"" if value is None else json.dumps(value, indent=1 if args.pretty else None).encode()
        self.send_response(status)
        for name, content in headers:
            self.send_header(name, content)
        if data:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, message, name="message"):
        data = message if isinstance(message, str) else json.dumps(message)
        if args.escape:
            data = data.replace("/", "\\/") if name == "message" else data
        self.chunk(f"event: {name}\r\ndata: {data}\r\n\r\n".encode())

    def start_stream(self, headers=()):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, content in headers:
            self.send_header(name, content)
        self.end_headers()
        self.wfile.flush()

    def progress_of(self, message, send):
        token = message.get("params", {}).get("_meta", {}).get("progressToken")

        def progress(value, total):
            if token is not None:
                send({"jsonrpc": "2.0", "method": "notifications/progress",
                      "params": {"progressToken": token, "progress": value, "total": total}})
        return progress

    def drain(self, q):
        """Send what is queued for a stream until its client or the server is gone."""
        while not stop.is_set():
            try:
                message = q.get(timeout=0.5)
            except queue.Empty:
                continue
            if message is None:  # the stream is ended, and its session lives on
                return self.chunk(b"")
            try:
                if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                    return q.put(message)  # for the next stream
                self.event(message)
            except OSError:
                return

    def record(self, method):
        """--record: a line per request."""
        if args.record:
            with open(args.record, "a") as f:
                f.write(json.dumps([self.command, method, self.headers.get("Mcp-Session-Id")]) + "\n")

    def do_POST(self):
        message = self.body()
        self.record(message.get("method", "answer"))
        if is_mute:
            stop.wait()
        if args.one_at_a_time:
            with turn:
                return self.post(message)
        self.post(message)

    def is_refused(self):
        """--demand-authorization: each session is of one Authorization, and each has a tool of its own."""
        if not args.demand_authorization:
            return False
        asks.who = self.headers.get("Authorization")
        owner = owners.get(self.headers.get("Mcp-Session-Id"), asks.who)
        if asks.who and owner == asks.who:
            return False
        self.send(401, {"error": "who are you?"})
        return True

    def post(self, message):
        if self.is_refused():
            return
        url = urlparse(self.path)
        if args.transport == "sse":
            return self.sse_message(url, message)
        session = self.headers.get("Mcp-Session-Id")
        headers = []
        if message.get("method") == "initialize":
            stop.wait(args.handshake_delay)
            session = uuid.uuid4().hex
            sessions[session] = queue.Queue()
            headers = [("Mcp-Session-Id", session)]
            owners[session] = getattr(asks, "who", None)
        elif session not in sessions:
            return self.send(args.lost_status, {"jsonrpc": "2.0", "id": None, "error": {
                "code": -32600, "message": "Session not found"}})
        if args.offer_sessions and not headers:
            headers = [("Mcp-Session-Id", "offered-unasked")]
        if "id" not in message or "method" not in message:
            return self.send(202, None, headers)
        if args.json:
            return self.send(200, answer(message, lambda *_: None, session), headers)
        self.start_stream(headers)
        self.event(answer(message, self.progress_of(message, self.event), session))
        if args.open_handshake and message["method"] == "initialize":
            stop.wait()
        self.chunk(b"")

    def sse_message(self, url, message):
        session = parse_qs(url.query).get("session_id", [""])[0]
        if session not in sessions:
            return self.send(404, "Could not find session")
        self.send(202)

        def work():
            reply = answer(message, self.progress_of(message, sessions[session].put), session)
            if reply:
                sessions[session].put(reply)
        threading.Thread(target=work, daemon=True).start()

    def do_GET(self):
        self.record(None)
        if self.is_refused():
            return
        if args.transport == "sse":
            session = uuid.uuid4().hex
            sessions[session] = queue.Queue()
            self.start_stream()
            self.event(f"/messages/?session_id={session}", "endpoint")
            return self.drain(sessions[session])
        session = self.headers.get("Mcp-Session-Id")
        if session not in sessions:
            return self.send(404, "no session")
        self.start_stream()
        self.drain(sessions[session])

    def do_DELETE(self):
        self.record(None)
        if self.is_refused():
            return
        sessions.pop(self.headers.get("Mcp-Session-Id"), None)
        self.send(200)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main():
    global args
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--project", default="")
    parser.add_argument("--transport", default="http")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pretty", action="store_true", help="line ends in its JSON answers")
    parser.add_argument("--start-delay", type=float, default=0)
    parser.add_argument("--exit-code", type=int)
    parser.add_argument("--never-listen", action="store_true")
    parser.add_argument("--handshake-error")
    parser.add_argument("--handshake-delay", type=float, default=0)
    parser.add_argument("--open-handshake", action="store_true", help="the answer's stream is left open")
    parser.add_argument("--lost-status", type=int, default=404)
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--print-megabytes", type=int, default=0)
    parser.add_argument("--fork-away", action="store_true")
    parser.add_argument("--no-reuse", action="store_true", help="no SO_REUSEADDR: connections that linger are in the way")
    parser.add_argument("--one-at-a-time", action="store_true", help="a ping waits for the call before it")
    parser.add_argument("--with-child", action="store_true", help="a child that ignores TERM, in its own session")
    parser.add_argument("--page", type=int, default=0, help="tools of a page of their list; 0: all")
    parser.add_argument("--record", help="file for each request's HTTP method, MCP method and session id")
    parser.add_argument("--offer-sessions", action="store_true", help="each answer offers another session id")
    parser.add_argument("--demand-authorization", action="store_true", help="401 without; sessions and a tool of each")
    parser.add_argument("--escape", action="store_true", help="write / as \\/ in events, as some JSON writers do")
    parser.add_argument("--own-tool", action="store_true", help="one more tool, named after the project")
    parser.add_argument("--warm-text", default="warm")
    args = parser.parse_args()
    if args.own_tool:
        TOOLS.append({"name": os.path.basename(args.project), "inputSchema": {"type": "object"}})
    print("fake server starts", flush=True)
    for _ in range(args.print_megabytes):
        sys.stdout.write(("y" * 1023 + "\n") * 1024)
    sys.stdout.flush()
    if args.exit_code is not None:
        print("fake server gives up: no reason given", file=sys.stderr, flush=True)
        sys.exit(args.exit_code)
    if args.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if args.with_child and os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    if args.fork_away and os.fork():
        sys.exit(0)
    stop.wait(args.start_delay)
    if args.never_listen:
        stop.wait()
    Server.allow_reuse_address = not args.no_reuse
    Server(("127.0.0.1", args.port), Handler).serve_forever()


stop = threading.Event()
if __name__ == "__main__":
    main()
