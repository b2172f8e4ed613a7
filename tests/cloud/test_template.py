"""What the stack's template says, read off the template itself: also what no emulator applies."""

import json
from ipaddress import ip_network
from typing import Any

import pytest

from nanogrid.backends.aws import tables
from nanogrid.cloud.control_plane.assignment import DISPATCHER, RESOURCE_MANAGER, route_keys
from nanogrid.cloud.control_plane.scheduling import WITHIN_S, is_tick
from nanogrid.cloud.stack import VAULT_KEY, code_bucket, template, template_for
from stack_template import RESOURCES, listed, may, of_type, parsed, properties, statements

_FUNCTIONS = ["FunctionsTable.Arn"]
_RUNS = ["RunsTable.Arn"]
_GROUP = (
    "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}:autoScalingGroup:*"
    ":autoScalingGroupName/nanogrid-worker-asg"
)
#: Narrowed down to one key by its alias, see `test_only_the_vaults_key_serves_and_only_for_secrets`.
_KEYS = "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"
_PAYLOADS = ["${CodeBucket.Arn}/payloads/*"]
_PAYLOADS_AND_ARTIFACTS = [*_PAYLOADS, "${CodeBucket.Arn}/artifacts/*"]


def test_it_goes_into_one_call():
    assert len(template().encode()) < 51_200


def test_the_bucket_is_named_for_its_account_literally_so_that_it_can_be_taken_back():
    text = template_for("111122223333", "eu-west-1")

    assert f"BucketName: {code_bucket('111122223333', 'eu-west-1')}\n" in text
    assert "123456789012" not in text


@pytest.mark.parametrize(
    ("resource", "field", "name"),
    [
        ("HttpApi", "Name", "nanogrid-api"),
        ("ResourceManager", "FunctionName", RESOURCE_MANAGER),
        ("Dispatcher", "FunctionName", DISPATCHER),
        ("FunctionsTable", "TableName", "NanoGridFunctions"),
        ("RunsTable", "TableName", "NanoGridRuns"),
        ("TaskQueue", "QueueName", "nanogrid-task-queue"),
        ("Redis", "ReplicationGroupId", "nanogrid-redis"),
        ("WorkerAsg", "AutoScalingGroupName", "nanogrid-worker-asg"),
        ("WorkerDrainHook", "LifecycleHookName", "nanogrid-worker-drain"),
    ],
)
def test_every_resource_has_its_name(resource, field, name):
    assert properties(resource)[field] == name


def test_the_bucket_begins_with_its_name():
    assert properties("CodeBucket")["BucketName"].startswith("nanogrid-code-bucket-")


# The network


@pytest.mark.parametrize(
    ("resource", "name", "block"),
    [
        ("Vpc", "nanogrid-vpc", "10.0.0.0/16"),
        ("PublicSubnet", "nanogrid-public", "10.0.1.0/24"),
        ("PrivateAppSubnet", "nanogrid-private-app", "10.0.10.0/24"),
        ("PrivateDataSubnet", "nanogrid-private-data", "10.0.20.0/24"),
    ],
)
def test_every_network_has_its_name_and_its_addresses(resource, name, block):
    found = properties(resource)

    assert (found["Tags"], found["CidrBlock"]) == ([{"Key": "Name", "Value": name}], block)
    assert ip_network(block).subnet_of(ip_network("10.0.0.0/16"))


def test_only_the_public_subnet_has_a_way_in_and_the_others_leave_by_nat():
    ways = {
        (one["SubnetId"]["Ref"], one["RouteTableId"]["Ref"])
        for one in of_type("AWS::EC2::SubnetRouteTableAssociation").values()
    }

    assert ways == {
        ("PublicSubnet", "PublicRouteTable"),
        ("PrivateAppSubnet", "PrivateRouteTable"),
        ("PrivateDataSubnet", "PrivateRouteTable"),
    }
    assert properties("PublicDefaultRoute")["GatewayId"] == {"Ref": "InternetGateway"}
    assert properties("PrivateDefaultRoute")["NatGatewayId"] == {"Ref": "NatGateway"}
    assert properties("NatGateway")["SubnetId"] == {"Ref": "PublicSubnet"}
    assert not any(one.get("MapPublicIpOnLaunch") for one in of_type("AWS::EC2::Subnet").values())


def test_lambdas_workers_and_redis_are_where_the_picture_has_them():
    for name in ("ResourceManager", "Dispatcher"):
        assert properties(name)["VpcConfig"]["SubnetIds"] == [{"Ref": "PrivateAppSubnet"}]
    assert properties("WorkerAsg")["VPCZoneIdentifier"] == [{"Ref": "PrivateDataSubnet"}]
    assert properties("RedisSubnetGroup")["SubnetIds"] == [{"Ref": "PrivateDataSubnet"}]


def test_nobody_can_open_a_connection_to_lambdas_or_workers():
    for name, group in of_type("AWS::EC2::SecurityGroup").items():
        sources = {rule["SourceSecurityGroupId"]["Ref"] for rule in group.get("SecurityGroupIngress", [])}
        expected: dict[str, set[str]] = {
            "RedisSecurityGroup": {"DispatcherSecurityGroup", "WorkerSecurityGroup"},
            "EndpointSecurityGroup": {
                "ResourceManagerSecurityGroup",
                "DispatcherSecurityGroup",
                "WorkerSecurityGroup",
            },
        }
        assert sources == expected.get(name, set()), name


def test_no_group_may_send_whatever_it_likes():
    for name, group in of_type("AWS::EC2::SecurityGroup").items():
        assert group["SecurityGroupEgress"], name
        assert all(rule["IpProtocol"] != "-1" for rule in group["SecurityGroupEgress"]), name
    reached = {rule["CidrIp"] for rule in properties("RedisSecurityGroup")["SecurityGroupEgress"]}
    assert reached == {"10.0.20.0/24"}


@pytest.mark.parametrize(
    ("endpoint", "kind", "service"),
    [("S3Endpoint", "Gateway", "s3"), ("DynamoDbEndpoint", "Gateway", "dynamodb"), ("SqsEndpoint", "Interface", "sqs")],
)
def test_stores_are_reached_without_the_internet(endpoint, kind, service):
    found = properties(endpoint)

    assert (found["VpcEndpointType"], found["ServiceName"]) == (
        kind,
        {"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service}"},
    )
    if kind == "Gateway":
        assert found["RouteTableIds"] == [{"Ref": "PrivateRouteTable"}]


def test_endpoints_let_through_only_this_account_to_its_own_and_the_packages_of_the_workers_system():
    for name, endpoint in of_type("AWS::EC2::VPCEndpoint").items():
        for statement in endpoint["PolicyDocument"]["Statement"]:
            if statement["Sid"] == "PackagesOfAmazonLinux":
                assert statement["Action"] == "s3:GetObject"
                assert "al2023-repos-" in statement["Resource"]["Fn::Sub"]
                continue
            condition = {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
            assert statement["Condition"] == condition, name
            assert "*" not in listed(statement["Resource"])


# The stores


@pytest.mark.parametrize(("resource", "table"), [("FunctionsTable", tables.FUNCTIONS), ("RunsTable", tables.RUNS)])
def test_tables_have_the_keys_that_the_backend_relies_on(resource, table):
    found = properties(resource)

    expected = tables.creation(table, found["TableName"])
    assert {name: found[name] for name in expected} == expected
    if table.ttl_attribute:
        assert found["TimeToLiveSpecification"] == {"AttributeName": table.ttl_attribute, "Enabled": True}
    else:
        assert "TimeToLiveSpecification" not in found


@pytest.mark.parametrize("resource", ["FunctionsTable", "RunsTable"])
def test_tables_are_encrypted_and_can_be_restored_to_any_second_of_the_last_weeks(resource):
    assert properties(resource)["SSESpecification"] == {"SSEEnabled": True}
    assert properties(resource)["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("resource", ["FunctionsTable", "RunsTable", "CodeBucket"])
def test_data_outlives_the_stack_but_not_a_first_deploy_that_failed(resource):
    assert RESOURCES[resource]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[resource]["UpdateReplacePolicy"] == "Retain"


def test_nothing_but_data_outlives_the_stack():
    kept = {name for name, one in RESOURCES.items() if one.get("DeletionPolicy", "Delete") != "Delete"}

    assert kept == {"FunctionsTable", "RunsTable", "CodeBucket"}


def test_the_code_bucket_is_closed_encrypted_and_forgets_payloads_after_the_runs_that_had_them():
    bucket = properties("CodeBucket")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rules["payloads"] == {
        "Id": "payloads",
        "Status": "Enabled",
        "Prefix": tables.PAYLOAD_PREFIX,
        "ExpirationInDays": tables.PAYLOAD_DAYS,
    }
    assert tables.PAYLOAD_DAYS * 86_400 > tables.RUN_KEPT_S
    assert rules["uploads"] == {
        "Id": "uploads",
        "Status": "Enabled",
        "Prefix": tables.UPLOAD_PREFIX,
        "ExpirationInDays": tables.UPLOAD_DAYS,
        "NoncurrentVersionExpiration": {"NoncurrentDays": tables.UPLOAD_DAYS},
    }
    assert rules["artifacts"] == {
        "Id": "artifacts",
        "Status": "Enabled",
        "Prefix": tables.ARTIFACT_PREFIX,
        "ExpirationInDays": tables.ARTIFACT_DAYS,
    }
    assert min(tables.PAYLOAD_DAYS, tables.ARTIFACT_DAYS) * 86_400 > tables.RUN_KEPT_S
    (statement,) = properties("CodeBucketPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_queues_are_encrypted_and_the_dead_letter_queue_keeps_longer():
    queue, dead = properties("TaskQueue"), properties("DeadLetterQueue")

    assert queue["SqsManagedSseEnabled"]
    assert dead["SqsManagedSseEnabled"]
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        "maxReceiveCount": tables.MAX_RECEIVES,
    }
    assert dead["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]


def test_redis_is_encrypted_at_rest_and_on_the_way():
    redis = properties("Redis")

    assert redis["AtRestEncryptionEnabled"] is True
    assert redis["TransitEncryptionEnabled"] == {"Ref": "RedisTls"}
    assert redis["SecurityGroupIds"] == [{"Ref": "RedisSecurityGroup"}]


# The control plane


def test_the_http_api_has_every_route_of_the_api_and_each_leads_to_its_lambda():
    found = {}
    for route in of_type("AWS::ApiGatewayV2::Route").values():
        integration = route["Target"]["Fn::Sub"].removeprefix("integrations/${").removesuffix("Integration}")
        found[route["RouteKey"]] = properties(integration)["FunctionName"]

    assert found == route_keys()


def test_lambdas_speak_payload_format_2_and_end_before_the_api_gives_up():
    for name in ("ResourceManager", "Dispatcher"):
        integration = properties(f"{name}Integration")
        assert integration["PayloadFormatVersion"] == "2.0"
        assert integration["IntegrationUri"] == {"Fn::GetAtt": [name, "Arn"]}
        assert 25 < properties(name)["Timeout"] < integration["TimeoutInMillis"] / 1000


def test_both_lambdas_are_told_the_same():
    told = [properties(name)["Environment"]["Variables"] for name in ("ResourceManager", "Dispatcher")]

    assert told[0] == told[1]


def test_the_dispatcher_is_asked_every_minute_what_is_due_and_a_tick_that_fails_is_not_repeated():
    rule = properties("ScheduleTick")
    (target,) = rule["Targets"]

    assert (rule["ScheduleExpression"], rule["State"]) == ("cron(* * * * ? *)", "ENABLED")
    assert target["Arn"] == {"Fn::GetAtt": ["Dispatcher", "Arn"]}
    assert is_tick(json.loads(target["Input"]))
    assert properties("ScheduleTickPermission")["SourceArn"] == {"Fn::GetAtt": ["ScheduleTick", "Arn"]}
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert properties("ScheduleTickRetries")["MaximumRetryAttempts"] == 0
    assert properties("Dispatcher")["Timeout"] - 5 > WITHIN_S


def test_every_log_group_forgets():
    groups = of_type("AWS::Logs::LogGroup")

    assert len(groups) == 4
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


# The workers


def test_workers_show_their_credentials_to_nobody_beyond_one_hop():
    data = properties("WorkerLaunchTemplate")["LaunchTemplateData"]

    assert data["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    assert all(device["Ebs"]["Encrypted"] for device in data["BlockDeviceMappings"])
    assert "KeyName" not in data


def test_there_are_one_to_five_workers_and_an_update_leaves_their_number_alone():
    group = properties("WorkerAsg")

    assert (group["MinSize"], group["MaxSize"]) == ("1", "5")
    assert "DesiredCapacity" not in group


@pytest.mark.parametrize(
    ("alarm", "comparison", "threshold", "policy", "step"),
    [
        ("BacklogAlarm", "GreaterThanOrEqualToThreshold", 10, "ScaleOutPolicy", 1),
        ("IdleAlarm", "LessThanOrEqualToThreshold", 0, "ScaleInPolicy", -1),
    ],
)
def test_ten_waiting_tasks_add_a_worker_and_none_removes_one(alarm, comparison, threshold, policy, step):
    found = properties(alarm)

    assert (found["Namespace"], found["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert (found["ComparisonOperator"], found["Threshold"]) == (comparison, threshold)
    assert found["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["TaskQueue", "QueueName"]}}]
    assert found["AlarmActions"] == [{"Ref": policy}]
    assert properties(policy)["PolicyType"] == "StepScaling"
    assert [one["ScalingAdjustment"] for one in properties(policy)["StepAdjustments"]] == [step]


def test_a_worker_is_asked_to_drain_before_it_ends():
    hook = properties("WorkerDrainHook")

    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert 120 <= hook["HeartbeatTimeout"] <= 7200


def test_a_worker_needs_nothing_but_s3_to_start():
    script = properties("WorkerLaunchTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"][0]
    programs = {line.split()[0] for line in script.splitlines() if line and line[0].islower()}

    assert programs == {"set", "trap", "dnf", "mkdir", "aws", "cat"}
    assert "http://" not in script
    assert "https://" not in script


# Who may do what

#: Everything that a worker's credentials can do: a leaked one can do this, and nothing else.
WORKER_MAY: dict[str, list[str]] = {
    "dynamodb:GetItem": [*_FUNCTIONS, *_RUNS],
    "dynamodb:BatchGetItem": _FUNCTIONS,
    "dynamodb:PutItem": _RUNS,
    "dynamodb:UpdateItem": _RUNS,
    "dynamodb:DeleteItem": _RUNS,
    "dynamodb:ConditionCheckItem": _RUNS,
    "sqs:ReceiveMessage": ["TaskQueue.Arn", "DeadLetterQueue.Arn"],
    "sqs:DeleteMessage": ["TaskQueue.Arn", "DeadLetterQueue.Arn"],
    "sqs:ChangeMessageVisibility": ["TaskQueue.Arn", "DeadLetterQueue.Arn"],
    "sqs:GetQueueAttributes": ["TaskQueue.Arn", "DeadLetterQueue.Arn"],
    "sqs:SendMessage": ["TaskQueue.Arn"],
    "s3:GetObject": ["${CodeBucket.Arn}/*", "arn:${AWS::Partition}:s3:::${ArtifactBucket}/worker/*"],
    "s3:PutObject": _PAYLOADS_AND_ARTIFACTS,
    "s3:DeleteObject": _PAYLOADS,
    "kms:Decrypt": [_KEYS],
    "logs:CreateLogStream": ["WorkerLogs.Arn"],
    "logs:PutLogEvents": ["WorkerLogs.Arn"],
    "logs:DescribeLogStreams": ["WorkerLogs.Arn"],
    **{
        f"autoscaling:{action}": [_GROUP]
        for action in ("CompleteLifecycleAction", "RecordLifecycleActionHeartbeat", "SetInstanceProtection")
    },
}


def test_a_leaked_credential_of_a_worker_can_do_this_and_nothing_else():
    actions = {action for one in statements("WorkerRole") for action in listed(one["Action"])}

    assert {action: may("WorkerRole", action) for action in actions} == WORKER_MAY


@pytest.mark.parametrize(
    "action",
    [
        "dynamodb:Scan",
        "dynamodb:DeleteTable",
        "s3:ListBucket",
        "ssm:GetParameter",
        "iam:PassRole",
        "ec2:RunInstances",
        "lambda:InvokeFunction",
        "sqs:PurgeQueue",
        "kms:Encrypt",
        "kms:ReEncryptFrom",
    ],
)
def test_no_worker_may(action):
    assert may("WorkerRole", action) == []


def test_a_worker_may_change_neither_functions_nor_code():
    assert "FunctionsTable.Arn" not in [
        *may("WorkerRole", "dynamodb:PutItem"),
        *may("WorkerRole", "dynamodb:UpdateItem"),
    ]
    assert may("WorkerRole", "s3:PutObject") == _PAYLOADS_AND_ARTIFACTS


def test_the_dispatcher_may_change_schedules_but_no_function_and_read_no_code():
    (schedules,) = (one for one in statements("DispatcherRole") if one["Sid"] == "Schedules")

    assert may("DispatcherRole", "dynamodb:UpdateItem") == ["RunsTable.Arn", "${RunsTable.Arn}/index/*"]
    assert schedules["Resource"] == {"Fn::GetAtt": ["FunctionsTable", "Arn"]}
    # Keys, aliases and functions lie in the same table, under other keys.
    assert schedules["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["record#schedule", "record#agenda"]}
    }
    assert may("DispatcherRole", "s3:GetObject") == _PAYLOADS_AND_ARTIFACTS
    assert may("DispatcherRole", "sqs:ReceiveMessage") == []


def test_only_the_resource_manager_removes_code_and_only_version_by_version():
    assert may("ResourceManagerRole", "s3:DeleteObjectVersion") == ["${CodeBucket.Arn}/*"]
    assert may("ResourceManagerRole", "s3:DeleteObject") == []
    for role in ("WorkerRole", "DispatcherRole"):
        assert may(role, "s3:DeleteObjectVersion") == []


def test_the_resource_manager_may_run_nothing():
    assert may("ResourceManagerRole", "sqs:SendMessage") == []
    assert may("ResourceManagerRole", "dynamodb:UpdateItem") == ["FunctionsTable.Arn", "${FunctionsTable.Arn}/index/*"]


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("WorkerRole", {"kms:Decrypt"}),
        ("ResourceManagerRole", {"kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}),
        ("DispatcherRole", set()),
    ],
)
def test_workers_open_secrets_the_resource_manager_seals_them_and_neither_can_do_both(role, actions):
    found = {action for one in statements(role) for action in listed(one["Action"]) if action.startswith("kms:")}

    assert found == actions


@pytest.mark.parametrize(("role", "sid"), [("WorkerRole", "OpenSecrets"), ("ResourceManagerRole", "SealSecrets")])
def test_only_the_vaults_key_serves_and_only_for_secrets(role, sid):
    (statement,) = [one for one in statements(role) if one["Sid"] == sid]

    assert statement["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": {"Ref": "VaultKey"}},
        "StringLike": {"kms:EncryptionContext:nanogrid-secret": "?*"},
    }
    assert parsed()["Parameters"]["VaultKey"]["Default"] == VAULT_KEY


def test_a_worker_is_told_the_same_key_as_the_lambdas():
    script = properties("WorkerLaunchTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"][0]
    told = properties("ResourceManager")["Environment"]["Variables"]["NANOGRID_VAULT_KEY"]

    assert "NANOGRID_VAULT_KEY=${VaultKey}\n" in script
    assert told == {"Ref": "VaultKey"}


def test_no_policy_has_a_star_that_aws_lets_one_avoid():
    for role in of_type("AWS::IAM::Role"):
        for statement in statements(role):
            assert not any("*" in action for action in listed(statement["Action"])), role
            if statement["Resource"] == "*":
                # Lambda makes its interfaces with the role, and AWS gives that no resource. Its code is denied them.
                assert statement["Sid"] in {"NetworkForLambda", "NotForItsCode"}


def test_no_role_has_a_policy_of_somebody_else():
    assert not any("ManagedPolicyArns" in role for role in of_type("AWS::IAM::Role").values())


def test_every_exception_from_the_security_linter_has_its_reason():
    skipped: list[dict[str, Any]] = [
        skip for one in RESOURCES.values() for skip in one.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]

    assert skipped
    assert all(len(skip["comment"]) > 20 for skip in skipped)
