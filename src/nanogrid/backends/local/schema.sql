-- The shape of nanogrid.db. Times are milliseconds since 1970, records are JSON as the API shows them.

CREATE TABLE functions (
    function_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    latest INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
    function_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    code_sha256 TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (function_id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_by_code ON versions (code_sha256);

-- Run ids sort by time, so each index below gives its listing newest first without a sort.
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    function_id TEXT NOT NULL,
    status TEXT NOT NULL,
    record BLOB NOT NULL,
    tenant TEXT NOT NULL DEFAULT 'default'
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_by_function ON runs (function_id, run_id);
CREATE INDEX runs_by_status ON runs (status, tenant, run_id);
CREATE INDEX runs_by_tenant ON runs (tenant, run_id);
CREATE INDEX runs_by_both ON runs (function_id, status, run_id);

-- Apart from the run, because a run is written several times and its input once.
CREATE TABLE run_inputs (
    run_id TEXT PRIMARY KEY,
    input BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    run_id TEXT NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_run ON idempotency_keys (run_id);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (made_at);

-- The journal of the task queue. A task is written once, how it fares each time it is handed out.
CREATE TABLE tasks (
    run_id TEXT PRIMARY KEY,
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE task_fares (
    run_id TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    leased INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Newest first is by number: two letters may be buried in the same millisecond.
CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL,
    task BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    tenant TEXT NOT NULL DEFAULT 'default'
) STRICT;

CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, number);

-- Small named values; whoever changes one names the revision that he saw.
CREATE TABLE records (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    revision TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
