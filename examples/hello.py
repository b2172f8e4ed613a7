"""The smallest function: `nanogrid deploy examples/hello.py && nanogrid run hello --input '{"name": "Ada"}'`."""


def handler(event, context):
    name = event.get("name", "world")
    print(f"greeting {name} in run {context.aws_request_id}")
    return {"greeting": f"Hello, {name}!"}
