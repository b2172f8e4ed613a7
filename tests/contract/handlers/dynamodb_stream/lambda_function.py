from decimal import Decimal


def plain(attribute):
    ((kind, value),) = attribute.items()
    if kind == "N":
        return Decimal(value)
    if kind == "M":
        return {name: plain(inner) for name, inner in value.items()}
    if kind == "L":
        return [plain(inner) for inner in value]
    return None if kind == "NULL" else value


def lambda_handler(event, context):
    changes = []
    for record in event["Records"]:
        change = record["dynamodb"]
        new = {name: plain(value) for name, value in change.get("NewImage", {}).items()}
        old = {name: plain(value) for name, value in change.get("OldImage", {}).items()}
        if record["eventName"] == "MODIFY":
            changes.append({"sku": plain(change["Keys"]["sku"]), "moved": new["count"] - old["count"], "now": new})
    return {"changes": changes, "batchItemFailures": []}
