"""The stack's template as values, and questions about its policies."""

from fnmatch import fnmatchcase
from typing import Any

import yaml

from nanogrid.cloud.stack import template


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their long ones."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def parsed() -> dict[str, Any]:
    """The whole template."""
    return yaml.load(template(), _Loader)  # noqa: S506 - a SafeLoader


RESOURCES: dict[str, dict[str, Any]] = parsed()["Resources"]


def properties(name: str) -> dict[str, Any]:
    return RESOURCES[name].get("Properties", {})


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == kind}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: str) -> list[dict[str, Any]]:
    """All that a role may or may not do, policy by policy."""
    return [
        statement
        for policy in properties(role)["Policies"]
        for statement in listed(policy["PolicyDocument"]["Statement"])
    ]


def may(role: str, action: str) -> list[str]:
    """On which resources the role may do this, in words of the template."""
    return [
        place(resource)
        for statement in statements(role)
        if statement["Effect"] == "Allow" and any(fnmatchcase(action, known) for known in listed(statement["Action"]))
        for resource in listed(statement["Resource"])
    ]


def place(resource: Any) -> str:
    """A resource in a policy as a short text."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        return ".".join(resource["Fn::GetAtt"])
    return resource["Fn::Sub"]
