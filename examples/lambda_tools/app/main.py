"""A function as it would be deployed to AWS Lambda; nothing in it knows where it runs."""

import os


def handler(event, context):
    print("greeting", event["name"])
    return {
        "greeting": f"{os.environ.get('WORD', 'Hello')}, {event['name']}!",
        "version": context.function_version,
        "request": context.aws_request_id,
    }
