#!/usr/bin/env python3
"""A small MCP server over stdio for provoking faults of the pool; the main paths are tested with real servers.

Whatever it is told is written to --journal, one line each, behind its pid. Tools: whoami (pid, roots, cwd,
env), warm (fails with --sick).
"""
import argparse
import json
import os
import signal
import sys
import time

p = argparse.ArgumentParser()
p.add_argument("--journal")
p.add_argument("--start-delay", type=float, default=0)
p.add_argument("--slow-handshake", type=float, default=0)
p.add_argument("--refuse", action="store_true", help="answers initialize with an error")
p.add_argument("--no-handshake", action="store_true", help="does not answer initialize")
p.add_argument("--no-ping", action="store_true", help="answers no ping")
p.add_argument("--deaf", action="store_true", help="reads nothing after the handshake")
p.add_argument("--mute", action="store_true", help="answers nothing after the handshake")
p.add_argument("--roots", action="store_true", help="asks for roots, and pings its client")
p.add_argument("--rubbish", action="store_true", help="prints what is no message on stdout")
p.add_argument("--windows", action="store_true", help="ends its lines with CR LF")
p.add_argument("--ignore-eof", action="store_true")
p.add_argument("--ignore-term", action="store_true")
p.add_argument("--sick", action="store_true")
p.add_argument("--big-handshake", type=int, default=0, help="bytes of instructions")
p.add_argument("--u2028", action="store_true", help="instructions with U+2028 in them")
args = p.parse_args()
roots = None


def say(message):
    sys.stdout.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")) + ("\r\n" if args.windows else "\n"))
    sys.stdout.flush()


def note(text):
    if args.journal:
        with open(args.journal, "a", encoding="utf-8") as f:
            f.write(f"{os.getpid()} {text}\n")


def answer(message, result):
    say({"jsonrpc": "2.0", "id": message["id"], "result": result})


def refuse(message, code, text):
    say({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}})


def initialize(message):
    time.sleep(args.slow_handshake)
    if args.no_handshake:
        return
    if args.refuse:
        refuse(message, -32603, "not today")
        return
    instructions = "x" * args.big_handshake or ("one\u2028two" if args.u2028 else "")
    answer(message, {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                     "serverInfo": {"name": "fake_stdio", "version": "1"}, "instructions": instructions})


def take(message):
    global roots
    method = message.get("method")
    if method == "initialize":
        initialize(message)
    elif method == "notifications/initialized" and args.roots:
        say({"jsonrpc": "2.0", "id": "r1", "method": "roots/list"})
        say({"jsonrpc": "2.0", "id": 2, "method": "ping"})
    elif message.get("id") == "r1":
        roots = message.get("result")
    elif method == "ping" and not args.no_ping:
        answer(message, {})
    elif method == "tools/list":
        answer(message, {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in ("whoami", "warm")]})
    elif method == "tools/call" and message["params"]["name"] == "warm":
        answer(message, {"content": [{"type": "text", "text": "no language server" if args.sick else "fine"}],
                         "isError": args.sick})
    elif method == "tools/call":
        who = {"pid": os.getpid(), "cwd": os.getcwd(), "roots": roots, "env": dict(os.environ)}
        answer(message, {"content": [{"type": "text", "text": json.dumps(who)}]})


def main():
    if args.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(args.start_delay)
    note("START " + json.dumps({"cwd": os.getcwd(), "env": dict(os.environ)}))
    if args.rubbish:
        print("Welcome to the server!\n[1,2]\n{\"a\":1}\n\n{", flush=True)
    is_shaken = False
    for line in sys.stdin:
        note(line.rstrip("\n"))
        message = json.loads(line)
        if not (is_shaken and args.mute):
            take(message)
        is_shaken = is_shaken or message.get("method") == "notifications/initialized"
        while is_shaken and args.deaf:
            time.sleep(1)
    note("EOF")
    while args.ignore_eof:
        time.sleep(1)


sys.stdin.reconfigure(encoding="utf-8", newline="\n")
sys.stdout.reconfigure(encoding="utf-8", newline="\n")
main()
