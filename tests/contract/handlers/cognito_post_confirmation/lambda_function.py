import json
import sys


def lambda_handler(event, context):
    attributes = event["request"]["userAttributes"]
    if event["triggerSource"] == "PostConfirmation_ConfirmSignUp":
        print(json.dumps({"welcome": attributes["email"], "user": attributes["sub"]}), file=sys.stderr)
    # Cognito wants its own event back.
    return event
