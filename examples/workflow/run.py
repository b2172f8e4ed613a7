"""A workflow of three functions that can be killed at any moment and started again: no step is done twice.

    nanogrid deploy examples/workflow/functions/check_order.py     (and price_order.py, write_invoice.py)
    python examples/workflow/run.py

Each step is submitted under a key made of the order and the step. The grid keeps a submitted run, whatever happens to this
program; the same key is the same run, so starting again finds the steps that are done, and goes on from there.
"""

from nanogrid import Client

ORDERS = [
    {"order": "A-17", "items": {"bread": 2, "olives": 1}},
    {"order": "A-18", "items": {"cheese": 9}},
]


def process(grid, order):
    """The invoice, or why there is none."""

    def step(function, event):
        return grid.submit(function, event, idempotency_key=f"{order['order']}:{function}").result(timeout=60)

    checked = step("check_order", order)
    if not checked["ok"]:
        return f"Order {order['order']}: not enough of {', '.join(checked['short'])}"
    priced = step("price_order", order)
    return step("write_invoice", {"order": order["order"], **priced})


def main():
    with Client() as grid:
        for order in ORDERS:
            print(process(grid, order), end="\n\n")


if __name__ == "__main__":
    main()
