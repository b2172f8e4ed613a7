from email.utils import parseaddr


def lambda_handler(event, context):
    mail = event["Records"][0]["ses"]["mail"]
    receipt = event["Records"][0]["ses"]["receipt"]
    verdicts = [receipt[name]["status"] for name in ("spamVerdict", "virusVerdict", "spfVerdict", "dkimVerdict")]
    name, address = parseaddr(mail["commonHeaders"]["from"][0])
    print(f"{address} ({name}) about {mail['commonHeaders']['subject']!r}: {verdicts}")
    if "FAIL" in verdicts:
        return {"disposition": "STOP_RULE_SET"}
    return {"disposition": "CONTINUE"}
