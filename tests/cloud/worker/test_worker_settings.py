"""The settings of a worker that only matter on an instance."""

import pytest

from nanogrid.cloud.worker.settings import InstanceSettings
from nanogrid.errors import ConfigError


def test_every_setting_has_a_variable_and_the_metadata_have_awss_own():
    settings = InstanceSettings.from_environment(
        {
            "NANOGRID_AUTO_SCALING_GROUP": "a-group",
            "NANOGRID_LIFECYCLE_HOOK": "a-hook",
            "NANOGRID_HEALTH_PORT": "0",
            "NANOGRID_IDLE_S": "2.5",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1234/i-1/",
        }
    )

    assert settings == InstanceSettings(
        auto_scaling_group="a-group",
        lifecycle_hook="a-hook",
        health_port=0,
        idle_s=2.5,
        metadata_url="http://127.0.0.1:1234/i-1",
    )


def test_disabled_metadata_are_not_asked():
    assert InstanceSettings.from_environment({"AWS_EC2_METADATA_DISABLED": "true"}).metadata_url == ""


def test_a_wrong_value_is_an_error_that_names_it():
    with pytest.raises(ConfigError, match="healthPort"):
        InstanceSettings.from_environment({"NANOGRID_HEALTH_PORT": "many"})
