"""The emulated AWS knows the types that MiniStack lacks."""

import asyncio
import json

import boto3
import pytest

from nanogrid.cloud.emulator import EmulatedAws, open_emulator
from nanogrid.errors import PlatformError

_NETWORK = {
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
    "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.1.0/24"}},
    "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
    "Gateway": {
        "Type": "AWS::EC2::NatGateway",
        "Properties": {"SubnetId": {"Ref": "Subnet"}, "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}},
    },
}


def test_a_stack_gets_its_nat_gateway_and_its_address_and_gives_both_back(aws: EmulatedAws, boto: boto3.Session):
    cloudformation = boto.client("cloudformation", endpoint_url=aws.endpoint)
    ec2 = boto.client("ec2", endpoint_url=aws.endpoint)
    cloudformation.create_stack(StackName="net", TemplateBody=json.dumps({"Resources": _NETWORK}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="net", WaiterConfig={"Delay": 1})

    (gateway,) = ec2.describe_nat_gateways()["NatGateways"]
    assert gateway["State"] == "available"
    assert len(ec2.describe_addresses()["Addresses"]) == 1

    cloudformation.delete_stack(StackName="net")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="net", WaiterConfig={"Delay": 1})
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    assert ec2.describe_addresses()["Addresses"] == []


async def _open_in(folder):
    async with open_emulator(folder):
        pass


def test_an_emulator_that_cannot_start_says_why(tmp_path):
    # Its own package is found first in the working folder.
    (tmp_path / "ministack.py").write_text("raise SystemExit('broken on purpose')\n")

    with pytest.raises(PlatformError, match="broken on purpose"):
        asyncio.run(_open_in(tmp_path))
