import base64
import gzip
import json


def lambda_handler(event, context):
    payload = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    if payload["messageType"] == "CONTROL_MESSAGE":
        return {"group": None, "errors": []}
    errors = [e["message"].strip() for e in payload["logEvents"] if e["message"].startswith("ERROR")]
    return {"group": payload["logGroup"], "errors": errors}
