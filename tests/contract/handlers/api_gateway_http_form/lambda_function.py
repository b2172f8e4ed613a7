import base64
import json
from urllib.parse import parse_qs


def lambda_handler(event, context):
    method = event["requestContext"]["http"]["method"]
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode("utf-8")
    form = {key: values[0] for key, values in parse_qs(body).items()}
    session = next((c.split("=", 1)[1] for c in event.get("cookies", []) if c.startswith("session=")), None)
    return {
        "statusCode": 201,
        "headers": {"content-type": "application/json; charset=utf-8", "location": f"/orders/{form['product']}"},
        "cookies": [f"session={session}; HttpOnly; Secure; Path=/"],
        "body": json.dumps({"route": event["routeKey"], "method": method, "order": form}, ensure_ascii=False),
    }
