"""What each error means to whoever meets it: why it happens, and what to do. docs and `/docs` are made of it."""

from typing import NamedTuple

from nanogrid import errors
from nanogrid.errors import NanoGridError
from nanogrid.model import ErrorKind


class Advice(NamedTuple):
    """Whole sentences, in which `backquotes` mark what is typed."""

    cause: str
    remedy: str


#: How a request can be refused.
REFUSALS: dict[type[NanoGridError], Advice] = {
    errors.NanoGridError: Advice(
        "The grid made a mistake over this request; it is not yours.",
        "Look for the answer's `requestId` in the grid's log: the traceback stands beside it. Reads can be repeated.",
    ),
    errors.ConfigError: Advice(
        "A setting of the grid, or an option of the command line, is unknown or impossible; nothing has started.",
        "The message names the setting. An unknown `NANOGRID_` variable is an error on purpose: it may be misspelt.",
    ),
    errors.MalformedRequest: Advice(
        "A body, header or query cannot be read at all: no JSON, not UTF-8, a cursor that this grid did not make.",
        "The message says where reading stopped. Send JSON in UTF-8, and cursors exactly as they came.",
    ),
    errors.MethodNotAllowed: Advice(
        "The path exists, but not for this method.",
        "The answer's `Allow` header has the methods that it takes.",
    ),
    errors.SlowRequest: Advice(
        "The body did not arrive within 30 seconds, plus one for each KiB that had arrived.",
        "Send it again over a better connection. Large data belongs where the function can fetch it.",
    ),
    errors.InvalidField: Advice(
        "The request can be read, but a field of it is impossible, unknown or missing.",
        "`errors[].path` names the field, the message what it may be. Fields that a route does not list are refused, "
        "so that a misspelt one is noticed.",
    ),
    errors.ArchiveRefused: Advice(
        "The archive would be unsafe to unpack, or is none: links, devices, absolute paths, `..`, one name twice, "
        "more than 250 MB unpacked or 10,000 files. Nothing of it has been written.",
        "The message names the entry. Pack the folder anew without it; `nanogrid deploy FOLDER` does so by itself.",
    ),
    errors.RuntimeUnavailable: Advice(
        "The runtime is known, but this machine has nothing that runs it.",
        "The message lists the runtimes there are. Install the interpreter and start the grid again, or deploy for "
        "another one; `nanogrid doctor` says which interpreters cannot be used, and why.",
    ),
    errors.UploadNotFound: Advice(
        "The deployment names an archive by its sha-256 that was not sent ahead by this tenant, not whole, or over "
        "a day ago.",
        "Ask `POST /uploads` where to send it, send it there, then deploy again; `nanogrid deploy` does all three.",
    ),
    errors.Unauthorized: Advice(
        "The request has no token, or not this grid's.",
        "Send `Authorization: Bearer TOKEN`. `nanogrid up` says in which file the token lies; `nanogrid login` keeps "
        "it for the command line.",
    ),
    errors.Forbidden: Advice(
        "The request comes from a web page of another origin, or asks for more than its key allows.",
        "Pages cannot use a grid of somebody else's. Call it from a server, or from the console of the grid itself.",
    ),
    errors.ScopeMissing: Advice(
        "The key is valid, but not for this: it lacks the scope, or is for other functions or another tenant.",
        "The message names the scope. `nanogrid keys create` makes a key that has it, and needs an admin's key itself.",
    ),
    errors.Misdirected: Advice(
        "The request names a host that this grid does not go by, which is how a foreign page would reach it.",
        "Use the address that `nanogrid up` prints, or add the name to `NANOGRID_ALLOWED_HOSTS`.",
    ),
    errors.NotFound: Advice(
        "There is nothing under this path, or it is not yours.",
        "`/docs` of the grid lists the paths that there are.",
    ),
    errors.FunctionNotFound: Advice(
        "No function has this name or id, or it has no such version.",
        "`nanogrid functions` lists what there is. Names are case-sensitive.",
    ),
    errors.RunNotFound: Advice(
        "No run has this id. A run that was accepted is never lost, so the id is not one of this grid's.",
        "`nanogrid runs` lists the runs. Look whether the address is that of the grid that made the run.",
    ),
    errors.CodeNotFound: Advice(
        "The code store has no archive under the function's digest.",
        "The data folder was changed by hand, or restored in part. Deploy the function again.",
    ),
    errors.ArtifactNotFound: Advice(
        "The run left no file of this path, or what it left is gone: files are kept as long as their run.",
        "`nanogrid artifacts RUN` lists what a run left. Only what lies in `/tmp/output` when the handler returns is "
        "kept.",
    ),
    errors.DeadLetterNotFound: Advice(
        "No dead letter belongs to this run.",
        "`nanogrid dead-letters` lists them. One that was redriven is none any more.",
    ),
    errors.AliasNotFound: Advice(
        "The function has no alias of this name.",
        "`nanogrid alias list NAME` lists them; `nanogrid alias set NAME ALIAS VERSION` makes one.",
    ),
    errors.SecretNotFound: Advice(
        "No secret of this tenant has this name.",
        "`nanogrid secrets list` lists them; `nanogrid secrets set NAME` makes one.",
    ),
    errors.ScheduleNotFound: Advice(
        "No schedule of this tenant has this name. The schedules of a function go with it when it is deleted.",
        "`nanogrid schedule list` lists them; `nanogrid schedule add NAME '0 7 * * *'` makes one.",
    ),
    errors.KeyNotFound: Advice(
        "No key of this tenant has this id, or it was revoked.",
        "`nanogrid keys list` lists them. Another tenant's keys need `--tenant`, and the grid's owner.",
    ),
    errors.Conflict: Advice(
        "The request clashes with what is there.",
        "Read the present state, and decide again.",
    ),
    errors.NameTaken: Advice(
        "Another function, or schedule, has the name.",
        "Choose another, or make a new version of that function: `PUT /functions/{id}`. `nanogrid deploy` does the "
        "right one of the two by itself. A schedule is changed by `nanogrid schedule set`.",
    ),
    errors.RevisionConflict: Advice(
        "Somebody else changed it between your reading and your writing. Nothing of yours was written.",
        "Read it again, and send the change again if it is still wanted.",
    ),
    errors.IdempotencyConflict: Advice(
        "The `Idempotency-Key` was used within the last day, with another body.",
        "One key means one request. Take a new key for another request, or send the very same body.",
    ),
    errors.VersionBroken: Advice(
        "An alias, or the runs of a function that is called, were to go to a version whose code cannot be loaded. "
        "Nothing has moved: the version that answered before goes on.",
        "The message has the import's error. Deploy a version that can be loaded, or name another.",
    ),
    errors.QuotaReached: Advice(
        "The tenant has as many functions, or as much code, as its quota allows. Nothing was stored.",
        "`nanogrid quota` shows both sides. Delete what is not needed any more, or ask the grid's owner for more.",
    ),
    errors.RunEnded: Advice(
        "The run has its outcome already, or a later attempt owns it.",
        "`nanogrid show RUN` tells how it ended. Only a dead run can be redriven, only a live one cancelled.",
    ),
    errors.TooLarge: Advice(
        "A body, an archive or a field is larger than its limit, which the message names.",
        "Inputs may have 6 MiB, archives 50 MB. Put large data where the function can fetch it.",
    ),
    errors.AddressTooLong: Advice(
        "The request's URL has more than 8 KiB.",
        "Put what makes it long into the body.",
    ),
    errors.HeadersTooLarge: Advice(
        "The request has more than 100 headers, or more than 16 KiB of them.",
        "Send fewer; a grid reads no cookies.",
    ),
    errors.UnsupportedMediaType: Advice(
        "The body comes in a media type that the route does not read.",
        "Send `Content-Type: application/json`, or `multipart/form-data` to deploy an archive.",
    ),
    errors.TooManyRequests: Advice(
        "A limit on how much may be asked for is reached.",
        "Come again after the answer's `Retry-After`. The SDK waits by itself, 30 seconds altogether.",
    ),
    errors.BacklogFull: Advice(
        "As many tasks wait as may wait. Nothing of the request was kept.",
        "Come again after `Retry-After`. If that happens often, look at `nanogrid_backlog` and "
        "`nanogrid_sandboxes`: either the machine is too small, or `NANOGRID_MAX_BACKLOG` is.",
    ),
    errors.RunQuotaReached: Advice(
        "The tenant has begun as many runs as its quota allows in a minute.",
        "Come again after `Retry-After`, or ask the grid's owner for more; `nanogrid quota` shows the limit.",
    ),
    errors.CallFailed: Advice(
        "A function that was called under `/fn` failed.",
        "The header `X-NanoGrid-Run` names the run: `nanogrid explain RUN` says how it failed, and what to do.",
    ),
    errors.AnswerRefused: Advice(
        "What a function returned under `/fn` cannot be sent: a status that is none, a header with a line's end, "
        "a body that is no text or no base64.",
        "Return `statusCode`, `headers`, `cookies`, `body` (a string) and `isBase64Encoded`, or any value without "
        "`statusCode`, which is sent as JSON.",
    ),
    errors.CallTimedOut: Advice(
        "A function that was called under `/fn` was not done in time.",
        "Raise its `timeoutMs`, or let it answer at once and do the work in a run of its own, see `Prefer`.",
    ),
    errors.PlatformError: Advice(
        "The grid cannot do it at the moment: it starts, stops, or something it stands on is away.",
        "Come again after `Retry-After`. `GET /health/ready` tells when, the grid's log tells why.",
    ),
    errors.StoreUnavailable: Advice(
        "A store does not answer or cannot write; mostly the disk is full.",
        "Make room in the data folder; the grid goes on by itself. What was promised before is not lost.",
    ),
    errors.SandboxUnavailable: Advice(
        "This machine cannot start a sandbox.",
        "`nanogrid doctor` says what is missing: user namespaces, a control group, Docker, memory.",
    ),
    errors.SandboxBroken: Advice(
        "A sandbox vanished or broke its protocol for a reason that is not the function's.",
        "The task is tried again by itself, five times in all. If it goes on, look for `worker.attempt_failed` in the "
        "grid's log.",
    ),
    errors.VaultLocked: Advice(
        "The key that opens secrets is not there, or belongs to another database; on AWS, KMS refuses to use it.",
        "Restore `vault.key` of the data folder from the backup that the database is from, or set the secrets again. "
        "On AWS look at the key `alias/nanogrid-vault` in KMS: it may be disabled, or about to be deleted.",
    ),
    errors.LeaseLost: Advice(
        "A worker held a task longer than its lease without a sign of life; the task belongs to another one by now.",
        "Nothing: the task runs again. If it happens often the machine is overloaded; raise `NANOGRID_LEASE_S`.",
    ),
    errors.CodeCorrupt: Advice(
        "The stored archive does not have the digest that it is stored under: the disk, or somebody, changed it.",
        "Deploy the function again, and look after the disk.",
    ),
}

#: How a run can end without success.
FAILURES: dict[ErrorKind, Advice] = {
    ErrorKind.EXCEPTION: Advice(
        "The handler raised.",
        "`error.type`, `error.message` and `error.stackTrace` have the exception and your own frames; the run's logs "
        "have what was printed before it.",
    ),
    ErrorKind.TIMED_OUT: Advice(
        "The handler ran longer than the function's `timeoutMs`, and was killed.",
        "Raise it: `nanogrid configure NAME --timeout 2m`. If it hangs: without `--network outbound` there is no "
        "network, and a connection never comes.",
    ),
    ErrorKind.OUT_OF_MEMORY: Advice(
        "The run needed more than the function's `memoryMb`, and was killed.",
        "Raise it: `nanogrid configure NAME --memory 512`; or let the grid do so, as far as you allow: `--auto-memory "
        "1024`. `nanogrid tune NAME` recommends a size by the runs so far.",
    ),
    ErrorKind.EXITED: Advice(
        "The process ended by itself, by a signal, or broke the protocol. The message has the exit code or signal.",
        "Look at the run's logs. A handler returns; it does not call `exit`. What is not permitted in a sandbox fails "
        "with an error first, which the program should have printed.",
    ),
    ErrorKind.INIT_FAILED: Advice(
        "The code could not be imported, or the handler is not there.",
        "The message has the import's error. A missing module belongs into `requirements.txt` (`package.json`) beside "
        "the code; a handler is named `module.function`.",
    ),
    ErrorKind.RESULT_TOO_LARGE: Advice(
        "The output is larger than 6 MiB.",
        "Return less, or a place where the rest can be fetched.",
    ),
    ErrorKind.RESULT_NOT_SERIALIZABLE: Advice(
        "What the handler returned is no JSON.",
        "The message names the value and its place, such as `$.items[3]: datetime`. Convert it before you return it.",
    ),
    ErrorKind.FUNCTION_DELETED: Advice(
        "The function was deleted while the run waited.",
        "Deploy it again, and send the run again.",
    ),
    ErrorKind.EXPIRED: Advice(
        "An asynchronous run was not done when its function's `maxAgeMs` was over; it is not started or tried again.",
        "Raise `maxAgeMs`, or give the function more room to run at once; send the run again if it is still wanted.",
    ),
    ErrorKind.CANCELLED: Advice(
        "Somebody cancelled the run.",
        "Send it again if it is still wanted.",
    ),
    ErrorKind.PLATFORM: Advice(
        "The platform failed at the run five times; the run is `dead`, and the function is not to blame.",
        "`nanogrid dead-letters` has the last reason. When it is mended, `nanogrid redrive RUN` gives it another try.",
    ),
}
