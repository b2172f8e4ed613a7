"""A change of the stack that fails is rolled back, and says why; a stack that cannot be changed is left alone."""

import json

import boto3
import pytest

from nanogrid.cloud.deployment.account import Account
from nanogrid.cloud.deployment.stacks import Stacks
from nanogrid.cloud.emulator import EmulatedAws
from nanogrid.errors import PlatformError


def _template(*, broken: bool) -> str:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "some-queue"}}
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "a-taken-name"}}
    return json.dumps({"Resources": {"Queue": queue, **({"Bucket": bucket} if broken else {})}})


@pytest.fixture
def stacks(aws: EmulatedAws, boto: boto3.Session):
    made = Stacks(Account(boto, aws.region, endpoint_url=aws.endpoint), lambda _: None)
    yield made
    list(made.delete())


def test_a_change_that_fails_is_rolled_back_and_the_error_says_why(aws, boto, stacks):
    s3 = boto.client("s3", endpoint_url=aws.endpoint)
    list(stacks.execute(stacks.plan(_template(broken=False), {}, name="first")))
    plan = stacks.plan(_template(broken=True), {}, name="second")
    s3.create_bucket(Bucket="a-taken-name", CreateBucketConfiguration={"LocationConstraint": aws.region})

    with pytest.raises(PlatformError, match="UPDATE_ROLLBACK_COMPLETE") as refused:
        list(stacks.execute(plan))
    s3.delete_bucket(Bucket="a-taken-name")

    assert [(change.action, change.name) for change in plan.changes] == [("Add", "Bucket")]
    assert "a-taken-name already exists" in str(refused.value)
    assert stacks.plan(_template(broken=False), {}, name="third") is None


def test_a_plan_that_is_thrown_away_leaves_no_stack(stacks):
    stacks.discard(stacks.plan(_template(broken=False), {}, name="first"))

    assert stacks.state() is None
