import base64
import json
from collections import Counter


def lambda_handler(event, context):
    pages = Counter()
    for record in event["Records"]:
        try:
            pages[json.loads(base64.b64decode(record["kinesis"]["data"]))["page"]] += 1
        except ValueError:
            # The stream resumes from the first record that failed.
            return {"batchItemFailures": [{"itemIdentifier": record["kinesis"]["sequenceNumber"]}], "pages": pages}
    return {"batchItemFailures": [], "pages": pages}
