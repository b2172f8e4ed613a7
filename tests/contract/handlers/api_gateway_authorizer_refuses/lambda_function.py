def lambda_handler(event, context):
    claims = event["headers"].get("authorization", "").split()
    if len(claims) != 2 or claims[0].lower() != "bearer":
        # API Gateway turns exactly this message into a 401.
        raise Exception("Unauthorized")
    return {"isAuthorized": True}
