"""Every error that NanoGrid raises, in one tree.

    NanoGridError
    ├── MalformedRequest        the bytes are not what the route reads           (400)
    ├── MethodNotAllowed        carries `allowed`                                (405)
    ├── SlowRequest             the body did not arrive in time                  (408)
    ├── InvalidField            well formed, but impossible; names the field     (422)
    │   ├── ArchiveRefused      an archive that would be unsafe to unpack
    │   ├── RuntimeUnavailable  this grid has nothing that runs the runtime
    │   └── UploadNotFound      no such archive was sent ahead
    ├── Unauthorized            no token, or a wrong one                         (401)
    ├── Forbidden               foreign Origin                                   (403)
    │   └── ScopeMissing        the key is not for this
    ├── Misdirected             foreign Host                                     (421)
    ├── NotFound                                                                 (404)
    │   ├── FunctionNotFound
    │   ├── RunNotFound
    │   ├── CodeNotFound
    │   ├── ArtifactNotFound
    │   ├── AliasNotFound
    │   ├── DeadLetterNotFound
    │   ├── SecretNotFound
    │   ├── ScheduleNotFound
    │   └── KeyNotFound
    ├── Conflict                                                                 (409)
    │   ├── NameTaken
    │   ├── RevisionConflict    somebody else changed it first
    │   ├── IdempotencyConflict same key, other body
    │   ├── VersionBroken       its code cannot be loaded, so nothing moves to it
    │   ├── QuotaReached        the tenant has as much as it may
    │   └── RunEnded            the run has an outcome already; also: fenced off
    ├── TooLarge                                                                 (413)
    │   ├── AddressTooLong                                                       (414)
    │   └── HeadersTooLarge                                                      (431)
    ├── UnsupportedMediaType                                                     (415)
    ├── TooManyRequests         carries `retry_after_s`                          (429)
    │   ├── BacklogFull
    │   └── RunQuotaReached     the tenant has begun as many runs as it may in a minute
    ├── CallFailed              a function that was called over HTTP failed      (502)
    │   ├── AnswerRefused       what it returned is no answer
    │   └── CallTimedOut        it was not done in time                          (504)
    └── PlatformError           ours; retryable                                  (503)
        ├── StoreUnavailable    a store does not answer, or the disk is full
        ├── SandboxUnavailable  no sandbox can be started on this machine
        ├── SandboxBroken       a sandbox broke its protocol or vanished
        ├── VaultLocked         what opens the secrets is away, or does not fit
        ├── LeaseLost           the lease belongs to somebody else by now
        └── CodeCorrupt         stored bytes do not match their digest

    ConfigError                 a setting is unknown or impossible; raised before anything starts

A function's own failure is never an exception here: it is a value, `model.RunError`.
"""


class NanoGridError(Exception):
    """Base of all. `code` is the stable machine name; the message says what happened, where, and what to do."""

    code = "internal"

    def __init__(self, detail: str, *, hint: str = "") -> None:
        """`detail` says what happened and where; `hint` what to do about it."""
        super().__init__(f"{detail} {hint}".strip())
        self.detail = detail
        self.hint = hint


class ConfigError(NanoGridError):
    """Raised when a setting is unknown or impossible, before anything has started."""

    code = "config"


class MalformedRequest(NanoGridError):
    """Raised when a body, header or query cannot be read at all."""

    code = "malformed"


class MethodNotAllowed(NanoGridError):
    """Raised when the path is there, but not for this method; `allowed` are the methods it has."""

    code = "method_not_allowed"

    def __init__(self, detail: str, *, allowed: tuple[str, ...], hint: str = "") -> None:
        """`allowed` goes into the answer's Allow header."""
        super().__init__(detail, hint=hint)
        self.allowed = allowed


class SlowRequest(NanoGridError):
    """Raised when a body does not arrive in time."""

    code = "slow_request"


class InvalidField(NanoGridError):
    """Raised when a field is readable but impossible; `path` is its place, such as `$.memoryMb`."""

    code = "invalid_field"

    def __init__(self, detail: str, *, path: str = "$", hint: str = "") -> None:
        """`path` is the JSON path of the field."""
        super().__init__(detail, hint=hint)
        self.path = path


class ArchiveRefused(InvalidField):
    """Raised when an archive is unsafe or unreadable; nothing of it has been written."""

    code = "archive_refused"


class RuntimeUnavailable(InvalidField):
    """Raised when a runtime is known but this grid has nothing that runs it."""

    code = "runtime_unavailable"


class UploadNotFound(InvalidField):
    """Raised when a deployment names an archive that was not sent ahead, or not whole, or too long ago."""

    code = "upload_not_found"


class Unauthorized(NanoGridError):
    """Raised when a request carries no token, or not the right one."""

    code = "unauthorized"


class Forbidden(NanoGridError):
    """Raised when a request comes from a page of a foreign Origin."""

    code = "forbidden"


class ScopeMissing(Forbidden):
    """Raised when a key is valid, but not for what is asked; the message names what it would need."""

    code = "scope_missing"


class Misdirected(NanoGridError):
    """Raised when a request names a Host that this grid is not."""

    code = "misdirected"


class NotFound(NanoGridError):
    """Base of everything that is not there (or not the caller's)."""

    code = "not_found"


class FunctionNotFound(NotFound):
    """Raised when no function (or no such version of it) has that id or name."""

    code = "function_not_found"

    def __init__(self, detail: str, *, reference: str = "", hint: str = "") -> None:
        """`reference` is what nothing has; without it the function is there, and something of it is not."""
        super().__init__(detail, hint=hint)
        self.reference = reference


class RunNotFound(NotFound):
    """Raised when no run has that id."""

    code = "run_not_found"


class CodeNotFound(NotFound):
    """Raised when the code store has nothing under a digest."""

    code = "code_not_found"


class ArtifactNotFound(NotFound):
    """Raised when the run left no such file."""

    code = "artifact_not_found"


class DeadLetterNotFound(NotFound):
    """Raised when no dead letter belongs to that run."""

    code = "dead_letter_not_found"


class AliasNotFound(NotFound):
    """Raised when a function has no alias of that name."""

    code = "alias_not_found"


class SecretNotFound(NotFound):
    """Raised when no secret has that name."""

    code = "secret_not_found"


class ScheduleNotFound(NotFound):
    """Raised when no schedule has that name."""

    code = "schedule_not_found"


class KeyNotFound(NotFound):
    """Raised when no key has that id."""

    code = "key_not_found"


class Conflict(NanoGridError):
    """Base of everything that clashes with what is there."""

    code = "conflict"


class NameTaken(Conflict):
    """Raised when another function has the name."""

    code = "name_taken"


class RevisionConflict(Conflict):
    """Raised when what is to be changed was changed by somebody else since it was read."""

    code = "revision_conflict"


class IdempotencyConflict(Conflict):
    """Raised when an idempotency key was used before with another body."""

    code = "idempotency_conflict"


class VersionBroken(Conflict):
    """Raised when nothing can move to a version because its code cannot be loaded."""

    code = "version_broken"


class QuotaReached(Conflict):
    """Raised when a tenant has as many functions, or as much code, as its quota allows."""

    code = "quota_reached"


class RunEnded(Conflict):
    """Raised when a run has its outcome already, or a later attempt owns it."""

    code = "run_ended"


class TooLarge(NanoGridError):
    """Raised when a body, an archive or a field exceeds its limit; the message names the limit."""

    code = "too_large"


class AddressTooLong(TooLarge):
    """Raised when a request's URL exceeds its limit."""

    code = "address_too_long"


class HeadersTooLarge(TooLarge):
    """Raised when a request's headers are too many or too large."""

    code = "headers_too_large"


class UnsupportedMediaType(NanoGridError):
    """Raised when a body comes in a media type that the route does not read."""

    code = "unsupported_media_type"


class TooManyRequests(NanoGridError):
    """Raised when a limit is reached; `retry_after_s` is when to come again, in seconds."""

    code = "too_many_requests"

    def __init__(self, detail: str, *, retry_after_s: int = 1, hint: str = "") -> None:
        """`retry_after_s` goes into the answer's Retry-After header."""
        super().__init__(detail, hint=hint)
        self.retry_after_s = retry_after_s


class BacklogFull(TooManyRequests):
    """Raised when the task queue holds as much as it may."""

    code = "backlog_full"


class RunQuotaReached(TooManyRequests):
    """Raised when a tenant has begun as many runs as its quota allows in a minute."""

    code = "run_quota_reached"


class CallFailed(NanoGridError):
    """Raised when a function that was called over HTTP failed; `run_id` is the run that says why."""

    code = "call_failed"

    def __init__(self, detail: str, *, run_id: str = "", hint: str = "") -> None:
        """`run_id` goes into the answer's header X-NanoGrid-Run."""
        super().__init__(detail, hint=hint)
        self.run_id = run_id


class AnswerRefused(CallFailed):
    """Raised when what a function returned cannot be sent as an answer."""

    code = "answer_refused"


class CallTimedOut(CallFailed):
    """Raised when a function that was called over HTTP was not done in time."""

    code = "call_timed_out"


class PlatformError(NanoGridError):
    """Base of our own failures; what raised it may be tried again."""

    code = "unavailable"


class StoreUnavailable(PlatformError):
    """Raised when a store does not answer or cannot write."""

    code = "store_unavailable"


class SandboxUnavailable(PlatformError):
    """Raised when this machine cannot start a sandbox."""

    code = "sandbox_unavailable"


class SandboxBroken(PlatformError):
    """Raised when a sandbox vanished or broke its protocol for a reason that is not the function's."""

    code = "sandbox_broken"


class VaultLocked(PlatformError):
    """Raised when the key that opens secrets is away, or does not fit what it should open."""

    code = "vault_locked"


class LeaseLost(PlatformError):
    """Raised when a lease is extended or acknowledged that is no longer held."""

    code = "lease_lost"


class CodeCorrupt(PlatformError):
    """Raised when stored bytes do not have the digest they are stored under."""

    code = "code_corrupt"
