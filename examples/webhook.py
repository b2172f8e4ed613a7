"""A web hook that trusts nobody: checks the sender's HMAC signature before it reads the body.

The shared secret comes from the function's environment: `nanogrid deploy examples/webhook.py --env SECRET=...`.
"""

import hashlib
import hmac
import json
import os


def handler(event, context):
    body = event["body"]
    expected = hmac.new(os.environ["SECRET"].encode(), body.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest("sha256=" + expected, event["headers"].get("x-signature-256", "")):
        return {"statusCode": 401, "body": "wrong signature"}
    order = json.loads(body)
    return {"statusCode": 200, "body": f"order {order['id']} over {order['total']:.2f} accepted"}
