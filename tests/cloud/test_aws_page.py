"""docs/aws.md: every resource has a test that exists, and what the page says of the stack is so."""

import re
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse

from nanogrid.cloud.deployment import prices
from stack_template import RESOURCES, parsed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "aws.md").read_text()
COVERAGE = PAGE.split("<!-- coverage -->")[1].split("<!-- /coverage -->")[0]
PICTURE = ROOT / "docs" / "images" / "aws.svg"


@pytest.mark.parametrize("row", [line for line in COVERAGE.splitlines() if "::" in line])
def test_the_test_of_each_resource_and_each_arrow_exists(row):
    file, name = re.search(r"`(tests/[\w/]+\.py)::(\w+)`", row).groups()

    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_every_step_of_the_picture_is_an_arrow_of_the_table():
    steps = {text.text for text in parse(PICTURE).iter() if text.get("class") == "step"}
    arrows = COVERAGE.partition("| arrow |")[2]

    assert len(steps) == 10
    assert {word for word in steps if f"| {word}: " in arrows} == steps


def test_the_picture_has_every_name_of_the_stack():
    text = " ".join(text.text or "" for text in parse(PICTURE).iter())

    for name in ("nanogrid-api", "nanogrid-resource-manager", "nanogrid-dispatcher", "nanogrid-redis", "nanogrid-vpc"):
        assert name in text
    for name in ("NanoGridFunctions", "NanoGridRuns", "nanogrid-task-queue", "nanogrid-worker-asg"):
        assert name in text


def test_every_kind_of_resource_with_a_name_is_in_the_table():
    for kind, word in {
        "AWS::Lambda::Function": "Lambda",
        "AWS::DynamoDB::Table": "DynamoDB",
        "AWS::SQS::Queue": "SQS",
        "AWS::S3::Bucket": "S3",
        "AWS::ElastiCache::ReplicationGroup": "ElastiCache",
        "AWS::EC2::VPCEndpoint": "VPC endpoints",
        "AWS::EC2::SecurityGroup": "security groups",
        "AWS::IAM::Role": "roles",
        "AWS::AutoScaling::LifecycleHook": "lifecycle hook",
        "AWS::CloudWatch::Alarm": "alarms",
        "AWS::Logs::LogGroup": "log groups",
        "AWS::Events::Rule": "EventBridge rule",
    }.items():
        assert any(one["Type"] == kind for one in RESOURCES.values())
        assert f"| {word}" in COVERAGE


def test_the_prices_are_those_of_the_estimate():
    sizes = {name: parsed()["Parameters"][name]["Default"] for name in ("WorkerInstanceType", "RedisNodeType")}
    lines = prices.estimate(sizes["WorkerInstanceType"], sizes["RedisNodeType"], prices.Usage())

    for line in lines:
        if line.what not in ("logs and alarms", "SQS", "S3"):
            assert f"| {line.what} | {line.dollars:.2f} | {line.assumption} |" in PAGE
    assert len(lines) == 11
