#!/usr/bin/env python3
"""A small API that knows nothing of API keys.

    python3 server.py upstream.sock
    SERVICE_TOKEN=krs_… python3 server.py upstream.sock http://127.0.0.1:8080

It believes the X-Keyrack-… headers and X-Request-Id, and them alone: nginx takes them from Keyrack's answer and drops what
a client sent. So it listens on a Unix socket that only nginx has a reason to open, never on a port.

The second way it tells Keyrack how each request ended, and Keyrack's logs show it.
"""

import json
import os
import queue
import socketserver
import sys
import threading
import time
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

LOCK = threading.Lock()
PROJECTS = {}  # account -> its projects
EVENTS = {}  # account -> what its webhooks brought
OUTCOMES = queue.Queue(10_000)  # how requests ended, for Keyrack


def projects_of(account):
    """The account's projects; the first two come by themselves."""
    return PROJECTS.setdefault(account, [{"id": 1, "name": "Website"}, {"id": 2, "name": "Mobile"}])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "upstream"
    sys_version = ""

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def answer(self, method):
        self.began = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        who = self.identity()
        if who is None:
            return self.say(500, {"error": "no identity: is this request from the proxy?"})
        path = urlsplit(self.path).path
        with LOCK:
            self.route(method, path, who, body)

    def identity(self):
        """What the proxy says about the caller. Each exactly once, or nobody is believed."""
        who = {}
        for name in ("Key-Id", "Org", "Profile", "Environment", "User", "Role"):
            values = self.headers.get_all(f"X-Keyrack-{name}") or []
            if len(values) != 1 or values[0] in ("", "-"):
                return None
            who[name.lower().replace("-", "_")] = values[0]
        return who

    def route(self, method, path, who, body):
        account = who["org"]
        if (method, path) == ("GET", "/api/projects"):
            self.say(200, {"account": account, "acting_as": who["user"], "projects": projects_of(account)})
        elif (method, path) == ("POST", "/api/projects"):
            name = fields(body).get("name")
            if not isinstance(name, str) or not name.strip():
                return self.say(422, {"error": "a project needs a name"})
            projects = projects_of(account)
            projects.append({"id": len(projects) + 1, "name": name.strip()})
            self.say(201, projects[-1])
        elif (method, path) == ("GET", "/api/apps"):
            self.say(200, [{"id": "app_1", "name": "Storefront", "account": account}])
        elif (method, path) == ("POST", "/api/webhooks/deploy"):
            events = EVENTS.setdefault(account, [])
            events.append({"number": len(events) + 1, "key": who["key_id"]})
            self.say(202, events[-1])
        elif (method, path) == ("GET", "/api/webhooks/deploy"):
            self.say(200, {"received": len(EVENTS.get(account, []))})
        elif (method, path) == ("GET", "/api/admin/report"):
            # nginx let only admins' keys come here; asked again, because a proxy's configuration may change.
            if who["role"] not in ("admin", "owner"):
                return self.say(403, {"error": "admins only"})
            self.say(200, {"account": account, "projects": len(projects_of(account))})
        elif (method, path) == ("GET", "/api/your-endpoint"):
            self.say(200, who)
        else:
            self.say(404, {"error": "there is no such endpoint"})

    def say(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.note(status)

    def note(self, status):
        """How the request ended, under the id that Keyrack gave its check."""
        ids = self.headers.get_all("X-Request-Id") or []
        if not self.server.reports or len(ids) != 1:
            return
        took = int((time.monotonic() - self.began) * 1000)
        try:
            OUTCOMES.put_nowait({"request_id": ids[0], "status": status, "duration_ms": took})
        except queue.Full:
            pass  # Keyrack has been away for long: better no report than no answer

    def address_string(self):
        return "proxy"  # a Unix socket has no address

    def log_message(self, form, *values):
        # The path only: what a proxy passes on by mistake should not stand in a log.
        if self.command:
            print(self.command, urlsplit(self.path).path, values[1] if len(values) > 1 else "", file=sys.stderr, flush=True)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    reports = False


def report(keyrack, token):
    """Tells Keyrack how requests ended: some at once, and beside the requests, so that nobody waits for it."""
    while True:
        some = [OUTCOMES.get()]
        time.sleep(0.5)
        while len(some) < 1000 and not OUTCOMES.empty():
            some.append(OUTCOMES.get())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            urlopen(Request(f"{keyrack}/v1/events", json.dumps(some).encode(), headers), timeout=5).close()
        except (OSError, HTTPException) as error:
            print(f"{len(some)} outcomes were not reported: {error}", file=sys.stderr, flush=True)


def fields(body):
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def main():
    token = os.environ.get("SERVICE_TOKEN")
    if len(sys.argv) != 2 and not (len(sys.argv) == 3 and token):
        sys.exit("usage: server.py SOCKET, or with SERVICE_TOKEN set: server.py SOCKET KEYRACK")
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)  # left behind by an earlier run
    with Server(path, Handler) as server:
        if len(sys.argv) == 3:
            server.reports = True
            threading.Thread(target=report, args=(sys.argv[2], token), daemon=True).start()
        print(f"listening on {path}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
