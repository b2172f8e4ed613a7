"""`nanogrid aws` on an emulated account: deploy, look, change nothing, destroy, take back, destroy for good."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from click.testing import Result
from typer.testing import CliRunner

from nanogrid.api.auth import token_digest
from nanogrid.cli.main import make_app
from nanogrid.cloud.emulator import ACCOUNT, EmulatedAws
from nanogrid.cloud.stack import STACK, TOKENS_PARAMETER, VAULT_KEY, artifact_bucket, code_bucket

Run = Callable[..., Result]
#: What every Lambda looks at to know whether keys and tokens have changed.
_CHANGES = {"pk": {"S": "record#key-ring"}, "sk": {"S": "changes"}}


@pytest.fixture
def run(aws: EmulatedAws) -> Run:
    def run(*words: str, answer: str | None = None, **environment: str) -> Result:
        environ = aws.environment | environment
        return CliRunner().invoke(make_app(environ=environ), ["aws", *words], input=answer, env=environ)

    return run


@pytest.fixture
def account(aws: EmulatedAws, boto: boto3.Session, run: Run) -> Iterator[Callable[[str], Any]]:
    """Clients of an account with nothing in it, before and after."""
    yield lambda service: boto.client(service, endpoint_url=aws.endpoint)
    run("destroy", "--yes", "--delete-data")


def _bucket(aws: EmulatedAws) -> str:
    return code_bucket(ACCOUNT, aws.region)


def _token(result: Result) -> str:
    """The one line of a deploy's output that is nothing but a token."""
    found = re.search(r"^ {2}(\S{40,})$", result.stdout, re.MULTILINE)
    assert found, result.stdout + result.stderr
    return found[1]


def _digests(ssm: Any) -> dict[str, str]:
    return json.loads(ssm.get_parameter(Name=TOKENS_PARAMETER, WithDecryption=True)["Parameter"]["Value"])


def test_a_grid_is_made_found_unchanged_removed_and_taken_back_with_its_data(aws, account, run):
    made = run("deploy", "--yes")
    token = _token(made)
    digests = _digests(account("ssm"))
    account("s3").put_object(Bucket=_bucket(aws), Key="code/x", Body=b"kept")
    again = run("deploy", "--yes")
    status = json.loads(run("status", "--json").stdout)
    key = account("kms").describe_key(KeyId=VAULT_KEY)["KeyMetadata"]
    renewed = account("kms").get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    gone = run("destroy", "--yes")
    back = run("deploy", "--yes")
    shown = run("status")

    assert made.exit_code == 0, made.stdout
    assert re.search(r"CREATE_COMPLETE +nanogrid$", made.stdout, re.MULTILINE)
    assert "nanogrid login https://" in made.stdout
    assert digests == {token_digest(token): "owner"}
    assert "Nothing to change." in again.stdout
    assert token not in again.stdout
    assert status["stack"]["status"] == "CREATE_COMPLETE"
    assert {alarm["name"] for alarm in status["alarms"]} == {"nanogrid-backlog", "nanogrid-idle", "nanogrid-stuck"}
    assert status["backlog"] == {"waiting": 0, "inFlight": 0, "delayed": 0, "givenUp": 0}
    assert "its data stays" in gone.stdout
    assert "taken back" in back.stdout, f"{back.stderr}{back.exception!r}"
    assert re.search(r"IMPORT_COMPLETE +CodeBucket$", back.stdout, re.MULTILINE)
    assert account("s3").get_object(Bucket=_bucket(aws), Key="code/x")["Body"].read() == b"kept"
    assert _digests(account("ssm")) == digests
    assert renewed
    assert "the vault's key" in gone.stdout
    assert account("kms").describe_key(KeyId=VAULT_KEY)["KeyMetadata"]["KeyId"] == key["KeyId"]
    assert re.search(r"^stack +CREATE_COMPLETE", shown.stdout, re.MULTILINE)


def test_a_setting_changes_only_what_it_concerns_and_stays_and_a_new_token_takes_the_old_one_back(aws, account, run):
    old = _token(run("deploy", "--yes"))
    changed = run("deploy", "--yes", "--log-days", "7")
    told = account("dynamodb").get_item(TableName="NanoGridFunctions", Key=_CHANGES)["Item"]["revision"]
    renewed = run("deploy", "--yes", "--new-token")
    told_again = account("dynamodb").get_item(TableName="NanoGridFunctions", Key=_CHANGES)["Item"]["revision"]
    key = account("kms").describe_key(KeyId=VAULT_KEY)["KeyMetadata"]["KeyId"]
    gone = run("destroy", "--yes", "--delete-data")

    assert re.search(r"^~ WorkerLogs ", changed.stdout, re.MULTILINE)
    assert not re.search(r"^[-+<] |  replaced$", changed.stdout, re.MULTILINE)
    assert "Nothing to change." in renewed.stdout
    assert _token(renewed) != old
    assert told_again != told
    assert gone.exit_code == 0
    buckets = {one["Name"] for one in account("s3").list_buckets()["Buckets"]}
    assert not buckets & {_bucket(aws), artifact_bucket(ACCOUNT, aws.region)}
    assert account("dynamodb").list_tables()["TableNames"] == []
    assert account("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert account("kms").list_aliases()["Aliases"] == []
    assert run("destroy", "--yes", "--delete-data").stdout == f"There is no grid in {aws.region}.\n"


def test_who_does_not_agree_has_seen_plan_and_cost_and_leaves_nothing(account, run):
    refused = run("deploy")

    assert refused.exit_code == 2
    assert "Say --yes" in refused.stderr
    assert re.search(r"About \d+ US dollars a month", refused.stdout)
    for row in ("NAT gateway", "Redis", "workers", "DynamoDB", "List prices of ap-northeast-2"):
        assert row in refused.stdout
    assert run("status").exit_code == 3
    assert account("s3").list_buckets()["Buckets"] == []


def test_what_is_left_of_a_failed_first_deploy_is_in_nobodys_way(account, run):
    broken = {"Resources": {"Bad": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "x"}}}}
    account("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(broken))
    made = run("deploy", "--yes")

    assert made.exit_code == 0, made.stderr


def test_logs_come_from_all_groups_in_order_of_time(account, run):
    logs = account("logs")
    now = int(datetime.now(UTC).timestamp() * 1000)
    lines = [("/nanogrid/worker", now, "second"), ("/aws/lambda/nanogrid-dispatcher", now - 5, "first")]
    for group, at, text in lines:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": at, "message": text}])
    everything = run("logs").stdout.splitlines()
    worker = run("logs", "worker").stdout.splitlines()
    for group, _, _ in lines:
        logs.delete_log_group(logGroupName=group)

    assert [line.split()[-1] for line in everything] == ["first", "second"]
    assert [line.split()[1:] for line in worker] == [["worker", "second"]]


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        (["logs", "--since", "yesterday"], {}, 2, "no duration"),
        (["logs", "cellar"], {}, 2, "Choose from: api, resource-manager, dispatcher, worker"),
        (["status", "--profile", "nobody"], {}, 2, "list-profiles"),
        (["status"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 70, "AWS cannot be reached"),
        (["status", "--region", "moon-1"], {"AWS_ENDPOINT_URL": ""}, 2, "no region 'moon-1'"),
        (
            ["status"],
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"},
            4,
            "no AWS credentials",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_a_way_out(run, words, environment, code, said):
    refused = run(*words, **environment)

    assert refused.exit_code == code
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
