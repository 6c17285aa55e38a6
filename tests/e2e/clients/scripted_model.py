"""A model service for Claude Code whose answers the prompt itself prescribes.

Each line `CALL tool {"json": "arguments"}` of the prompt becomes a tool_use, one after the other; then the
texts of all tool results are the final answer, a line each. between(n) runs before the n-th call (from 0), seen(request) before every answer.
A tool that is not there yet is waited for by the tool that Claude Code offers for that, as real models do: it
goes on without a server that needs more than about 2 s to connect.
"""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def blocks_of(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def text_of(content):
    """What a tool_result holds."""
    return content if isinstance(content, str) else "".join(c.get("text", "") for c in content)


def next_block(request, between):
    """The one content block to answer this request with."""
    blocks = [b for m in request["messages"] if m["role"] == "user" for b in blocks_of(m)]
    calls = [line.split(" ", 2)[1:] for b in blocks if b["type"] == "text" for line in b["text"].splitlines()
             if line.startswith("CALL ")]
    results = [text_of(b["content"]) for b in blocks if b.get("tool_use_id", "").startswith("toolu_call")]
    waits = sum(b.get("tool_use_id", "").startswith("toolu_wait") for b in blocks)
    if not calls:
        return {"type": "text", "text": "nothing to do"}
    if len(results) == len(calls):
        return {"type": "text", "text": "\n".join(results)}
    tool, arguments = calls[len(results)]
    offered = [t["name"] for t in request.get("tools", [])]
    if tool not in offered and "WaitForMcpServers" in offered and waits < 3:
        return {"type": "tool_use", "id": f"toolu_wait_{waits}", "name": "WaitForMcpServers", "input": {}}
    if tool not in offered:
        return {"type": "text", "text": f"there is no tool {tool}, only {offered}"}
    between(len(results))
    return {"type": "tool_use", "id": f"toolu_call_{len(results)}",
            "name": tool, "input": json.loads(arguments)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, kind, data):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_HEAD(self):
        self.send(200, "text/plain", b"")

    def do_GET(self):
        self.send(404, "application/json", b"{}")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.startswith("/v1/messages?") and self.path != "/v1/messages":
            return self.send(404, "application/json", b"{}")
        self.server.seen(request)
        block = next_block(request, self.server.between)
        stop = "tool_use" if block["type"] == "tool_use" else "end_turn"
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        if not request.get("stream"):
            return self.send(200, "application/json", json.dumps(
                {**message, "content": [block], "stop_reason": stop}).encode())
        if stop == "tool_use":
            empty, delta = {**block, "input": {}}, {"type": "input_json_delta",
                                                    "partial_json": json.dumps(block["input"])}
        else:
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        events = [{"type": "message_start", "message": message},
                  {"type": "content_block_start", "index": 0, "content_block": empty},
                  {"type": "content_block_delta", "index": 0, "delta": delta},
                  {"type": "content_block_stop", "index": 0},
                  {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
                   "usage": {"output_tokens": 1}},
                  {"type": "message_stop"}]
        self.send(200, "text/event-stream",
                  "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode())


class Model:
    """The service on a port of its own, until close()."""

    def __init__(self, between=lambda n: None, seen=lambda request: None):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.between, self.server.seen = between, seen
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
