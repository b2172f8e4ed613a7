class OutOfStock(Exception):
    """The state machine catches it by its name."""


def reserve(sku, stock):
    if stock.get(sku, 0) < 1:
        raise OutOfStock(f"{sku} is sold out")


def lambda_handler(event, context):
    for sku in event["skus"]:
        reserve(sku, event["stock"])
    return {"reserved": event["skus"]}
