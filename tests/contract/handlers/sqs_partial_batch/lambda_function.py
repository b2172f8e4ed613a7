import json
import logging

logger = logging.getLogger(__name__)


def process(order):
    if order["amount"] <= 0:
        raise ValueError(f"amount of {order['id']} is {order['amount']}")


def lambda_handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(json.loads(record["body"]))
        except (ValueError, KeyError):
            logger.exception("message %s goes back to the queue", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
