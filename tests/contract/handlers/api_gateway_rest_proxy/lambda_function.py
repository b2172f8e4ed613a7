import json
import logging

logger = logging.getLogger()
logger.setLevel(logging.INFO)

ITEMS = {"1": {"id": "1", "title": "Espresso"}, "2": {"id": "2", "title": "Ristretto"}}


def respond(status, body):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def lambda_handler(event, context):
    logger.info("%s %s from %s", event["httpMethod"], event["path"], event["requestContext"]["identity"]["sourceIp"])
    item_id = (event.get("pathParameters") or {}).get("id")
    fields = (event.get("multiValueQueryStringParameters") or {}).get("field", [])
    if event["httpMethod"] != "GET":
        return respond(405, {"message": "Method Not Allowed"})
    item = ITEMS.get(item_id)
    if item is None:
        return respond(404, {"message": f"No item {item_id}"})
    return respond(200, {key: value for key, value in item.items() if not fields or key in fields})
