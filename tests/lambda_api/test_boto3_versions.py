"""boto3, unmodified: versions and aliases, what is said of events, policies, concurrency, addresses, streams."""

import base64
import contextlib
import hashlib
import json
from datetime import UTC, datetime

import httpx
import pytest
from aws_clients import arn, create, invoke, output, refused, zipped

from nanogrid.client import Client


def saying(word):
    return f"def handler(event, context):\n    return [{word!r}, context.function_version]\n"


@pytest.fixture(scope="module")
def published(aws):
    """A function with two published versions, `one` and `two`, and a third that is not."""
    create(aws, "published", saying("one"), Description="first")
    numbers = [aws.publish_version(FunctionName="published", Description="said one")["Version"]]
    aws.update_function_code(FunctionName="published", ZipFile=zipped(saying("two")))
    numbers.append(aws.publish_version(FunctionName="published")["Version"])
    aws.update_function_code(FunctionName="published", ZipFile=zipped(saying("three")))
    return numbers


def test_a_published_version_stays_what_it_was(aws, published):
    told = aws.get_function_configuration(FunctionName="published", Qualifier=published[0])
    versions = aws.list_versions_by_function(FunctionName="published")["Versions"]

    assert [version["Version"] for version in versions] == ["$LATEST", *published]
    assert (told["FunctionArn"], told["Description"]) == (arn(f"published:{published[0]}"), "said one")
    words = [output(aws, "published")[0], *(output(aws, "published", Qualifier=one)[0] for one in published)]
    assert words == ["three", "one", "two"]


def test_a_run_says_which_version_was_executed(aws, published):
    assert invoke(aws, "published", Qualifier=published[1])["ExecutedVersion"] == published[1]
    assert invoke(aws, f"published:{published[1]}")["ExecutedVersion"] == published[1]


def test_publishing_without_a_change_publishes_nothing_new(aws):
    create(aws, "twice", saying("x"))
    first = aws.publish_version(FunctionName="twice")
    again = aws.publish_version(FunctionName="twice", Description="ignored")
    aws.update_function_configuration(FunctionName="twice", Description="another")
    changed = aws.publish_version(FunctionName="twice")

    assert (again["Version"], again["Description"]) == (first["Version"], "")
    assert int(changed["Version"]) > int(first["Version"])
    assert changed["Description"] == "another"


def test_a_function_can_be_published_as_it_is_made_and_as_its_code_changes(aws):
    created = create(aws, "at-once", saying("x"), Publish=True)
    updated = aws.update_function_code(FunctionName="at-once", ZipFile=zipped(saying("y")), Publish=True)
    listed = aws.list_versions_by_function(FunctionName="at-once", MaxItems=2)
    rest = aws.list_versions_by_function(FunctionName="at-once", Marker=listed["NextMarker"])

    assert created["Version"] == "1"
    assert [one["Version"] for one in listed["Versions"] + rest["Versions"]] == ["$LATEST", "1", updated["Version"]]
    functions = aws.list_functions(FunctionVersion="ALL")["Functions"]
    assert arn("at-once:1") in [function["FunctionArn"] for function in functions]


@pytest.mark.usefixtures("published")
def test_publishing_something_else_than_was_seen_is_refused(aws):
    code, _, message = refused(aws.publish_version, FunctionName="published", CodeSha256="x")
    late = refused(aws.publish_version, FunctionName="published", RevisionId="x")

    assert code == "InvalidParameterValueException"
    assert message.startswith("CodeSHA256 (x) is different from current CodeSHA256 in $LATEST")
    assert late[:2] == ("PreconditionFailedException", 412)


def test_versions_that_were_not_published_are_not_there(aws, published):
    assert refused(aws.get_function, FunctionName="published", Qualifier="77")[0] == "ResourceNotFoundException"
    number = str(int(published[-1]) + 1)
    assert refused(aws.invoke, FunctionName="published", Qualifier=number)[:2] == ("ResourceNotFoundException", 404)


def test_a_published_version_can_be_withdrawn_unless_an_alias_means_it(aws):
    create(aws, "withdrawn", saying("x"), Publish=True)
    aws.create_alias(FunctionName="withdrawn", Name="live", FunctionVersion="1")
    used = refused(aws.delete_function, FunctionName="withdrawn", Qualifier="1")
    aws.delete_alias(FunctionName="withdrawn", Name="live")
    aws.delete_function(FunctionName="withdrawn", Qualifier="1")

    assert used[:2] == ("ResourceConflictException", 409)
    assert len(aws.list_versions_by_function(FunctionName="withdrawn")["Versions"]) == 1


def test_an_alias_means_a_version_and_moves(aws, published):
    one, two = published
    created = aws.create_alias(FunctionName="published", Name="live", FunctionVersion=one, Description="in use")
    said = output(aws, "published", Qualifier="live")
    moved = aws.update_alias(FunctionName="published", Name="live", FunctionVersion=two)
    after = invoke(aws, arn("published:live"))
    told = aws.get_function_configuration(FunctionName="published", Qualifier="live")

    assert (created["AliasArn"], created["Description"]) == (arn("published:live"), "in use")
    assert "RoutingConfig" not in created
    assert said[0] == "one"
    assert (json.loads(after["Payload"])[0], after["ExecutedVersion"]) == ("two", two)
    assert (moved["Description"], moved["RevisionId"] != created["RevisionId"]) == ("in use", True)
    assert (told["Version"], told["FunctionArn"]) == (two, arn("published:live"))
    assert aws.get_alias(FunctionName="published", Name="live") | {"ResponseMetadata": 0} == moved | {
        "ResponseMetadata": 0
    }


def test_an_alias_gives_a_share_of_the_runs_to_another_version(aws, published):
    one, two = published
    weights = {"AdditionalVersionWeights": {two: 1.0}}
    made = aws.create_alias(FunctionName="published", Name="canary", FunctionVersion=one, RoutingConfig=weights)
    shared = output(aws, "published", Qualifier="canary")[0]
    ended = aws.update_alias(FunctionName="published", Name="canary", RoutingConfig={"AdditionalVersionWeights": {}})

    assert made["RoutingConfig"] == weights
    assert "RoutingConfig" not in ended
    assert (shared, output(aws, "published", Qualifier="canary")[0]) == ("two", "one")


def test_aliases_are_listed_by_name_and_by_version(aws, published):
    for name, version in [("a", published[0]), ("b", published[1])]:
        aws.create_alias(FunctionName="published", Name=name, FunctionVersion=version)
    pages = aws.get_paginator("list_aliases").paginate(FunctionName="published", PaginationConfig={"PageSize": 1})
    listed = [alias["Name"] for page in pages for alias in page["Aliases"]]
    of_one = aws.list_aliases(FunctionName="published", FunctionVersion=published[0])["Aliases"]

    assert listed == sorted(listed)
    assert {"a", "b"} <= set(listed)
    assert "a" in [alias["Name"] for alias in of_one]
    assert "b" not in [alias["Name"] for alias in of_one]


def test_impossible_aliases_are_refused(aws, published):
    def alias(**members):
        return refused(aws.create_alias, **({"FunctionName": "published", "Name": "x"} | members))

    aws.create_alias(FunctionName="published", Name="taken", FunctionVersion=published[0])
    assert alias(FunctionVersion="$LATEST")[0] == "InvalidParameterValueException"
    assert alias(FunctionVersion="99")[0] == "ResourceNotFoundException"
    assert alias(Name="taken", FunctionVersion=published[0])[:2] == ("ResourceConflictException", 409)
    assert alias(Name="7", FunctionVersion=published[0])[0] == "ValidationException"
    code, _, message = refused(aws.get_alias, FunctionName="published", Name="absent")
    assert (code, message) == ("ResourceNotFoundException", f"Cannot find alias arn: {arn('published:absent')}")
    aws.delete_alias(FunctionName="published", Name="absent")


def test_what_is_said_of_events_is_in_force_and_told(aws, live):
    create(aws, "evented", saying("x"))
    with Client(live.url, live.token) as grid:
        before = grid.function("evented")
        absent = refused(aws.get_function_event_invoke_config, FunctionName="evented")
        put = aws.put_function_event_invoke_config(FunctionName="evented", MaximumRetryAttempts=0)
        aws.update_function_event_invoke_config(FunctionName="evented", MaximumEventAgeInSeconds=60)
        after = grid.function("evented")
        listed = aws.list_function_event_invoke_configs(FunctionName="evented")["FunctionEventInvokeConfigs"]
        aws.delete_function_event_invoke_config(FunctionName="evented")
        again = grid.function("evented")

    assert absent[:2] == ("ResourceNotFoundException", 404)
    assert (put["MaximumRetryAttempts"], put["FunctionArn"]) == (0, arn("evented:$LATEST"))
    assert "MaximumEventAgeInSeconds" not in put
    assert abs((datetime.now(UTC) - put["LastModified"]).total_seconds()) < 600
    assert [(one["MaximumRetryAttempts"], one["MaximumEventAgeInSeconds"]) for one in listed] == [(0, 60)]
    assert [(f.retries, f.max_age_ms) for f in (before, after, again)] == [
        (2, 21_600_000),
        (0, 60_000),
        (2, 21_600_000),
    ]


@pytest.mark.usefixtures("published")
def test_destinations_are_refused_and_so_is_saying_nothing(aws):
    queue = {"OnFailure": {"Destination": "arn:aws:sqs:eu-central-1:000000000000:q"}}
    call = aws.put_function_event_invoke_config

    assert refused(call, FunctionName="published", DestinationConfig=queue)[0] == "InvalidParameterValueException"
    assert refused(call, FunctionName="published")[2].startswith("You must specify at least one")


@pytest.mark.usefixtures("published")
def test_a_policy_is_told_as_it_was_said(aws):
    added = aws.add_permission(
        FunctionName="published",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount="1" * 12,
    )
    twice = refused(
        aws.add_permission, FunctionName="published", StatementId="s3", Action="lambda:*", Principal="1" * 12
    )
    told = aws.get_policy(FunctionName="published")
    aws.remove_permission(FunctionName="published", StatementId="s3", RevisionId=told["RevisionId"])
    gone = refused(aws.get_policy, FunctionName="published")
    absent = refused(aws.remove_permission, FunctionName="published", StatementId="s3")

    statement = json.loads(added["Statement"])
    assert statement == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn("published"),
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "1" * 12},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert json.loads(told["Policy"])["Statement"] == [statement]
    assert twice[:2] == ("ResourceConflictException", 409)
    assert gone[0] == absent[0] == "ResourceNotFoundException"


def test_a_reservation_of_none_lets_nothing_run(aws):
    create(aws, "reserved", saying("x"))
    unset = aws.get_function_concurrency(FunctionName="reserved")
    aws.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    told = aws.get_function(FunctionName="reserved")["Concurrency"]
    with pytest.raises(aws.exceptions.TooManyRequestsException) as throttled:
        aws.invoke(FunctionName="reserved")
    aws.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=3)
    ran = output(aws, "reserved")
    aws.delete_function_concurrency(FunctionName="reserved")

    assert "ReservedConcurrentExecutions" not in unset
    assert told == {"ReservedConcurrentExecutions": 0}
    assert throttled.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert throttled.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    assert ran[0] == "x"
    assert "Concurrency" not in aws.get_function(FunctionName="reserved")


def test_a_function_with_an_address_is_called_by_anybody_or_by_who_has_a_key(aws, live):
    create(aws, "addressed", "def handler(event, context):\n    return event['rawPath']\n")
    made = aws.create_function_url_config(FunctionName="addressed", AuthType="NONE")
    address = made["FunctionUrl"]
    anybody = httpx.get(address + "a/b")
    twice = refused(aws.create_function_url_config, FunctionName="addressed", AuthType="NONE")
    aws.update_function_url_config(FunctionName="addressed", AuthType="AWS_IAM")
    stranger, holder = (httpx.get(address, headers=h) for h in ({}, {"Authorization": f"Bearer {live.token}"}))
    listed = aws.list_function_url_configs(FunctionName="addressed")["FunctionUrlConfigs"]
    aws.delete_function_url_config(FunctionName="addressed")

    assert anybody.json() == "/a/b"
    assert (stranger.status_code, holder.status_code) == (401, 200)
    assert [one["AuthType"] for one in listed] == ["AWS_IAM"]
    assert twice[:2] == ("ResourceConflictException", 409)
    assert httpx.get(address).status_code == 404
    assert refused(aws.get_function_url_config, FunctionName="addressed")[0] == "ResourceNotFoundException"


def test_a_streamed_answer_comes_as_events(aws):
    create(aws, "streamed", "def handler(event, context):\n    return 'x' * event if event else 1 / 0\n")

    def events(payload):
        answer = aws.invoke_with_response_stream(FunctionName="streamed", Payload=payload, LogType="Tail")
        with contextlib.closing(answer["EventStream"]) as stream:
            return list(stream)

    good, bad = events(b"300000"), events(b"0")
    content = b"".join(one["PayloadChunk"]["Payload"] for one in good[:-1])

    assert json.loads(content) == "x" * 300_000
    assert base64.b64decode(good[-1]["InvokeComplete"]["LogResult"]).startswith(b"START RequestId: run_")
    assert len(bad) == 1
    assert bad[0]["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(bad[0]["InvokeComplete"]["ErrorDetails"])["errorType"] == "ZeroDivisionError"


def test_what_a_function_yields_comes_as_it_yields_it(aws):
    source = """def handler(event, context):
    for word in event:
        if word == "stop":
            raise ValueError("stopped")
        yield word if isinstance(word, str) else {"n": word}
"""
    create(aws, "yielding", source)

    def chunks(payload):
        answer = aws.invoke_with_response_stream(FunctionName="yielding", Payload=payload)
        with contextlib.closing(answer["EventStream"]) as stream:
            *parts, last = list(stream)
        return [part["PayloadChunk"]["Payload"] for part in parts], last["InvokeComplete"]

    good, bad = chunks(b'["one", "two", 3]'), chunks(b'["one", "stop"]')

    assert good == ([b"one", b"two", b'{"n":3}\n'], {})
    assert bad[0] == [b"one"]
    assert json.loads(bad[1]["ErrorDetails"])["errorMessage"] == "stopped"


def test_a_functions_life_in_the_order_in_which_terraforms_provider_asks(aws):
    """Made, read, planned without a difference, changed, published, an alias moved, destroyed."""
    first, second = zipped(saying("one")), zipped(saying("two"))
    made = create(aws, "planned", saying("one"), Publish=True, Tags={"a": "1"})
    aws.get_waiter("function_active_v2").wait(FunctionName="planned")
    read = aws.get_function(FunctionName="planned")
    newest = aws.list_versions_by_function(FunctionName="planned", MaxItems=10_000)["Versions"][-1]
    aws.get_function_code_signing_config(FunctionName="planned")
    alias = aws.create_alias(FunctionName="planned", Name="live", FunctionVersion=newest["Version"])

    assert (made["Version"], newest["Version"]) == ("1", "1")
    assert read["Configuration"]["CodeSha256"] == base64.b64encode(hashlib.sha256(first).digest()).decode()
    assert (read["Tags"], alias["FunctionVersion"]) == ({"a": "1"}, "1")

    aws.tag_resource(Resource=arn("planned"), Tags={"a": "2"})
    aws.update_function_configuration(FunctionName="planned", Timeout=9, Handler="main.handler", Runtime="python3.11")
    aws.get_waiter("function_updated_v2").wait(FunctionName="planned")
    aws.update_function_code(
        FunctionName="planned", ZipFile=second, Architectures=read["Configuration"]["Architectures"]
    )
    aws.get_waiter("function_updated_v2").wait(FunctionName="planned")
    published = aws.publish_version(FunctionName="planned")["Version"]
    aws.update_alias(FunctionName="planned", Name="live", FunctionVersion=published)
    again = aws.get_function(FunctionName="planned")

    assert again["Configuration"]["CodeSha256"] == base64.b64encode(hashlib.sha256(second).digest()).decode()
    assert (again["Configuration"]["Timeout"], again["Tags"]) == (9, {"a": "2"})
    assert output(aws, "planned:live")[0] == "two"

    aws.delete_alias(FunctionName="planned", Name="live")
    aws.delete_function(FunctionName="planned")
    assert refused(aws.get_function, FunctionName="planned")[0] == "ResourceNotFoundException"
    assert refused(aws.get_alias, FunctionName="planned", Name="live")[0] == "ResourceNotFoundException"


def test_an_account_knows_its_limits_and_what_it_has(aws):
    settings = aws.get_account_settings()

    assert settings["AccountUsage"]["FunctionCount"] >= 1
    assert settings["AccountLimit"]["CodeSizeZipped"] == 50 * 1024 * 1024
