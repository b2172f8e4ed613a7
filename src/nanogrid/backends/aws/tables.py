"""The two DynamoDB tables, as data: what the stack makes, what the tests make, and what the adapters rely on.

Every item has its partition key in `pk`; all key attributes are strings, and every index projects its keys only: a
listing asks the index for keys and the table for the items, so it shows them as they stand, and an outcome is written
once and not once an index.

`NanoGridFunctions` keeps functions, names, uses of code and the small records:

    pk                      sk                  what it is
    fn_...                  latest              the function's latest version; in `byName`
    fn_...                  version#00000001    one version, never changed
    name#<tenant>#hello     name                whose name it is
    code#<sha-256>          fn_...#00000001     that this version uses the code
    record#<kind>           <name>              a small named record

`NanoGridRuns` keeps runs and what belongs to them; `expiresAt` lets them go:

    pk                      what it is
    run_...                 a run
    key#<sha-256>           an idempotency key, and its run
    letter#run_...          a dead letter, with its task
    task#run_...            which of a task's receives were no failures

A partition of an index takes 1,000 writes a second, and run ids grow with time, so that all new ones would fall on
the end of one partition. Each listing of runs is therefore spread over `SHARDS` partitions, by the last character of
the run id, which is random; whoever lists reads them all at once and merges. A listing by status goes by the sort key
`<status>#<run id>`, so that a change of status needs to know nothing but the run's id. Listings are each tenant's own.
"""

from nanogrid.model import Record

#: Partitions of each listing of runs. Never to be made smaller: what lies in the higher ones would not be found.
SHARDS = 4
#: Attribute of the items in the runs table that DynamoDB deletes by, in seconds since 1970.
EXPIRES_AT = "expiresAt"
#: How long an ended run is kept, in seconds. A dead one stays until it is redriven.
RUN_KEPT_S = 30 * 24 * 3600
#: Prefix in the code bucket for what is too large to travel inline. The bucket lets it expire after as many days.
PAYLOAD_PREFIX = "payloads/"
PAYLOAD_DAYS = 45
#: Likewise for archives that are sent ahead of the function they are for.
UPLOAD_PREFIX = "uploads/"
UPLOAD_DAYS = 1
#: Likewise for the files that runs left.
ARTIFACT_PREFIX = "artifacts/"
ARTIFACT_DAYS = 45
#: Receives after which SQS itself moves a message to its dead-letter queue. Far above what workers decide by: returns
#: without failure count here too.
MAX_RECEIVES = 200


class Index(Record, frozen=True, kw_only=True):
    """A global secondary index; it projects keys only."""

    name: str
    hash_key: str
    range_key: str


class Table(Record, frozen=True, kw_only=True):
    """A table, billed by request; all keys are strings."""

    name: str
    hash_key: str
    range_key: str | None = None
    indexes: tuple[Index, ...] = ()
    #: The attribute by which items expire; None where nothing does.
    ttl_attribute: str | None = None


FUNCTIONS = Table(
    name="NanoGridFunctions",
    hash_key="pk",
    range_key="sk",
    indexes=(Index(name="byName", hash_key="listing", range_key="name"),),
)

RUNS = Table(
    name="NanoGridRuns",
    hash_key="pk",
    indexes=(
        Index(name="byAll", hash_key="listAll", range_key="place"),
        Index(name="byFunction", hash_key="listFunction", range_key="place"),
        Index(name="byStatus", hash_key="listAll", range_key="statusPlace"),
        Index(name="byFunctionStatus", hash_key="listFunction", range_key="statusPlace"),
    ),
    ttl_attribute=EXPIRES_AT,
)


def creation(table: Table, name: str) -> dict[str, object]:
    """The request that makes the table under that name, as DynamoDB's CreateTable takes it."""
    keys = {table.hash_key, *filter(None, [table.range_key])}
    keys |= {key for index in table.indexes for key in (index.hash_key, index.range_key)}
    request: dict[str, object] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys)],
        "KeySchema": _schema(table.hash_key, table.range_key),
    }
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _schema(index.hash_key, index.range_key),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index in table.indexes
        ]
    return request


def _schema(hash_key: str, range_key: str | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    if range_key is not None:
        schema.append({"AttributeName": range_key, "KeyType": "RANGE"})
    return schema
