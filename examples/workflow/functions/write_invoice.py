"""Third step: the invoice."""


def handler(event, context):
    lines = [f"{item:<10}{amount:>10.2f}" for item, amount in event["lines"].items()]
    return "\n".join([f"Invoice {event['order']}", *lines, f"{'total':<10}{event['total']:>10.2f}"])
