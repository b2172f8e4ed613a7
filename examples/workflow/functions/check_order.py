"""First step: is the order one that can be filled?"""

STOCK = {"bread": 40, "olives": 12, "cheese": 3}


def handler(event, context):
    short = {item: count for item, count in event["items"].items() if STOCK.get(item, 0) < count}
    return {"ok": not short, "short": short}
