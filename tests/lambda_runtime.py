"""Lambda's own side of a function: its Runtime API, served here, and its real runtime client as a process."""

import asyncio
import contextlib
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_RUNTIME = "/2018-06-01/runtime"
#: The runtime client and what it needs: nothing else of this machine's packages may be found by a handler.
_CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
_PATIENCE_S = 60.0


class LambdaFunction:
    """One environment of a function, called one event at a time."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[Any]] = {}

    async def invoke(self, event: Mapping[str, Any]) -> Any:
        """What the handler returns. Raises `RuntimeError` where it raised, or could not be loaded."""
        request_id = str(uuid.uuid4())
        answer = self._answers[request_id] = asyncio.get_running_loop().create_future()
        self._events.put_nowait((request_id, json.dumps(event).encode()))
        async with asyncio.timeout(_PATIENCE_S):
            return await answer

    def api(self) -> Starlette:
        """The Runtime API."""
        return Starlette(
            routes=[
                Route(f"{_RUNTIME}/invocation/next", self._next),
                Route(f"{_RUNTIME}/invocation/{{id}}/response", self._response, methods=["POST"]),
                Route(f"{_RUNTIME}/invocation/{{id}}/error", self._error, methods=["POST"]),
                Route(f"{_RUNTIME}/init/error", self._init_error, methods=["POST"]),
            ]
        )

    async def _next(self, _request: Request) -> Response:
        request_id, body = await self._events.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:ap-northeast-2:000000000000:function:some",
        }
        return Response(body, media_type="application/json", headers=headers)

    async def _response(self, request: Request) -> Response:
        self._answers[request.path_params["id"]].set_result(json.loads(await request.body()))
        return Response(status_code=202)

    async def _error(self, request: Request) -> Response:
        self._answers[request.path_params["id"]].set_exception(RuntimeError((await request.body()).decode()))
        return Response(status_code=202)

    async def _init_error(self, request: Request) -> Response:
        error = RuntimeError((await request.body()).decode())
        for answer in self._answers.values():
            answer.set_exception(error)
        return Response(status_code=202)


@asynccontextmanager
async def lambda_function(handler: str, code: Path, environment: Mapping[str, str]) -> AsyncIterator[LambdaFunction]:
    """The handler out of this folder, in a Python that sees nothing but the folder and Lambda's runtime client."""
    function = LambdaFunction()
    server = uvicorn.Server(uvicorn.Config(function.api(), port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-m", "awslambdaric", handler),
        cwd=code,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{code}:{_client_folder(code.with_name(code.name + '-client'))}",
            "LAMBDA_TASK_ROOT": str(code),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": "some",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            **environment,
        },
    )
    try:
        yield function
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        server.force_exit = server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def _client_folder(folder: Path) -> Path:
    """A folder that has the runtime client only."""
    folder.mkdir(exist_ok=True)
    for name in _CLIENT:
        one = distribution(name)
        for top in {file.parts[0] for file in one.files or []} - {".."}:
            place = folder / top
            if not place.exists():
                place.symlink_to(Path(str(one.locate_file(top))))
    return folder
