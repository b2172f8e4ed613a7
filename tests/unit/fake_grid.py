"""A grid in memory for the SDK and the command line: answers as the HTTP API does, and notes what it was asked."""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httpx

from nanogrid.client import AsyncClient, Client
from nanogrid.identifiers import new_function_id, new_run_id

URL = "http://grid.test"
NOW = "2026-01-02T03:04:05Z"


class FakeGrid:
    """`handlers` maps a function's name to a Python callable; `answers` are given first, one to a request."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response | Exception] = []
        self.functions: dict[str, dict[str, Any]] = {}
        self.handlers: dict[str, Callable[[Any], Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.letters: list[dict[str, Any]] = []
        self.schedules: dict[str, dict[str, Any]] = {}
        #: How often a run is still running when it is asked for.
        self.slowness = 0

    def client(self, **options: Any) -> AsyncClient:
        return AsyncClient(URL, "secret", environ={}, transport=httpx.MockTransport(self.answer), **options)

    def blocking(self, environ: Any = None) -> Client:
        return Client(URL, "secret", environ={}, transport=httpx.MockTransport(self.answer))

    def add(self, name: str, does: Callable[[Any], Any] | None = None, **settings: Any) -> dict[str, Any]:
        function = {
            "functionId": new_function_id(),
            "name": name,
            "version": 1,
            "runtime": "python3.11",
            "handler": "main.handler",
            "codeSha256": "0" * 64,
            "codeSize": 100,
            "createdAt": NOW,
            "updatedAt": NOW,
            **settings,
        }
        self.functions[name] = function
        self.handlers[name] = does or (lambda event: event)
        return function

    def code(self, name: str) -> dict[str, bytes]:
        """What was deployed last under the name, by path."""
        archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(self.functions[name]["zip"])))
        return {file: archive.read(file) for file in archive.namelist()}

    def asked(self, index: int = -1) -> Any:
        return json.loads(self.requests[index].content)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answers:
            planned = self.answers.pop(0)
            if isinstance(planned, Exception):
                raise planned
            return planned
        parts = [unquote(part) for part in request.url.raw_path.decode().partition("?")[0].strip("/").split("/")]
        return getattr(self, f"_{request.method.lower()}_{parts[0].replace('-', '_').partition('.')[0]}")(
            request, *parts[1:]
        )

    def _post_functions(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["name"] in self.functions:
            return problem(409, "name_taken", "there is one.")
        return httpx.Response(201, json=self.add(**body))

    def _put_functions(self, request: httpx.Request, name: str) -> httpx.Response:
        self.functions[name] |= {**json.loads(request.content), "version": self.functions[name]["version"] + 1}
        return httpx.Response(200, json=self.functions[name])

    def _get_functions(self, request: httpx.Request, name: str = "", rest: str = "") -> httpx.Response:
        if not name:
            return self._page(request, list(self.functions.values()))
        if name not in self.functions:
            return problem(404, "function_not_found", f"there is no function {name!r}.")
        if rest == "logs":
            return self._logs(request)
        return httpx.Response(200, json=self.functions[name])

    def _delete_functions(self, request: httpx.Request, name: str) -> httpx.Response:
        if self.functions.pop(name, None) is None:
            return problem(404, "function_not_found", f"there is no function {name!r}.")
        return httpx.Response(204)

    def _post_schedules(self, request: httpx.Request) -> httpx.Response:
        body = {
            "timezone": "UTC",
            "enabled": True,
            "createdAt": NOW,
            "updatedAt": NOW,
            "nextAt": NOW,
            **body_of(request),
        }
        schedule = {"name": body["function"], "functionId": "fn_1", "description": "Now", "next": [NOW], **body}
        self.schedules[schedule["name"]] = schedule
        return httpx.Response(201, json=schedule)

    def _get_schedules(self, request: httpx.Request, name: str = "") -> httpx.Response:
        if name:
            return httpx.Response(200, json=self.schedules[name])
        return self._page(request, list(self.schedules.values()))

    def _put_schedules(self, request: httpx.Request, name: str) -> httpx.Response:
        self.schedules[name] |= body_of(request)
        return httpx.Response(200, json=self.schedules[name])

    def _delete_schedules(self, request: httpx.Request, name: str) -> httpx.Response:
        del self.schedules[name]
        return httpx.Response(204)

    def _post_run(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        name = body["functionId"]
        if name not in self.functions:
            return problem(404, "function_not_found", f"there is no function {name!r}.")
        run = self.runs.setdefault(run_id := new_run_id(), self._ended(run_id, name, body["input"]))
        if body["mode"] == "async" or self.slowness:
            return httpx.Response(202, json=unended(run))
        return httpx.Response(200, json=run)

    def _ended(self, run_id: str, name: str, event: Any) -> dict[str, Any]:
        run = {
            "runId": run_id,
            "functionId": self.functions[name]["functionId"],
            "functionName": name,
            "version": 1,
            "status": "succeeded",
            "logs": {"text": "working\n", "truncated": False},
            "usage": {"queuedMs": 0.1, "coldStart": True, "initMs": 41.0, "durationMs": 3.25, "peakMemoryMb": 9.0},
            "attempt": 1,
            "createdAt": NOW,
            "startedAt": NOW,
            "endedAt": NOW,
            "input": event,
        }
        try:
            return {**run, "output": self.handlers[name](event)}
        except ArithmeticError as exc:
            error = {"kind": "exception", "type": type(exc).__name__, "message": str(exc), "stackTrace": ["main.py:3"]}
            return {**run, "status": "failed", "error": error}

    def _get_runs(self, request: httpx.Request, run_id: str = "") -> httpx.Response:
        if not run_id:
            return self._page(request, list(self.runs.values())[::-1])
        if run_id not in self.runs:
            return problem(404, "run_not_found", f"there is no run {run_id!r}.")
        if self.slowness:
            self.slowness -= 1
            return httpx.Response(200, json=unended(self.runs[run_id]))
        return httpx.Response(200, json=self.runs[run_id])

    def _delete_runs(self, request: httpx.Request, run_id: str) -> httpx.Response:
        self.runs[run_id]["status"] = "cancelled"
        return httpx.Response(200, json=self.runs[run_id])

    def _get_dead_letters(self, request: httpx.Request) -> httpx.Response:
        return self._page(request, self.letters)

    def _post_dead_letters(self, request: httpx.Request, run_id: str, action: str) -> httpx.Response:
        if run_id not in self.runs:
            return problem(404, "dead_letter_not_found", "there is none.")
        return httpx.Response(202, json=unended(self.runs[run_id]))

    def _get_openapi(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"openapi": "3.1.0"})

    def _logs(self, request: httpx.Request) -> httpx.Response:
        lines = [{"runId": new_run_id(), "at": NOW, "text": f"line {n}"} for n in range(2)]
        if "follow" not in request.url.params:
            return httpx.Response(200, json={"lines": lines})
        new = [{"runId": new_run_id(), "at": NOW, "text": "new"}]
        events = ": following\n\n" + "".join(
            f"event: line\ndata: {json.dumps(line)}\n\n: still there\n\n" for line in new
        )
        return httpx.Response(200, text=events, headers={"Content-Type": "text/event-stream"})

    def _page(self, request: httpx.Request, items: list[dict[str, Any]]) -> httpx.Response:
        start = int(request.url.params.get("cursor", 0))
        end = start + int(request.url.params["limit"])
        return httpx.Response(
            200, json={"items": items[start:end], "nextCursor": str(end) if end < len(items) else None}
        )


def unended(run: dict[str, Any]) -> dict[str, Any]:
    return {name: run[name] for name in run if name not in ("output", "error", "endedAt")} | {"status": "running"}


def body_of(request: httpx.Request) -> dict[str, Any]:
    return json.loads(request.content)


def problem(status: int, code: str, detail: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"type": "about:blank", "code": code, "detail": detail, "status": status, "requestId": "req_1", **more}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json", **headers})


class Pauses:
    """A clock that is turned by waiting on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.taken: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now
