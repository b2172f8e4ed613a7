"""boto3, unmodified, against a started grid: functions made, run, told, changed and deleted through Lambda's API."""

import base64
import hashlib
import io
import json
import zipfile
from datetime import datetime
from functools import partial

import httpx
import pytest
from aws_clients import ACCOUNT, REGION, ROLE, Keys, arn, client, create, invoke, output, refused, zipped

from nanogrid.client import Client

ECHO = "def handler(event, context):\n    print('seen')\n    return event\n"


@pytest.fixture(scope="module")
def made(live):
    """A function that most tests only look at."""
    aws = client(live)
    create(
        aws,
        "made",
        ECHO,
        Description="says it again",
        Timeout=7,
        MemorySize=256,
        Environment={"Variables": {"STAGE": "test"}},
        Tags={"team": "grid"},
    )
    return "made"


def test_a_new_function_is_pending_to_who_made_it_and_active_to_whoever_asks_next(aws):
    created = create(aws, "fresh", ECHO)
    told = aws.get_function_configuration(FunctionName="fresh")
    aws.get_waiter("function_active_v2").wait(FunctionName="fresh")

    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    assert (told["State"], told["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in told
    assert created["RevisionId"] != told["RevisionId"]
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201


def test_a_function_is_told_as_it_was_made(aws, made):
    told = aws.get_function(FunctionName=made)
    configuration = told["Configuration"]

    assert configuration["FunctionArn"] == arn(made)
    assert configuration["Description"] == "says it again"
    assert (configuration["Timeout"], configuration["MemorySize"]) == (7, 256)
    assert (configuration["Runtime"], configuration["Handler"]) == ("python3.11", "main.handler")
    assert (configuration["Role"], configuration["Version"]) == (ROLE, "$LATEST")
    assert configuration["Environment"] == {"Variables": {"STAGE": "test"}}
    assert configuration["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped(ECHO)).digest()).decode()
    assert datetime.strptime(configuration["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert told["Tags"] == {"team": "grid"}


def test_what_was_never_said_is_absent_and_has_the_values_of_aws(aws):
    create(aws, "bare", ECHO)
    told = aws.get_function(FunctionName="bare")

    assert (told["Configuration"]["Timeout"], told["Configuration"]["MemorySize"]) == (3, 128)
    assert told["Configuration"]["Description"] == ""
    absent = {"Environment", "VpcConfig", "Layers", "KMSKeyArn", "DeadLetterConfig", "FileSystemConfigs", "StateReason"}
    assert absent.isdisjoint(told["Configuration"])
    assert {"Tags", "Concurrency"}.isdisjoint(told)


def test_the_location_of_code_downloads_it_and_no_other_does(aws, made):
    location = aws.get_function(FunctionName=made)["Code"]["Location"]
    archive = zipfile.ZipFile(io.BytesIO(httpx.get(location).content))
    other = httpx.get(location.replace("functions/made", "functions/bare"))

    assert archive.read("main.py").decode() == ECHO
    assert other.status_code == 403


def test_a_run_answers_with_what_the_function_returned(aws, made):
    answer = invoke(aws, made, Payload=b'{"a": [1, 2.50]}')

    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["Payload"] == b'{"a":[1,2.5]}'
    assert {"FunctionError", "LogResult"}.isdisjoint(answer)


def test_whoever_sends_no_payload_sends_an_empty_object(aws, made):
    assert output(aws, made) == {}


@pytest.mark.parametrize(
    "name", ["made", f"{ACCOUNT}:function:made", arn("made"), "made:$LATEST", f"{arn('made')}:$LATEST", "function:made"]
)
@pytest.mark.usefixtures("made")
def test_a_function_answers_to_its_name_and_to_partial_and_whole_arns(aws, name):
    assert output(aws, name, Payload=b"1") == 1


def test_the_tail_of_the_log_is_between_start_and_report(aws, made):
    answer = invoke(aws, made, LogType="Tail", Payload=b"1")
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    run_id = answer["ResponseMetadata"]["RequestId"]

    assert lines[0] == f"START RequestId: {run_id} Version: $LATEST"
    assert lines[1:3] == ["seen", f"END RequestId: {run_id}"]
    report = dict(part.split(": ", 1) for part in lines[3].removeprefix("REPORT ").strip().split("\t"))
    assert report["RequestId"] == run_id
    assert report["Memory Size"] == "256 MB"
    assert {"Duration", "Billed Duration", "Max Memory Used"} <= set(report)


def test_a_functions_error_is_a_200_with_its_kind_in_a_header(aws):
    create(aws, "raises", "def handler(event, context):\n    raise ValueError('no ' + event)\n")
    answer = invoke(aws, "raises", Payload=b'"way"', LogType="Tail")
    body = json.loads(answer["Payload"])

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (body["errorMessage"], body["errorType"]) == ("no way", "ValueError")
    assert body["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert "raise ValueError" in "".join(body["stackTrace"])


def test_a_function_that_takes_too_long_timed_out(aws):
    create(aws, "sleeps", "import time\ndef handler(event, context):\n    time.sleep(60)\n", Timeout=1)
    answer = invoke(aws, "sleeps", LogType="Tail")
    body, run_id = json.loads(answer["Payload"]), answer["ResponseMetadata"]["RequestId"]

    assert answer["FunctionError"] == "Unhandled"
    assert body == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {run_id} Error: Task timed out after 1.00 seconds",
    }
    assert "Status: timeout" in base64.b64decode(answer["LogResult"]).decode()


def test_an_answer_may_have_as_much_as_on_lambda_and_not_a_byte_more(aws):
    create(aws, "large", "def handler(event, context):\n    return 'x' * event\n", Timeout=30, MemorySize=512)
    most = invoke(aws, "large", Payload=b"%d" % (6_291_556 - 2))
    more = output(aws, "large", Payload=b"%d" % (6_291_556 - 1))

    assert len(most["Payload"]) == 6_291_556
    assert more["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291556 bytes" in more["errorMessage"]


def test_a_handler_that_is_not_there_shows_when_it_is_run(aws):
    create(aws, "missing", ECHO, Handler="elsewhere.handler")
    body = output(aws, "missing")

    assert body["errorType"] == "Runtime.HandlerNotFound"
    assert "elsewhere" in body["errorMessage"]


def test_an_event_is_taken_at_once_and_run_later_under_the_id_that_was_told(aws, made, live):
    answer = invoke(aws, made, InvocationType="Event", Payload=b'{"later": true}')
    with Client(live.url, live.token) as grid:
        run = grid.wait(answer["ResponseMetadata"]["RequestId"])

    assert (answer["StatusCode"], answer["Payload"]) == (202, b"")
    assert run.output == {"later": True}


def test_the_old_way_to_send_an_event_is_there_too(aws, made, live):
    answer = aws.invoke_async(FunctionName=made, InvokeArgs=b'{"old": 1}')
    with Client(live.url, live.token) as grid:
        run = grid.wait(answer["ResponseMetadata"]["RequestId"])

    assert (answer["Status"], run.output) == (202, {"old": 1})


def test_a_dry_run_says_that_it_could_be_done_and_does_nothing(aws, made):
    assert invoke(aws, made, InvocationType="DryRun")["StatusCode"] == 204
    assert refused(aws.invoke, FunctionName="nobody", InvocationType="DryRun")[1] == 404


def test_settings_change_and_each_change_has_a_revision(aws):
    create(aws, "changing", ECHO, Environment={"Variables": {"STAGE": "1"}})
    before = aws.get_function_configuration(FunctionName="changing")
    changed = aws.update_function_configuration(
        FunctionName="changing",
        Description="other",
        Timeout=9,
        Environment={"Variables": {}},
        RevisionId=before["RevisionId"],
    )
    after = aws.get_function_configuration(FunctionName="changing")
    aws.get_waiter("function_updated_v2").wait(FunctionName="changing")
    late = refused(
        aws.update_function_configuration, FunctionName="changing", Timeout=5, RevisionId=before["RevisionId"]
    )

    assert (changed["LastUpdateStatus"], after["LastUpdateStatus"]) == ("InProgress", "Successful")
    assert (after["Description"], after["Timeout"]) == ("other", 9)
    assert "Environment" not in after
    assert len({before["RevisionId"], changed["RevisionId"], after["RevisionId"]}) == 3
    assert late[:2] == ("PreconditionFailedException", 412)


def test_handler_and_code_change_one_after_the_other_as_terraform_does(aws):
    create(aws, "moving", ECHO)
    aws.update_function_configuration(FunctionName="moving", Handler="other.run")
    code = zipped("def run(event, context):\n    return 'moved'\n", "other.py")
    tried = aws.update_function_code(FunctionName="moving", ZipFile=code, DryRun=True)
    before = output(aws, "moving")
    changed = aws.update_function_code(FunctionName="moving", ZipFile=code)

    assert tried["CodeSha256"] == changed["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert before["errorType"] == "Runtime.HandlerNotFound"
    assert output(aws, "moving") == "moved"


def test_listing_goes_on_from_its_marker(aws):
    names = [f"listed-{number}" for number in range(3)]
    for name in names:
        create(aws, name, ECHO)
    first = aws.list_functions(MaxItems=1)
    pages = list(aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    listed = [function["FunctionName"] for page in pages for function in page["Functions"]]

    assert (len(first["Functions"]), bool(first["NextMarker"])) == (1, True)
    assert set(names) <= set(listed)
    assert listed == sorted(set(listed))
    assert "NextMarker" not in pages[-1]
    assert refused(aws.list_functions, Marker="nonsense")[0] == "InvalidParameterValueException"


def test_a_deleted_function_is_gone_and_its_name_free(aws):
    create(aws, "gone", ECHO)
    deleted = aws.delete_function(FunctionName=arn("gone"))
    code, status, message = refused(aws.get_function, FunctionName="gone")
    again = create(aws, "gone", ECHO)

    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (code, status, message) == ("ResourceNotFoundException", 404, f"Function not found: {arn('gone')}")
    assert again["State"] == "Pending"


def test_tags_come_and_go(aws, made):
    resource = arn(made)
    aws.tag_resource(Resource=resource, Tags={"team": "other", "cost center": "7/2"})
    both = aws.list_tags(Resource=resource)["Tags"]
    aws.untag_resource(Resource=resource, TagKeys=["cost center", "absent"])
    left = aws.list_tags(Resource=resource)["Tags"]
    aws.tag_resource(Resource=resource, Tags={"team": "grid"})

    assert both == {"team": "other", "cost center": "7/2"}
    assert left == {"team": "other"}


def test_no_code_is_signed(aws, made):
    answer = aws.get_function_code_signing_config(FunctionName=made)

    assert answer["FunctionName"] == made
    assert "CodeSigningConfigArn" not in answer


# Refusals


@pytest.mark.parametrize(
    ("members", "code", "says"),
    [
        ({"Runtime": "java21"}, "InvalidParameterValueException", "java21 is not supported"),
        ({"Runtime": "python3.6"}, "InvalidParameterValueException", "python3.6"),
        ({"MemorySize": 20480}, "ValidationException", "Value '20480' at 'memorySize' failed to satisfy constraint"),
        ({"Role": "somebody"}, "ValidationException", "1 validation error detected: Value 'somebody' at 'role'"),
        (
            {"Role": "x", "MemorySize": 32768},
            "ValidationException",
            "2 validation errors detected: Value 'x' at 'role' failed to satisfy constraint: Member must satisfy",
        ),
        ({"Layers": [f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:a:1"]}, "InvalidParameterValueException", "Layers"),
        ({"TracingConfig": {"Mode": "Active"}}, "InvalidParameterValueException", "X-Ray"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "InvalidParameterValueException", "VpcConfig"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "AWS_REGION"),
        ({"Tags": {"nanogrid:network": "all"}}, "InvalidParameterValueException", "none or outbound"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name_and_nothing_is_made(aws, members, code, says):
    found = refused(partial(create, aws), name="refused", source=ECHO, **members)

    assert (found[0], found[1]) == (code, 400)
    assert says in found[2]
    assert refused(aws.get_function, FunctionName="refused")[0] == "ResourceNotFoundException"


def test_what_asks_for_nothing_is_taken(aws):
    create(
        aws,
        "harmless",
        ECHO,
        Layers=[],
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        TracingConfig={"Mode": "PassThrough"},
        EphemeralStorage={"Size": 512},
        SnapStart={"ApplyOn": "None"},
        PackageType="Zip",
    )
    aws.delete_function(FunctionName="harmless")


def test_a_taken_name_and_broken_archives_are_refused(aws, made):
    taken = refused(partial(create, aws), name=made, source=ECHO)
    broken = refused(
        aws.create_function,
        FunctionName="broken",
        Runtime="python3.11",
        Handler="main.handler",
        Role=ROLE,
        Code={"ZipFile": b"no archive"},
    )
    bucket = refused(
        aws.create_function,
        FunctionName="broken",
        Runtime="python3.11",
        Handler="main.handler",
        Role=ROLE,
        Code={"S3Bucket": "somewhere", "S3Key": "x"},
    )

    assert taken == ("ResourceConflictException", 409, f"Function already exist: {made}")
    assert broken[:2] == ("InvalidParameterValueException", 400)
    assert broken[2].startswith("Could not unzip uploaded file.")
    assert "ZipFile" in bucket[2]


def test_events_that_are_not_json_and_foreign_arns_are_refused(aws, made):
    not_json = refused(aws.invoke, FunctionName=made, Payload=b"{broken")
    elsewhere = refused(aws.invoke, FunctionName=arn(made).replace(REGION, "us-east-1"))
    others = refused(aws.invoke, FunctionName=arn(made).replace(ACCOUNT, "1" * 12))
    twice = refused(aws.invoke, FunctionName=f"{made}:1", Qualifier="2")
    deep = refused(aws.invoke, FunctionName=made, Payload=b"[" * 1000 + b"]" * 1000)
    no_text = refused(aws.invoke, FunctionName=made, Payload=b'"\xff"')

    assert not_json[:2] == deep[:2] == no_text[:2] == ("InvalidRequestContentException", 400)
    assert elsewhere[2] == f"Functions from 'us-east-1' are not reachable in this region ('{REGION}')"
    assert others[:2] == ("AccessDeniedException", 403)
    assert twice[0] == "InvalidParameterValueException"


def test_an_operation_that_is_not_there_says_so_by_its_name(aws):
    code, status, message = refused(aws.list_layers)

    assert (code, status) == ("NotImplementedException", 501)
    assert message.startswith("ListLayers is not implemented")


# Keys


def test_a_key_may_what_its_scopes_say(live, made):
    with Client(live.url, live.token) as grid:
        key = grid.create_key("runner", scopes=["run"], functions=[made], aws=True)
    runner = client(live, Keys(key.access_key_id, key.secret_access_key))
    ran = invoke(runner, made, Payload=b"1")
    deleting = refused(runner.delete_function, FunctionName=made)
    running = refused(runner.invoke, FunctionName="other")

    assert ran["StatusCode"] == 200
    assert deleting[:2] == running[:2] == ("AccessDeniedException", 403)
    assert f"is not authorized to perform: lambda:DeleteFunction on resource: {arn(made)}" in deleting[2]


def test_tenants_have_accounts_of_their_own(live, made):
    with Client(live.url, live.token) as grid:
        key = grid.create_key("acme", scopes=["admin"], tenant="acme", aws=True)
    acme = client(live, Keys(key.access_key_id, key.secret_access_key))
    absent = refused(acme.get_function, FunctionName=made)
    created = create(acme, made, ECHO)

    assert absent[0] == "ResourceNotFoundException"
    assert ACCOUNT not in created["FunctionArn"]
    assert output(acme, created["FunctionArn"], Payload=b"2") == 2


def test_wrong_secrets_unknown_ids_and_revoked_keys_are_refused(live, made):
    with Client(live.url, live.token) as grid:
        key = grid.create_key("short", scopes=["admin"], aws=True)
        wrong = client(live, Keys(key.access_key_id, "nonsense"))
        unknown = client(live, Keys("NGAKNOBODY", key.secret_access_key))
        right = client(live, Keys(key.access_key_id, key.secret_access_key))
        right.get_function(FunctionName=made)
        forged = refused(wrong.get_function, FunctionName=made)
        grid.revoke_key(key.key_id)

    assert forged[:2] == ("InvalidSignatureException", 403)
    assert refused(unknown.get_function, FunctionName=made)[:2] == ("UnrecognizedClientException", 403)
    assert refused(right.get_function, FunctionName=made)[:2] == ("UnrecognizedClientException", 403)


def test_a_presigned_request_is_taken_from_anybody_as_it_was_signed(aws, made):
    url = aws.generate_presigned_url("get_function_configuration", {"FunctionName": made}, ExpiresIn=60)
    longer = url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")

    assert httpx.get(url).json()["FunctionName"] == made
    assert httpx.get(longer).status_code == 403


def test_functions_of_the_grids_own_making_are_there_too(live, aws):
    with Client(live.url, live.token) as grid:
        grid.deploy(ECHO, name="native", runtime="python3")
        ran = output(aws, "native", Payload=b"3")
        told = aws.get_function_configuration(FunctionName="native")
        aws.delete_function(FunctionName="native")

        assert "native" not in [function.name for function in grid.functions()]
    assert (ran, told["Runtime"], told["Role"]) == (3, "python3.11", "")
