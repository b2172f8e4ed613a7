"""The arithmetic of the report."""

from collections import defaultdict


def summarise(sales, prices):
    revenue = defaultdict(float)
    for sale in sales:
        revenue[sale["city"]] += int(sale["count"]) * prices[sale["item"]]
    best = max(revenue, key=revenue.get)
    return {
        "total": round(sum(revenue.values()), 2),
        "best": best,
        "cities": {k: round(v, 2) for k, v in sorted(revenue.items())},
    }
