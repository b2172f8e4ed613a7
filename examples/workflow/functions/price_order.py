"""Second step: what does it cost?"""

PRICES = {"bread": 3.20, "olives": 4.50, "cheese": 7.90}


def handler(event, context):
    lines = {item: round(PRICES[item] * count, 2) for item, count in event["items"].items()}
    return {"lines": lines, "total": round(sum(lines.values()), 2)}
