"""A function of several modules with a data file of its own: turns sales into a report, as numbers and as a page."""

import csv
from pathlib import Path

from page import page
from report import summarise

PRICES = {
    row["item"]: float(row["price"]) for row in csv.DictReader((Path(__file__).parent / "data/prices.csv").open())
}


def handler(event, context):
    sales = list(csv.DictReader(event["csv"].splitlines()))
    summary = summarise(sales, PRICES)
    return {**summary, "html": page(summary)}
