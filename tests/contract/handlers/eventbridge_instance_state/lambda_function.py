STATES = {"stopped": "warn", "terminated": "alarm"}


def lambda_handler(event, context):
    if event["source"] != "aws.ec2" or event["detail-type"] != "EC2 Instance State-change Notification":
        return None
    detail = event["detail"]
    level = STATES.get(detail["state"], "info")
    return f"[{level}] {detail['instance-id']} in {event['region']} is {detail['state']} since {event['time']}"
