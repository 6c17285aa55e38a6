#!/usr/bin/env python3
"""A small MCP client (Streamable HTTP, standard library only), to show that an endpoint works.

usage: mcp_call.py URL TOOL [JSON-ARGUMENTS]   calls a tool, prints its text
       mcp_call.py URL --list                  prints the tools' names
       mcp_call.py URL --show DIR              get_symbols_overview of a source file below DIR
Exit status: 0 answered, 1 the tool or the server said an error, 2 usage, 3 no connection.
"""
import http.client
import json
import os
import sys
import urllib.parse

SOURCES = (".py", ".c", ".ts", ".js", ".h", ".cpp", ".cc", ".tsx", ".go", ".rs", ".java")
SKIPPED = {"build", "node_modules", "dist", "venv", "target", "third_party", "vendor"}


class Client:
    def __init__(self, url, timeout=300):
        parts = urllib.parse.urlsplit(url)
        self.path = parts.path + ("?" + parts.query if parts.query else "")
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        self.headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        self.next_id = 1

    def post(self, message):
        self.connection.request("POST", self.path, json.dumps(message), self.headers)
        response = self.connection.getresponse()
        if "id" not in message:
            response.read()
            return response, None
        if response.getheader("Content-Type", "").startswith("text/event-stream"):
            return response, self.answer_from_stream(response, message["id"])
        body = response.read().decode()
        try:
            return response, json.loads(body)
        except ValueError:
            sys.exit(f"HTTP {response.status}: {body.strip()}")

    @staticmethod
    def answer_from_stream(response, request_id):
        data = []
        answer = None
        for line in iter(response.readline, b""):
            line = line.decode().rstrip("\r\n")
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                message = json.loads("\n".join(data)) if data != [""] else {}
                data = []
                if message.get("id") == request_id and "method" not in message:
                    answer = message
        if answer is None:
            sys.exit("the stream ended without an answer")
        return answer

    def request(self, method, params):
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}
        self.next_id += 1
        response, answer = self.post(message)
        if "error" in answer:
            sys.exit(f"{method}: error {answer['error']['code']}: {answer['error']['message']}")
        return response, answer["result"]

    def open(self):
        response, result = self.request(
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "poold-quickstart", "version": "1"},
            },
        )
        if response.getheader("Mcp-Session-Id"):
            self.headers["Mcp-Session-Id"] = response.getheader("Mcp-Session-Id")
        self.headers["MCP-Protocol-Version"] = result["protocolVersion"]
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def tools(self):
        return [tool["name"] for tool in self.request("tools/list", {})[1]["tools"]]

    def call(self, tool, arguments):
        result = self.request("tools/call", {"name": tool, "arguments": arguments})[1]
        text = "\n".join(part.get("text", "") for part in result.get("content", []))
        # Serena puts failures into the text and does not always set isError.
        return text, result.get("isError", False) or text.startswith("Error executing tool")

    def close(self):
        if "Mcp-Session-Id" in self.headers:
            self.connection.request("DELETE", self.path, headers=self.headers)
            self.connection.getresponse().read()


def a_source_file(root):
    """The largest of the first few source files: it has something to show."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(SOURCES) and os.path.getsize(path) < 100_000:
                found.append(path)
        if len(found) > 40:
            break
    return os.path.relpath(max(found, key=os.path.getsize), root) if found else None


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    client = Client(arguments[0])
    try:
        client.open()
        if arguments[1] == "--list":
            print("\n".join(client.tools()))
            failed = False
        elif arguments[1] == "--show":
            path = a_source_file(arguments[2])
            if path is None or "get_symbols_overview" not in client.tools():
                print("tools: " + ", ".join(client.tools()))
                failed = False
            else:
                print(f"get_symbols_overview of {path}:")
                text, failed = client.call("get_symbols_overview", {"relative_path": path})
                print(text if len(text) < 800 else text[:800] + " ...")
        else:
            given = json.loads(arguments[2]) if len(arguments) > 2 else {}
            text, failed = client.call(arguments[1], given)
            print(text)
        client.close()
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer from {arguments[0]}: {error}", file=sys.stderr)
        return 3
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
