import os
import urllib.parse
from datetime import datetime

print("Loading function")


def lambda_handler(event, context):
    thumbnails = []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"], encoding="utf-8")
        if not record["eventName"].startswith("ObjectCreated:"):
            continue
        stem, extension = os.path.splitext(key)
        taken = datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%S.%fZ")
        thumbnails.append(f"s3://{bucket}-thumbnails/{taken:%Y/%m}/{stem}-128{extension.lower()}")
    print(f"{len(thumbnails)} thumbnail(s), {context.get_remaining_time_in_millis() > 0}")
    return thumbnails
