"""A model service for Codex (the Responses API) whose answers the prompt itself prescribes.

The last user message that is a line `CALL tool {"json": "arguments"}` becomes a call of that tool of poold; once it is
answered, the turn ends. server.seen(request) runs before every answer.
"""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def next_item(request):
    """The one output item to answer this request with."""
    order, is_done = None, False
    for item in request["input"]:
        texts = [c.get("text", "") for c in item["content"]] if item.get("role") == "user" else []
        for text in texts:
            if text.startswith("CALL "):
                order, is_done = text.split(" ", 2)[1:], False
        is_done |= item["type"] == "function_call_output"
    if order is None or is_done:
        return {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
    return {"type": "function_call", "id": "fc_1", "call_id": f"call_{len(request['input'])}",
            "namespace": "mcp__poold", "name": order[0], "arguments": order[1]}


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

    def do_GET(self):
        self.send(404, "application/json", b"{}")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen(request)
        events = [{"type": "response.created", "response": {"id": "resp_1"}},
                  {"type": "response.output_item.done", "output_index": 0, "item": next_item(request)},
                  {"type": "response.completed", "response": {"id": "resp_1", "usage": {
                      "input_tokens": 1, "input_tokens_details": None, "output_tokens": 1,
                      "output_tokens_details": None, "total_tokens": 2}}}]
        self.send(200, "text/event-stream",
                  "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode())


class CodexModel:
    """The service on a port of its own, until close()."""

    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.seen = lambda request: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
