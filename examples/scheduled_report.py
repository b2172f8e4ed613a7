"""A report that is made by itself every night, for the day before: deploy it, then give it a schedule.

nanogrid deploy scheduled_report.py
nanogrid schedule add scheduled_report '15 0 * * *' --timezone Europe/Berlin
"""

import random
from datetime import datetime, timedelta


def handler(event, context):
    # The moment that the run is for, not the one at which it happens to run: a night that was missed is made up for.
    day = (datetime.fromisoformat(event["dueAt"]) - timedelta(hours=12)).date()
    orders = orders_of(day)
    print(f"{len(orders)} orders on {day}")
    return {"day": str(day), "orders": len(orders), "revenue": round(sum(orders), 2), "best": max(orders)}


def orders_of(day):
    """Stands in for your shop: the same orders whenever it is asked about that day."""
    shop = random.Random(str(day))
    return [round(shop.uniform(5, 200), 2) for _ in range(shop.randint(20, 60))]
