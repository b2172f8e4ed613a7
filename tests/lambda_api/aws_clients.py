"""boto3 as anybody uses it, and a check that every answer is what Lambda's service model says, and nothing else."""

import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

REGION = "eu-central-1"
ACCOUNT = "000000000000"
ROLE = "arn:aws:iam::000000000000:role/any"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (float, int),
    "float": (float, int),
    "boolean": (bool,),
    "timestamp": (float, int),
    "blob": (str,),
}


@dataclass
class Keys:
    access_key_id: str
    secret: str


@dataclass
class Live:
    """A started grid: its address, the owner's token, and an admin's key that signs."""

    url: str
    token: str
    keys: Keys
    clients: list[Any] = field(default_factory=list)

    def close(self) -> None:
        for one in self.clients:
            one.close()


def client(live: Live, keys: Keys | None = None, **options: Any) -> Any:
    """boto3's client for Lambda, which only learns where the grid is."""
    keys = keys or live.keys
    config = Config(retries={"total_max_attempts": 1}, read_timeout=60, **options)
    made = boto3.client(
        "lambda",
        endpoint_url=live.url,
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret,
        config=config,
    )
    live.clients.append(made)
    made.meta.events.register("before-parse.lambda", check_answer)
    return made


def check_answer(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    """Every member of an answer is in the model, and of its type and form."""
    status, output = response_dict["status_code"], operation_model.output_shape
    if status >= 300:
        check_error(operation_model, response_dict)
        return
    # The model's code is not always what the service sends.
    assert status in (operation_model.http.get("responseCode", 200), 202, 204)
    if output is None or output.serialization.get("payload"):
        return
    body = response_dict["body"]
    check(output, json.loads(body) if body else {}, operation_model.name)


def check_error(operation_model: OperationModel, response_dict: dict[str, Any]) -> None:
    """An error has a name that the model knows, its status, and the members of its shape; or comes before Lambda."""
    name, body = response_dict["headers"]["x-amzn-errortype"], json.loads(response_dict["body"])
    shape = next((one for one in operation_model.service_model.error_shapes if one.name == name), None)
    if shape is None:
        assert set(body) == {"message"} or set(body) == {"Message"}
        return
    assert response_dict["status_code"] == shape.metadata["error"]["httpStatusCode"], name
    check(shape, body, name)


def check(shape: Shape, value: Any, path: str) -> None:
    """The value has no member that the shape has not, and none of another type, or out of its constraints."""
    if isinstance(shape, StructureShape):
        assert isinstance(value, dict), path
        members = {
            member.serialization.get("name", name): member
            for name, member in shape.members.items()
            if "location" not in member.serialization
        }
        assert set(value) <= set(members), f"{path} has {set(value) - set(members)}"
        for name, item in value.items():
            check(members[name], item, f"{path}.{name}")
    elif isinstance(shape, ListShape):
        assert isinstance(value, list), path
        for item in value:
            check(shape.member, item, f"{path}[]")
    elif isinstance(shape, MapShape):
        assert isinstance(value, dict), path
        for key, item in value.items():
            check(shape.key, key, f"{path}{{}}")
            check(shape.value, item, f"{path}{{}}")
    else:
        check_scalar(shape, value, path)


def check_scalar(shape: Shape, value: Any, path: str) -> None:
    assert isinstance(value, _TYPES[shape.type_name]), f"{path} is {value!r}"
    assert isinstance(value, bool) is (shape.type_name == "boolean"), path
    if "enum" in shape.metadata:
        assert value in shape.metadata["enum"], f"{path} is {value!r}"
    # Python knows no classes such as \p{L}.
    pattern = shape.metadata.get("pattern", "")
    if isinstance(value, str) and value and pattern and "\\p" not in pattern:
        assert re.fullmatch(pattern, value), f"{path} is {value!r}"


def zipped(source: str, name: str = "main.py") -> bytes:
    """An archive of one file."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), source)
    return held.getvalue()


def create(aws: Any, name: str, source: str, **members: Any) -> dict[str, Any]:
    """A function as `create_function` makes it."""
    members = {"Runtime": "python3.11", "Handler": "main.handler", "Role": ROLE} | members
    return aws.create_function(FunctionName=name, Code={"ZipFile": zipped(source)}, **members)


def invoke(aws: Any, name: str, **members: Any) -> dict[str, Any]:
    """The answer of `invoke`, its payload read."""
    answer = aws.invoke(FunctionName=name, **members)
    answer["Payload"] = answer["Payload"].read()
    return answer


def output(aws: Any, name: str, **members: Any) -> Any:
    """What a function returned, or its error."""
    return json.loads(invoke(aws, name, **members)["Payload"])


def arn(name: str) -> str:
    """The ARN of a function of the default tenant."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def refused(call: Any, /, **members: Any) -> tuple[str, int, str]:
    """Name, status and message of the error that the call raises."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]
