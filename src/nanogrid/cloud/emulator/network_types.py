"""Elastic addresses and NAT gateways as CloudFormation types: MiniStack has their APIs, not their types."""

import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

Properties = Mapping[str, Any]
#: What is done to make a resource: physical id and attributes come back.
Create = Callable[[str, Properties, str], tuple[str, dict[str, str]]]
Delete = Callable[[str, Properties], None]
Handler = dict[str, Create | Delete]


def network_types(ec2: ModuleType) -> dict[str, Handler]:
    """The handlers by type, over this module of MiniStack."""
    return {"AWS::EC2::EIP": _address(ec2), "AWS::EC2::NatGateway": _nat_gateway(ec2)}


def _address(ec2: ModuleType) -> Handler:
    def create(_logical_id: str, properties: Properties, _stack: str) -> tuple[str, dict[str, str]]:
        answer = ec2._allocate_address({"Domain": [properties.get("Domain", "vpc")]})  # noqa: SLF001
        ip, allocation = _field("publicIp", answer), _field("allocationId", answer)
        return ip, {"AllocationId": allocation, "PublicIp": ip}

    def delete(ip: str, _properties: Properties) -> None:
        addresses = ec2._addresses  # noqa: SLF001
        for allocation in [key for key, record in addresses.items() if record["PublicIp"] == ip]:
            del addresses[allocation]

    return {"create": create, "delete": delete}


def _nat_gateway(ec2: ModuleType) -> Handler:
    def create(_logical_id: str, properties: Properties, _stack: str) -> tuple[str, dict[str, str]]:
        wanted = {name: [properties[name]] for name in ("SubnetId", "AllocationId") if name in properties}
        gateway = _field("natGatewayId", ec2._create_nat_gateway(wanted))  # noqa: SLF001
        return gateway, {"NatGatewayId": gateway}

    def delete(gateway: str, _properties: Properties) -> None:
        ec2._nat_gateways.pop(gateway, None)  # noqa: SLF001

    return {"create": create, "delete": delete}


def _field(name: str, answer: tuple[int, Any, bytes | str]) -> str:
    """The text of an element in MiniStack's answer. Raises `ValueError` where it has none: it refused."""
    body = answer[2].decode() if isinstance(answer[2], bytes) else answer[2]
    match = re.search(f"<{name}>(.*?)</{name}>", body)
    if match is None:
        raise ValueError(body)
    return match[1]
