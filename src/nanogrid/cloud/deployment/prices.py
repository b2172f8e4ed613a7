"""What the stack costs in a month, roughly: a table of list prices, and the assumptions it stands on."""

from nanogrid.model import Record

#: Of when and where these list prices are. They change, and nothing here asks: AWS's own calculator has the last word.
PRICED_ON = "2025-09"
PRICED_REGION = "ap-northeast-2"
_HOURS = 730
_DAYS = 30


class Line(Record, frozen=True, kw_only=True):
    """One row of the estimate, in US dollars a month."""

    what: str
    assumption: str
    dollars: float


class Usage(Record, frozen=True, kw_only=True):
    """What is assumed about how the grid is used."""

    runs_a_day: int = 10_000
    #: Workers on average; one is always there.
    workers: float = 1.2
    stored_gb: float = 5.0
    #: What leaves through the NAT gateway in a month.
    nat_gb: float = 10.0


#: An hour of an instance or a cache node of a size, in dollars.
_INSTANCES = {"t3.medium": 0.052, "t3.large": 0.104, "m5.large": 0.118, "m6i.large": 0.118, "c6i.large": 0.096}
_NODES = {"cache.t4g.micro": 0.024, "cache.t3.micro": 0.025, "cache.t4g.small": 0.047, "cache.m6g.large": 0.182}
_NAT_HOUR, _NAT_GB = 0.059, 0.059
_ADDRESS_HOUR = 0.005
_ENDPOINT_HOUR = 0.013
_DISK_GB = 0.0912
_API_MILLION = 1.23
_LAMBDA_MILLION, _LAMBDA_GB_S = 0.20, 0.0000166667
_SQS_MILLION = 0.40
_WRITE_MILLION, _READ_MILLION, _TABLE_GB = 0.6785, 0.1355, 0.27075
_S3_GB = 0.025
_LOGS_GB = 0.76
_ALARM = 0.10
_KEY = 1.0
#: What one run costs the services: an accept, a start, a finish, each with its index entries; and reads of it.
_WRITES_A_RUN, _READS_A_RUN, _MESSAGES_A_RUN = 15, 4, 4
_LAMBDA_S, _LAMBDA_GB = 0.2, 1.0
_DISK_SIZE_GB = 30
_LOG_KB_A_RUN = 1.0


def estimate(instance: str, node: str, usage: Usage) -> list[Line]:
    """The lines of the estimate, the dearest first. A size that the table does not know counts as the next it knows."""
    runs = usage.runs_a_day * _DAYS / 1e6
    worker = worker_month(instance)
    tables = runs * (_WRITES_A_RUN * _WRITE_MILLION + _READS_A_RUN * _READ_MILLION) + usage.stored_gb / 5 * _TABLE_GB
    lambdas = runs * (_LAMBDA_MILLION + 1e6 * _LAMBDA_S * _LAMBDA_GB * _LAMBDA_GB_S)
    lines = [
        _line(
            "workers",
            f"{usage.workers:g} {instance} on average, 1 to 5, {_DISK_SIZE_GB} GB each",
            worker * usage.workers,
        ),
        _line("NAT gateway", f"1, with {usage.nat_gb:g} GB through it", _NAT_HOUR * _HOURS + _NAT_GB * usage.nat_gb),
        _line("public address", "1, of the NAT gateway", _ADDRESS_HOUR * _HOURS),
        _line("Redis", f"1 {node}", _NODES.get(node, _NODES["cache.m6g.large"]) * _HOURS),
        _line("SQS endpoint", "1 zone; S3's and DynamoDB's cost nothing", _ENDPOINT_HOUR * _HOURS),
        _line("DynamoDB", f"{usage.runs_a_day:,} runs a day, by request", tables),
        _line("API and Lambdas", f"the same, {_LAMBDA_S:g} s each at {_LAMBDA_GB:g} GB", runs * _API_MILLION + lambdas),
        _line("SQS", f"{_MESSAGES_A_RUN} calls a run", runs * _MESSAGES_A_RUN * _SQS_MILLION),
        _line("S3", f"{usage.stored_gb:g} GB of code and payloads", usage.stored_gb * _S3_GB),
        _line("vault key", "1 in KMS; what is sealed and opened with it costs cents", _KEY),
        _line("logs and alarms", f"{_LOG_KB_A_RUN:g} kB a run, 3 alarms", runs * _LOG_KB_A_RUN * _LOGS_GB + 3 * _ALARM),
    ]
    return sorted(lines, key=lambda line: -line.dollars)


def worker_month(instance: str) -> float:
    """What one worker of that size costs in a month."""
    return _INSTANCES.get(instance, _INSTANCES["m5.large"]) * _HOURS + _DISK_SIZE_GB * _DISK_GB


def _line(what: str, assumption: str, dollars: float) -> Line:
    return Line(what=what, assumption=assumption, dollars=round(dollars, 2))
