-- Everything there was belongs to the default tenant.
CREATE TABLE functions_of_tenants (
    function_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    latest INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT, WITHOUT ROWID;

INSERT INTO functions_of_tenants SELECT function_id, 'default', name, latest FROM functions;
DROP TABLE functions;
ALTER TABLE functions_of_tenants RENAME TO functions;

ALTER TABLE runs ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
DROP INDEX runs_by_status;
CREATE INDEX runs_by_status ON runs (status, tenant, run_id);
CREATE INDEX runs_by_tenant ON runs (tenant, run_id);

ALTER TABLE dead_letters ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, number);
