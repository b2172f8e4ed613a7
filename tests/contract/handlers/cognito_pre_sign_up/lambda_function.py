import re


def lambda_handler(event, context):
    email = event["request"]["userAttributes"].get("email", "")
    if not re.fullmatch(r"[^@\s]+@example\.com", email):
        raise Exception("Cannot register users of other domains")
    event["response"]["autoConfirmUser"] = True
    event["response"]["autoVerifyEmail"] = True
    return event
