import json


def evaluate(item, allowed):
    if item["resourceType"] != "AWS::EC2::Instance":
        return "NOT_APPLICABLE"
    return "COMPLIANT" if item["configuration"]["instanceType"] in allowed else "NON_COMPLIANT"


def lambda_handler(event, context):
    item = json.loads(event["invokingEvent"])["configurationItem"]
    allowed = json.loads(event["ruleParameters"])["desiredInstanceTypes"].split(",")
    return {
        "Evaluations": [
            {
                "ComplianceResourceType": item["resourceType"],
                "ComplianceResourceId": item["resourceId"],
                "ComplianceType": evaluate(item, allowed),
                "OrderingTimestamp": item["configurationItemCaptureTime"],
            }
        ],
        "ResultToken": event["resultToken"],
    }
