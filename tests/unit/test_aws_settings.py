"""Settings of the AWS backend, and the shape of its tables."""

import pytest

from nanogrid.backends.aws import AwsSettings
from nanogrid.backends.aws.tables import FUNCTIONS, RUNS, creation
from nanogrid.errors import ConfigError

ENVIRON = {
    "NANOGRID_CODE_BUCKET": "code",
    "NANOGRID_QUEUE_URL": "https://sqs/1/tasks",
    "NANOGRID_DEAD_LETTER_QUEUE_URL": "https://sqs/1/dead",
    "NANOGRID_REDIS_URL": "rediss://redis:6379",
}


def test_what_is_not_said_has_the_names_of_the_stack():
    settings = AwsSettings.from_environment(ENVIRON)

    assert (settings.functions_table, settings.runs_table) == ("NanoGridFunctions", "NanoGridRuns")
    assert (settings.region, settings.lease_s, settings.endpoint_url) == ("ap-northeast-2", 30.0, "")


def test_what_is_said_counts():
    said = {"NANOGRID_LEASE_S": "12.5", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    settings = AwsSettings.from_environment(ENVIRON | said)

    assert (settings.lease_s, settings.region, settings.endpoint_url) == (12.5, "eu-west-1", "http://127.0.0.1:1")


@pytest.mark.parametrize("name", ENVIRON)
def test_a_missing_variable_is_named(name):
    with pytest.raises(ConfigError, match=name):
        AwsSettings.from_environment({key: value for key, value in ENVIRON.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"), [("NANOGRID_LEASE_S", "soon"), ("NANOGRID_LEASE_S", "0.5"), ("NANOGRID_REDIS_URL", "redis:6379")]
)
def test_an_impossible_value_is_named(name, value):
    with pytest.raises(ConfigError, match=name):
        AwsSettings.from_environment(ENVIRON | {name: value})


@pytest.mark.parametrize("table", [FUNCTIONS, RUNS], ids=lambda table: table.name)
def test_a_creation_request_defines_each_key_once(table):
    request = creation(table, "T")
    defined = [definition["AttributeName"] for definition in request["AttributeDefinitions"]]
    used = {
        key["AttributeName"] for schema in [request, *request["GlobalSecondaryIndexes"]] for key in schema["KeySchema"]
    }

    assert len(defined) == len(set(defined))
    assert set(defined) == used
