import logging
import os
from datetime import datetime, timedelta, timezone

logger = logging.getLogger()
logger.setLevel(os.environ.get("LOG_LEVEL", "INFO"))


def lambda_handler(event, context):
    at = datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    rule = event["resources"][0].rsplit("/", 1)[1]
    logger.info("Rule %s started %s (%s MB)", rule, context.function_name, context.memory_limit_in_mb)
    is_mine = (
        context.invoked_function_arn.split(":")[6] == context.function_name == os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    )
    return {
        "delete_before": (at - timedelta(days=30)).isoformat(),
        "rule": rule,
        "mine": is_mine,
        "id": bool(context.aws_request_id),
    }
