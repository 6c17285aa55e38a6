#!/usr/bin/env python3
"""An MCP server that answers in odd ways, byte by byte as it likes: what fake_mcp.py's library does not do.

Streamable HTTP, or HTTP+SSE with --sse. Tools (their number of runs: count): echo, chunked (JSON in chunks), junk
(bytes behind an empty answer), hang_up (closes without a byte), late (JSON after --delay seconds, cut in two by as
many again), half (half a JSON answer), early (an error before the request's body is read), never, lines (an answer in
three data lines), half_event (300 kB of one), lines_large (3 MB in data lines), late_large (3 MB of JSON after --delay).
"""
import argparse
import json
import queue
import socket
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--sse", action="store_true")
parser.add_argument("--delay", type=float, default=0)
parser.add_argument("--initialize-delay", type=float, default=0)
parser.add_argument("--handshakes", type=int, default=1 << 30, help="so many succeed")
parser.add_argument("--protocol", default="2025-06-18")
args = parser.parse_args()
runs, handshakes, streams = {}, 0, []


def head(status=200, kind="application/json", **more):
    lines = [f"HTTP/1.1 {status} Odd", f"Content-Type: {kind}"] + [f"{k.replace('_', '-')}: {v}" for k, v in more.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(value, **more):
    body = json.dumps(value).encode()
    return head(Content_Length=len(body), **more) + body


def result_of(message):
    """The JSON-RPC answer."""
    global handshakes
    reply = {"jsonrpc": "2.0", "id": message["id"]}
    if message["method"] != "initialize":
        name = message.get("params", {}).get("name")
        text = json.dumps(runs) if name == "count" else str(name)
        return {**reply, "result": {"content": [{"type": "text", "text": text}]}}
    handshakes += 1
    if handshakes > 1:
        time.sleep(args.initialize_delay)
    if handshakes > args.handshakes:
        return {**reply, "error": {"code": -32603, "message": "no more handshakes"}}
    protocol = args.protocol.encode().decode("unicode_escape") if handshakes > 1 else "2025-06-18"
    return {**reply, "result": {"protocolVersion": protocol, "capabilities": {"tools": {}},
                                "serverInfo": {"name": "odd", "version": "1"}}}


def answer_http(connection, message):
    """False: the connection is to be closed."""
    if "id" not in message or "method" not in message:
        connection.sendall(head(202, Content_Length=0))
        return True
    if message["method"] == "initialize":
        connection.sendall(whole(result_of(message), Mcp_Session_Id="odd"))
        return True
    name = message.get("params", {}).get("name")
    runs[name] = runs.get(name, 0) + 1
    body = json.dumps(result_of(message)).encode()
    if name == "chunked":
        connection.sendall(head(Transfer_Encoding="chunked"))
        for i in range(0, len(body), 10):
            connection.sendall(b"%x\r\n%s\r\n" % (len(body[i:i + 10]), body[i:i + 10]))
        connection.sendall(b"0\r\n\r\n")
    elif name == "junk":
        connection.sendall(head(Content_Length=0) + whole({"forged": True}))
    elif name == "hang_up":
        return False
    elif name == "late":
        time.sleep(args.delay)
        connection.sendall(head(Content_Length=len(body)) + body[:20])
        time.sleep(args.delay)
        connection.sendall(body[20:])
    elif name == "half":
        connection.sendall(head(Content_Length=len(body)) + body[:20])
        return False
    elif name == "half_event":  # a large one
        text = b"id: 5\nevent: message\ndata: " + body[:-4] + b"x" * 300_000
        connection.sendall(head(kind="text/event-stream") + text)
        time.sleep(args.delay)
        return False
    elif name == "lines_large":  # a large answer with line breaks, in the same number of data lines
        lines = json.dumps({**json.loads(body), "rest": ["y" * 1000] * 3000}, indent=1).splitlines()
        text = "".join(f"data: {line}\r\n" for line in lines) + "id: 9\r\n\r\n"
        connection.sendall(head(kind="text/event-stream", Content_Length=len(text)) + text.encode())
    elif name == "late_large":
        time.sleep(args.delay)
        text = json.dumps({**json.loads(body), "rest": ["y" * 1000] * 3000}, indent=1).encode()
        connection.sendall(head(Content_Length=len(text)) + text)
    elif name == "never":
        time.sleep(1000)
    elif name == "lines":
        text = "".join(f"data: {line}\n" for line in json.dumps(json.loads(body), indent=1).splitlines()) + "\n"
        connection.sendall(head(kind="text/event-stream", Content_Length=len(text)) + text.encode())
    else:
        connection.sendall(whole(json.loads(body)))
    return True


def answer_sse(connection, method, message):
    if method == "GET":
        mine = queue.Queue()
        streams.append(mine)
        connection.sendall(head(kind="text/event-stream") + b"event: endpoint\r\ndata: /messages?n=%d\r\n\r\n"
                           % (len(streams) - 1))
        while True:
            connection.sendall(b"data: " + json.dumps(mine.get()).encode() + b"\r\n\r\n")
    number, message = message
    connection.sendall(head(202, Content_Length=0))
    if "id" in message and message.get("params", {}).get("name") != "never":
        streams[number].put(result_of(message))


def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file = connection.makefile("rb")
    with connection:
        while line := file.readline():
            method, target = line.decode().split()[:2]
            length = 0
            while (field := file.readline()).strip():
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            if length > 1 << 20:  # the tool early: it is not even read
                connection.sendall(whole({"error": "too long"}).replace(b"200", b"413"))
                time.sleep(1)
                continue
            message = json.loads(file.read(length)) if length else None
            if args.sse:
                number = int(target.split("n=")[1]) if "n=" in target else None
                answer_sse(connection, method, (number, message))
            elif method != "POST":
                connection.sendall(head(405 if method == "GET" else 200, Content_Length=0))
            elif not answer_http(connection, message):
                connection.shutdown(socket.SHUT_RDWR)
                return


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)  # a big request stays with its sender
    listener.bind(("127.0.0.1", args.port))
    listener.listen(256)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
