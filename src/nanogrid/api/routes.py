"""The route table: the whole HTTP API, one row each."""

import functools

from nanogrid import errors
from nanogrid.api import functions, operations, runs, scopes
from nanogrid.api.access_routes import ACCESS_ROUTES
from nanogrid.api.artifact_routes import ARTIFACT_ROUTES
from nanogrid.api.call_routes import CALL_ROUTES
from nanogrid.api.docs_page import HTML, POLICY, docs_page
from nanogrid.api.explain import Explanation, explain_run
from nanogrid.api.message import EVENTS, JSON, MULTIPART, Answer, Request
from nanogrid.api.openapi import document, encoded
from nanogrid.api.records import (
    Deployment,
    FunctionDetail,
    Health,
    LogLines,
    LogsQuery,
    PageQuery,
    RunRequest,
    RunsQuery,
    Update,
    VersionQuery,
    WaitQuery,
)
from nanogrid.api.route import Route
from nanogrid.api.schedule_routes import SCHEDULE_ROUTES
from nanogrid.api.services import Services
from nanogrid.api.suggestion import suggesting
from nanogrid.api.upload_routes import UPLOAD_ROUTES
from nanogrid.api.version_routes import VERSION_ROUTES
from nanogrid.model import MAX_INPUT_BYTES, DeadLetter, Function, Run
from nanogrid.ports import Page

#: A run's body: the largest input, and what is around it.
MAX_RUN_BODY = MAX_INPUT_BYTES + 64 * 1024
#: A deployment's body: the largest archive as base64, and what is around it.
MAX_DEPLOY_BODY = 70 * 1024 * 1024
_CODE_REFUSALS = (errors.ArchiveRefused, errors.RuntimeUnavailable, errors.UploadNotFound)


@functools.cache
def _description(version: str) -> bytes:
    return encoded(document(ROUTES, version))


@functools.cache
def _docs(version: str) -> bytes:
    return docs_page(ROUTES, version)


async def describe(_request: Request, services: Services) -> Answer:
    """The OpenAPI document of this table."""
    return Answer(body=_description(services.version))


async def show_docs(_request: Request, services: Services) -> Answer:
    """The same for a person."""
    return Answer(body=_docs(services.version), media_type=HTML, headers=(("content-security-policy", POLICY),))


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/functions",
        operation_id="deployFunction",
        summary="Deploy a function",
        handler=functions.deploy,
        scopes=scopes.DEPLOY,
        body=Deployment,
        body_media_types=(JSON, MULTIPART),
        max_body=MAX_DEPLOY_BODY,
        statuses=(201,),
        answer=Function,
        refusals=(errors.NameTaken, errors.QuotaReached, *_CODE_REFUSALS),
    ),
    Route(
        method="GET",
        path="/functions",
        operation_id="listFunctions",
        summary="List functions by name",
        handler=functions.list_functions,
        scopes=scopes.LOOK,
        query=PageQuery,
        answer=Page[Function],
    ),
    Route(
        method="GET",
        path="/functions/{id}",
        operation_id="getFunction",
        summary="Read a function, with recommended memory and timeout once runs exist",
        handler=suggesting(functions.get_function),
        scopes=scopes.LOOK,
        query=VersionQuery,
        answer=FunctionDetail,
        refusals=(errors.FunctionNotFound,),
    ),
    Route(
        method="GET",
        path="/functions/{id}/versions",
        operation_id="listVersions",
        summary="List a function's versions, latest first",
        handler=suggesting(functions.list_versions),
        scopes=scopes.LOOK,
        answer=Page[Function],
        refusals=(errors.FunctionNotFound,),
    ),
    Route(
        method="PUT",
        path="/functions/{id}",
        operation_id="updateFunction",
        summary="Make a new version: code, settings or both; loaded before traffic goes to it",
        handler=suggesting(functions.update_function),
        scopes=scopes.DEPLOY,
        body=Update,
        body_media_types=(JSON, MULTIPART),
        max_body=MAX_DEPLOY_BODY,
        answer=Function,
        refusals=(
            errors.FunctionNotFound,
            errors.RevisionConflict,
            errors.VersionBroken,
            errors.QuotaReached,
            *_CODE_REFUSALS,
        ),
    ),
    Route(
        method="DELETE",
        path="/functions/{id}",
        operation_id="deleteFunction",
        summary="Delete a function, its versions, and code that nobody else uses",
        handler=suggesting(functions.delete_function),
        scopes=scopes.DEPLOY,
        statuses=(204,),
        refusals=(errors.FunctionNotFound,),
    ),
    Route(
        method="GET",
        path="/functions/{id}/logs",
        operation_id="readLogs",
        summary="Read recent log lines, or follow them as server-sent events",
        handler=suggesting(functions.read_logs),
        scopes=scopes.READ,
        query=LogsQuery,
        answer=LogLines,
        answer_media_types=(JSON, EVENTS),
        refusals=(errors.FunctionNotFound,),
    ),
    Route(
        method="POST",
        path="/run",
        operation_id="runFunction",
        summary="Run a function, and wait for its end unless asked not to",
        handler=suggesting(runs.run_function),
        scopes=scopes.RUN,
        body=RunRequest,
        max_body=MAX_RUN_BODY,
        headers=("Prefer", "Idempotency-Key", "Traceparent"),
        statuses=(200, 202),
        answer=Run,
        answer_media_types=(JSON, EVENTS),
        refusals=(errors.FunctionNotFound, errors.IdempotencyConflict, errors.BacklogFull, errors.RunQuotaReached),
    ),
    Route(
        method="GET",
        path="/runs",
        operation_id="listRuns",
        summary="List runs, newest first, by function and state",
        handler=suggesting(runs.list_runs),
        scopes=scopes.READ,
        query=RunsQuery,
        answer=Page[Run],
        refusals=(errors.FunctionNotFound,),
    ),
    Route(
        method="GET",
        path="/runs/{id}",
        operation_id="getRun",
        summary="Read a run's state and outcome, waiting for the end if asked to",
        handler=runs.get_run,
        scopes=scopes.FOLLOW,
        query=WaitQuery,
        answer=Run,
        refusals=(errors.RunNotFound,),
    ),
    Route(
        method="GET",
        path="/runs/{id}/explain",
        operation_id="explainRun",
        summary="Explain why a run waits, or ended as it did, and what to do next",
        handler=explain_run,
        scopes=scopes.FOLLOW,
        answer=Explanation,
        refusals=(errors.RunNotFound,),
    ),
    Route(
        method="DELETE",
        path="/runs/{id}",
        operation_id="cancelRun",
        summary="Cancel a run, queued or running",
        handler=runs.cancel_run,
        scopes=scopes.RUN,
        answer=Run,
        refusals=(errors.RunNotFound, errors.RunEnded),
    ),
    *ARTIFACT_ROUTES,
    Route(
        method="GET",
        path="/dead-letters",
        operation_id="listDeadLetters",
        summary="List what the platform could not run",
        handler=runs.list_dead_letters,
        scopes=scopes.READ,
        query=PageQuery,
        answer=Page[DeadLetter],
    ),
    Route(
        method="POST",
        path="/dead-letters/{runId}/redrive",
        operation_id="redrive",
        summary="Give a dead run another try",
        handler=runs.redrive,
        scopes=scopes.RUN,
        statuses=(202,),
        answer=Run,
        refusals=(errors.DeadLetterNotFound, errors.RunNotFound, errors.RunEnded),
    ),
    *UPLOAD_ROUTES,
    *SCHEDULE_ROUTES,
    *VERSION_ROUTES,
    *ACCESS_ROUTES,
    *CALL_ROUTES,
    Route(
        method="GET",
        path="/health/live",
        operation_id="live",
        summary="Whether the process answers",
        handler=operations.live,
        answer=Health,
        public=True,
    ),
    Route(
        method="GET",
        path="/health/ready",
        operation_id="ready",
        summary="Whether the grid takes requests; 503 while it drains or a store is away",
        handler=operations.ready,
        answer=Health,
        public=True,
        refusals=(errors.PlatformError,),
    ),
    Route(
        method="GET",
        path="/metrics",
        operation_id="metrics",
        summary="Numbers in Prometheus' text format",
        handler=operations.metrics,
        scopes=scopes.READ,
        answer_media_types=("text/plain",),
    ),
    Route(
        method="GET",
        path="/openapi.json",
        operation_id="openapi",
        summary="This description, as OpenAPI 3.1",
        handler=describe,
        public=True,
    ),
    Route(
        method="GET",
        path="/docs",
        operation_id="docs",
        summary="This description, for a person",
        handler=show_docs,
        answer_media_types=("text/html",),
        public=True,
    ),
)
