from dataclasses import asdict, dataclass, field
from typing import List


@dataclass
class Invoice:
    customer: str
    lines: List[dict] = field(default_factory=list)
    total: float = 0.0


def lambda_handler(event, context):
    invoice = Invoice(event["order"]["customer"])
    for item in event["order"]["items"]:
        invoice.lines.append({"sku": item["sku"], "sum": round(item["price"] * item["count"], 2)})
    invoice.total = round(sum(line["sum"] for line in invoice.lines), 2)
    return {**event, "invoice": asdict(invoice), "retries": event["context"]["Execution"]["RetryCount"] + 1}
