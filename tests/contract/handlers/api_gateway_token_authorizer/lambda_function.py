import os


def lambda_handler(event, context):
    token = event["authorizationToken"]
    if token not in ("allow", "deny"):
        raise Exception("Unauthorized")
    _, _, _, region, account, gateway = event["methodArn"].split(":", 5)
    api_id, stage, *_ = gateway.split("/")
    resource = f"arn:aws:execute-api:{region}:{account}:{api_id}/{stage}/*/*"
    return {
        "principalId": "user|a1b2",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": token.capitalize(), "Resource": resource}],
        },
        "context": {"tier": os.environ.get("TIER", "free"), "limit": 100, "trial": True},
    }
