import json
import urllib.error
import urllib.request


def send(event, context, status, data, physical_id):
    body = {
        "Status": status,
        "Reason": f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
        "PhysicalResourceId": physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": data,
    }
    request = urllib.request.Request(
        event["ResponseURL"], json.dumps(body).encode(), {"content-type": ""}, method="PUT"
    )
    try:
        urllib.request.urlopen(request, timeout=3)
    except (urllib.error.URLError, OSError) as error:
        print("send(..) failed executing urlopen(..):", error)
    return {key: body[key] for key in ("Status", "PhysicalResourceId", "Data")}


def lambda_handler(event, context):
    properties = event["ResourceProperties"]
    physical_id = event.get("PhysicalResourceId") or f"{event['LogicalResourceId']}-{properties['Name']}"
    if event["RequestType"] == "Delete":
        return send(event, context, "SUCCESS", {}, physical_id)
    return send(event, context, "SUCCESS", {"Subnets": ",".join(sorted(properties["List"]))}, physical_id)
