"""Starts threads until it is stopped."""

import threading

from attempts import for_ever, until_refused

ENDS = ("succeeded", "exited", "out_of_memory")
MOST = 5000


def handler(event, context):
    threading.stack_size(65536)
    count, error = until_refused(lambda: threading.Thread(target=for_ever, daemon=True).start(), MOST)
    return {"threads": f"no: {count}, {error}" if count < MOST else f"yes: {count}"}
