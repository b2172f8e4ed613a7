"""A run is one trace: from the caller's span over gateway, queue, worker and sandbox into the function."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flow_steps import http
from grid import started_grid

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLERS = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
TELL = "def handler(event, context):\n    return context.traceparent\n"
FAIL = "def handler(event, context):\n    return 1 / 0\n"
SOURCES = {
    "python3": TELL,
    "nodejs": "exports.handler = async (event, context) => context.traceparent ?? null;\n",
    "command": '#!/bin/sh\necho "\\"$TRACEPARENT\\""\n',
}


class Collector(ThreadingHTTPServer):
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self):
        self.spans = []
        super().__init__(("127.0.0.1", 0), _Export)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def named(self, name):
        return [span for span in self.spans if span.name == name]


class _Export(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = ExportTraceServiceRequest.FromString(body)
        self.server.spans += [s for r in sent.resource_spans for scope in r.scope_spans for s in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    server = Collector()
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()


async def deploy(client, name, source, runtime="python3"):
    answer = await client.post("/functions", json={"name": name, "runtime": runtime, "source": source})
    assert answer.status_code == 201, answer.text


async def run(client, name, **more):
    answer = await client.post("/run", json={"functionId": name, "input": 1, **more}, headers=CALLERS)
    if answer.status_code == 202:
        answer = await client.get(f"/runs/{answer.json()['runId']}?waitMs=20000")
    return answer.json()


def attributes(span):
    return {one.key: one.value.string_value or one.value.bool_value or one.value.int_value for one in span.attributes}


async def test_a_run_over_the_queue_is_one_trace_down_to_the_function():
    async with collector() as traces:  # noqa: SIM117 - the spans are there when the grid has ended
        async with started_grid(environment={"NANOGRID_TRACES": traces.endpoint}) as grid, http(grid) as client:
            await deploy(client, "tell", TELL)
            ended = await run(client, "tell", mode="async")

    (request,) = [span for span in traces.named("POST /run") if span.trace_id.hex() == TRACE]
    (wait,), (attempt,) = traces.named("queue.wait"), traces.named("worker.attempt")
    (load,), (invoke,) = traces.named("sandbox.load"), traces.named("sandbox.invoke")
    assert {span.trace_id.hex() for span in (request, wait, attempt, load, invoke)} == {TRACE}
    assert request.parent_span_id.hex() == CALLER
    assert wait.parent_span_id == attempt.parent_span_id == request.span_id
    assert load.parent_span_id == invoke.parent_span_id == attempt.span_id
    assert ended["output"] == f"00-{TRACE}-{invoke.span_id.hex()}-01"
    assert attributes(invoke) == {
        "faas.name": "tell",
        "faas.version": "1",
        "faas.invocation_id": ended["runId"],
        "faas.coldstart": True,
    }
    assert wait.start_time_unix_nano <= wait.end_time_unix_nano <= attempt.end_time_unix_nano
    assert load.end_time_unix_nano <= invoke.end_time_unix_nano


async def test_a_failure_is_the_error_of_its_span_and_no_fault_of_the_request():
    async with collector() as traces:  # noqa: SIM117 - the spans are there when the grid has ended
        async with started_grid(environment={"NANOGRID_TRACES": traces.endpoint}) as grid, http(grid) as client:
            await deploy(client, "fail", FAIL)
            await run(client, "fail")

    (invoke,) = traces.named("sandbox.invoke")
    assert invoke.status.message == "exception: ZeroDivisionError"
    assert all(span.status.code == 0 for span in traces.named("POST /run"))


async def test_without_traces_of_its_own_the_grid_hands_the_callers_on():
    async with started_grid() as grid, http(grid) as client:
        for runtime, source in SOURCES.items():
            await deploy(client, runtime, source, runtime)
            queued, direct = await run(client, runtime, mode="async"), await run(client, runtime)
            untraced = (await client.post("/run", json={"functionId": runtime})).json()

            assert queued["output"] == direct["output"] == CALLERS["traceparent"]
            assert untraced["output"] in (None, "")


async def test_a_collector_that_is_away_costs_only_its_spans_and_is_said_in_the_log():
    environment = {"NANOGRID_TRACES": "http://127.0.0.1:9/v1/traces"}
    async with started_grid("--log-format", "json", environment=environment) as grid, http(grid) as client:
        await deploy(client, "tell", TELL)
        ended = await run(client, "tell")

    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", ended["output"])
    events = [json.loads(line) for line in grid.output if line.startswith("{")]
    assert "telemetry.exporter" in {event["event"] for event in events}
    assert not [line for line in grid.output if "Traceback" in line and not line.startswith("{")]
