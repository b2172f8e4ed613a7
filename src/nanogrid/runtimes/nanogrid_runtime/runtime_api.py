"""Lambda's Runtime API on the sandbox's own loopback: where a bootstrap asks for events, and brings its answers."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from nanogrid_runtime.values import decode, encode

ROOT = "/2018-06-01/runtime/"
#: As it is on AWS, where nobody says otherwise: a grid has no region.
PLACE = "us-east-1:000000000000"
MAX_ERROR_BYTES = 256 * 1024
READ_AT_ONCE = 64 * 1024


class RuntimeApi:
    """What bootstrap and platform have told each other; both sides wait here for the other."""

    def __init__(self, order):
        self.max_output = order["maxOutput"]
        self._arn = f"arn:aws:lambda:{PLACE}:function:{order['functionName']}"
        self._changed = threading.Condition()
        #: What waits for the bootstrap, and the id of what it is at.
        self._call = None
        self._run_id = None
        #: How the bootstrap answered; how its start failed.
        self._told = None
        self._init_error = None
        #: Whether it asks for the next event, and how often it has asked: only its latest question is answered.
        self._asking = False
        self._asked = 0
        #: How the bootstrap ended; None while it runs.
        self.code = None

    # The platform's side

    def wait_until_up(self):
        """Return when the bootstrap has asked for an event, or None of it can be: what it said of that."""
        with self._changed:
            self._changed.wait_for(lambda: self._asking or self._init_error or self.code is not None)
            return self._init_error

    def run(self, head, event):
        """How the bootstrap answers, once it asks for another event; None where it ended without an answer."""
        with self._changed:
            self._told, self._call = None, (head, event)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.code is not None or (self._told and self._asking))
            return self._told

    def end(self, code):
        """The bootstrap has ended."""
        with self._changed:
            self.code = code
            self._changed.notify_all()

    # The bootstrap's side

    def next_event(self):
        """Headers and body of the next event; None where the bootstrap has asked anew meanwhile."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._asking = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._call or self._asked != mine)
            if self._asked != mine:
                return None
            (head, event), self._call, self._asking = self._call, None, False
            self._run_id = head["runId"]
        return self._headers(head), event

    def take(self, run_id, told):
        """An answer; False where it is to no event that is under way."""
        with self._changed:
            if run_id != self._run_id:
                return False
            self._run_id, self._told = None, told
            self._changed.notify_all()
            return True

    def take_init_error(self, error):
        """The bootstrap cannot start."""
        with self._changed:
            self._init_error = error
            self._changed.notify_all()

    def _headers(self, head):
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": head["runId"],
            "Lambda-Runtime-Deadline-Ms": str(head["deadlineMs"]),
            "Lambda-Runtime-Invoked-Function-Arn": self._arn,
        }
        if "traceparent" in head:
            headers["Lambda-Runtime-Trace-Id"] = trace_id(head["traceparent"])
        return headers


class Handler(BaseHTTPRequestHandler):
    """One connection of the bootstrap's; `api` is set on a class of its own for each server."""

    protocol_version = "HTTP/1.1"
    api = None

    def do_GET(self):
        if self.path != f"{ROOT}invocation/next":
            return self.refuse(404, "there is nothing here", "NotFound")
        found = self.api.next_event()
        if found is None:
            self.close_connection = True
            return None
        return self.reply(200, *found)

    def do_POST(self):
        what = self.path[len(ROOT) :].split("/") if self.path.startswith(ROOT) else []
        if what == ["init", "error"]:
            self.api.take_init_error(self.error())
            return self.reply(202, {}, b'{"status":"OK"}')
        if len(what) != 3 or what[0] != "invocation" or what[2] not in ("response", "error"):
            return self.refuse(404, "there is nothing here", "NotFound")
        told = ("error", self.error()) if what[2] == "error" else self.output()
        if not self.api.take(what[1], told):
            return self.refuse(400, "Invalid request ID", "InvalidRequestID")
        if told[0] == "too_large":
            message = f"Exceeded maximum allowed payload size ({self.api.max_output} bytes)."
            return self.refuse(413, message, "RequestEntityTooLarge")
        return self.reply(202, {}, b'{"status":"OK"}')

    def output(self):
        body = self.body(self.api.max_output)
        return ("too_large", self.api.max_output) if body is None else ("output", body)

    def error(self):
        """Message, type and trace of an error as a runtime client reports it."""
        body = self.body(MAX_ERROR_BYTES) or b"{}"
        try:
            said = decode(body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            said = {"errorMessage": body[:1000].decode("utf-8", "replace")}
        kind = said.get("errorType") or self.headers.get("Lambda-Runtime-Function-Error-Type") or "Runtime.Unknown"
        trace = said.get("stackTrace")
        lines = [str(line).rstrip() for line in trace] if isinstance(trace, list) else []
        return str(said.get("errorMessage", "")), str(kind), lines

    def body(self, limit):
        """What was sent; None, and the end of the connection, where it is more."""
        pieces, size = [], 0
        for piece in self.chunks() if self.headers.get("Transfer-Encoding", "").lower() == "chunked" else self.plain():
            size += len(piece)
            if size > limit:
                self.close_connection = True
                return None
            pieces.append(piece)
        return b"".join(pieces)

    def plain(self):
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            piece = self.rfile.read(min(left, READ_AT_ONCE))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def chunks(self):
        while True:
            size = int(self.rfile.readline().split(b";")[0].strip() or b"0", 16)
            if not size:
                # Trailers, up to an empty line.
                while self.rfile.readline().strip():
                    pass
                return
            yield self.rfile.read(size)
            self.rfile.readline()

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, message, kind):
        body = encode({"errorMessage": message, "errorType": kind})
        self.reply(status, {"Content-Type": "application/json"}, body)

    def log_message(self, *_):
        """Nothing: what is written here would be the function's log."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A bootstrap that hangs up is none of our business."""


def serve_api(api):
    """Serve it from now on; host and port."""
    handler = type("BoundHandler", (Handler,), {"api": api})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}"


def trace_id(traceparent):
    """W3C's way to name a trace, in X-Ray's words."""
    _, trace, parent, flags = traceparent.split("-")[:4]
    return f"Root=1-{trace[:8]}-{trace[8:]};Parent={parent};Sampled={int(flags, 16) & 1}"
