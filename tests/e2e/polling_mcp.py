#!/usr/bin/env python3
"""An MCP server over Streamable HTTP that numbers its events and closes its streams in the middle (SEP-1699).

Tools: poll (answers --delay seconds later; its stream is closed after the first event, and --closes more times after
each resumption; --linger leaves it open after the answer), unresumable (the same, but GET is refused), push (a message for the GET stream, which is closed after each),
ask (a request to the client; answers with what the client said), gets (the Last-Event-IDs of all GETs), opened (number of
handshakes), ended (number of DELETEs), forget (all sessions; --lost says how that is told later), seen (methods of the
notifications that came), tools_changed (says so in the call's own stream), large (bytes, as one event), bad (400 with the call's own id).
"""
import argparse
import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--delay", type=float, default=0.5)
parser.add_argument("--closes", type=int, default=0)
parser.add_argument("--retry", type=int, default=100)
parser.add_argument("--linger", action="store_true")
parser.add_argument("--initialize-delay", type=float, default=0)
parser.add_argument("--lost", default="404", help="status, or own-error: 400 with the call's own id")
args = parser.parse_args()
sessions, gets, seen, opened, ended = set(), [], [], 0, 0
streams = {}  # name -> events of it, each an (id, message)
numbers = itertools.count(1)
answers = {}  # id of a request of ours -> what came
changed = threading.Condition()
tools = ["poll", "unresumable", "push", "ask", "gets", "opened", "ended", "forget", "seen", "tools_changed", "large"]


def add(stream, message):
    with changed:
        events = streams.setdefault(stream, [])
        events.append((f"{stream}/{len(events)}", message))
        changed.notify_all()


def text_of(id, value):
    return {"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": value}]}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def send(self, status, value=None, **headers):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, content in headers.items():
            self.send_header(name.replace("_", "-"), content)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, id, message):
        data = "" if message is None else json.dumps(message)
        self.wfile.write(f"id: {id}\nretry: {args.retry}\ndata: {data}\n\n".encode())
        self.wfile.flush()

    def follow(self, stream, after, closes):
        """The events behind that number, up to the answer (or to the first one that closes the stream)."""
        at = after + 1
        while True:
            with changed:
                changed.wait_for(lambda: len(streams.get(stream, [])) > at or stopped.is_set())
            id, message = streams[stream][at]
            self.event(id, message)
            at += 1
            if message and "result" in message:
                return self.linger()
            if closes:
                return

    def linger(self):
        if args.linger:
            stopped.wait()

    def lost(self, id):
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "Session not found"}}
        if args.lost == "own-error":
            self.send(400, {**error, "id": id})
        elif args.lost == "bare-400":
            self.send(400)
        else:
            self.send(int(args.lost), error)

    def do_POST(self):
        global opened
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method, id = message.get("method"), message.get("id")
        if method == "initialize":
            opened += 1
            if opened > 1:
                time.sleep(args.initialize_delay)
            session = f"s{opened}"
            sessions.add(session)
            return self.send(200, {"jsonrpc": "2.0", "id": id, "result": {
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "polling", "version": "1"}}}, Mcp_Session_Id=session)
        if self.headers["Mcp-Session-Id"] not in sessions:
            return self.lost(id)
        if method is None:
            with changed:
                answers[id] = message
                changed.notify_all()
            return self.send(202)
        if id is None:
            seen.append(method)
            return self.send(202)
        self.answer(method, id, message.get("params", {}))

    def answer(self, method, id, params):
        name = params.get("name", method)
        arguments = params.get("arguments", {})
        if method == "tools/list":
            self.send(200, {"jsonrpc": "2.0", "id": id, "result": {"tools": [
                {"name": t, "description": t, "inputSchema": {"type": "object"}} for t in tools]}})
        elif method != "tools/call":
            self.send(200, {"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}})
        elif name in ("poll", "unresumable"):
            stream = f"{name}{next(numbers)}"
            self.begin()
            add(stream, None)
            self.event(f"{stream}/0", None)
            threading.Thread(target=self.work, args=(stream, id), daemon=True).start()
        elif name == "push":
            add("push", {"jsonrpc": "2.0", "method": "notifications/message", "params": arguments})
            self.send(200, text_of(id, "pushed"))
        elif name == "ask":
            ours = f"ask{next(numbers)}"
            self.begin()
            self.event("ask/0", {"jsonrpc": "2.0", "id": ours, "method": "roots/list"})
            with changed:
                changed.wait_for(lambda: ours in answers, 30)
            done.append(json.dumps(answers.get(ours)))
            self.event("ask/1", text_of(id, done[-1]))
            self.linger()
        elif name == "tools_changed":
            tools.append(f"tool{next(numbers)}")
            self.begin()
            self.event("c/0", {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            self.event("c/1", text_of(id, "changed"))
        elif name == "bad":
            self.send(400, {"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "bad arguments"}})
        elif name == "large":
            self.begin()
            self.event("l/0", text_of(id, "x" * int(arguments["bytes"])))
            self.linger()
        else:
            if name == "forget":
                sessions.clear()
            value = {"gets": gets, "opened": opened, "ended": ended, "seen": seen, "forget": 0,
                     "asked": done}.get(name)
            self.send(200, text_of(id, json.dumps(value)))

    def work(self, stream, id):
        time.sleep(args.delay)
        for step in range(1 + args.closes):
            add(stream, {"jsonrpc": "2.0", "method": "notifications/progress",
                         "params": {"progressToken": 1, "progress": step}})
        add(stream, text_of(id, "polled"))

    def do_GET(self):
        last = self.headers["Last-Event-ID"]
        gets.append(last)
        if self.headers["Mcp-Session-Id"] not in sessions:
            return self.lost(None)
        if last and last.startswith("unresumable"):
            return self.send(405)
        stream, number = last.rsplit("/", 1) if last else ("push", -1)
        self.begin()
        self.follow(stream, int(number), args.closes or stream == "push")

    def do_DELETE(self):
        global ended
        ended += 1
        sessions.discard(self.headers["Mcp-Session-Id"])
        self.send(200)


done = []
stopped = threading.Event()
ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer.request_queue_size = 256
ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()
