"""What a function returned as the answer to its caller, as API Gateway's HTTP API reads it."""

import base64
import binascii
import re

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from nanogrid.api.message import JSON, Answer
from nanogrid.errors import AnswerRefused, CallFailed, CallTimedOut
from nanogrid.model import ErrorKind, Run, RunStatus

#: In an origin of its own, although it came from the console's: pages of functions reach nothing of the grid's.
SANDBOX = "sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts"
_RUN_HEADER = "x-nanogrid-run"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
_MIN_STATUS, _MAX_STATUS = 200, 599
#: Answers that have no body.
BODILESS = (204, 205, 304)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
#: What is the connection's, the grid's, or about the whole origin, which is the console's, too.
_DROPPED = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "content-length", "date", "server", "x-request-id", "x-content-type-options", "x-nanogrid-run"),
        *("alt-svc", "clear-site-data", "nel", "report-to", "reporting-endpoints", "service-worker-allowed"),
        "strict-transport-security",
    }
)

_Value = str | int | float | bool | None


class _Told(Struct, rename="camel"):
    """An answer as a function writes it."""

    status_code: int | str
    headers: dict[str, _Value] | None = None
    cookies: list[str] | None = None
    body: str | None = None
    is_base64_encoded: bool = msgspec.field(default=False, name="isBase64Encoded")


class _Probe(Struct, rename="camel"):
    status_code: Raw | UnsetType = UNSET


def call_answer(run: Run) -> Answer:
    """The answer that an ended run makes. Raises `CallFailed`, `CallTimedOut`, `AnswerRefused`."""
    checked(run)
    if is_told(run.output):
        return answer_of(run.output, run.run_id)
    return structs.replace(plain_answer(run.run_id, JSON), body=bytes(run.output))


def answer_of(output: Raw, run_id: str) -> Answer:
    """The answer that the function wrote. Raises `AnswerRefused`."""
    try:
        return _whole(msgspec.json.decode(output, type=_Told), run_id)
    except (msgspec.DecodeError, binascii.Error, UnicodeError, ValueError) as exc:
        raise AnswerRefused(
            f"what the function returned is no answer: {str(exc)[:200]}.",
            run_id=run_id,
            hint="Return statusCode, headers, cookies, body and isBase64Encoded, or a value without statusCode.",
        ) from exc


def checked(run: Run) -> None:
    """Raise `CallFailed`, `CallTimedOut` unless the run succeeded.

    A stranger is told the kind of a failure; what it says is for who may read runs.
    """
    if run.status is RunStatus.SUCCEEDED:
        return
    hint = f"GET /runs/{run.run_id} says more."
    if not run.status.ended:
        raise CallTimedOut("the function is not done; its run goes on.", run_id=run.run_id, hint=hint)
    kind = run.error.kind if run.error is not None else ErrorKind.PLATFORM
    if kind is ErrorKind.TIMED_OUT:
        raise CallTimedOut("the function took longer than it may.", run_id=run.run_id, hint=hint)
    raise CallFailed(f"the function failed: {kind}.", run_id=run.run_id, hint=hint)


def is_told(output: Raw) -> bool:
    """Whether this is an answer that a function wrote, and not a plain value."""
    if not bytes(output).lstrip().startswith(b"{"):
        return False
    return msgspec.json.decode(output, type=_Probe).status_code is not UNSET


def plain_answer(run_id: str, media_type: str) -> Answer:
    """The head of an answer that is a plain value."""
    return Answer(media_type=media_type, headers=_always(run_id, ""))


def _whole(told: _Told, run_id: str) -> Answer:
    status = _status(told.status_code)
    headers = dict(_header(name, value) for name, value in (told.headers or {}).items() if value is not None)
    media_type = headers.pop("content-type", BYTES if told.is_base64_encoded else TEXT)
    policy = headers.pop("content-security-policy", "")
    kept = [(name, value) for name, value in headers.items() if name not in _DROPPED]
    kept += [_header("set-cookie", cookie) for cookie in told.cookies or []]
    body = b"" if status in BODILESS else _body(told)
    return Answer(status=status, body=body, media_type=media_type, headers=(*kept, *_always(run_id, policy)))


def _always(run_id: str, policy: str) -> tuple[tuple[str, str], ...]:
    """The function's own policy holds besides ours: of several, a browser obeys each."""
    return (("content-security-policy", f"{SANDBOX}, {policy}" if policy else SANDBOX), (_RUN_HEADER, run_id))


def _status(told: int | str) -> int:
    status = int(told) if isinstance(told, int) or (told.isdecimal() and told.isascii()) else 0
    if not _MIN_STATUS <= status <= _MAX_STATUS:
        raise ValueError(f"statusCode is {str(told)[:20]!r}, and not from {_MIN_STATUS} to {_MAX_STATUS}")
    return status


def _header(name: str, value: _Value) -> tuple[str, str]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name[:80]!r} is no header's name")
    if _VALUE.fullmatch(text) is None:
        raise ValueError(f"the header {name[:80]} has a value with a line's end, or what is not Latin-1, in it")
    return name.lower(), text.strip()


def _body(told: _Told) -> bytes:
    if told.body is None:
        return b""
    return base64.b64decode(told.body, validate=True) if told.is_base64_encoded else told.body.encode()
