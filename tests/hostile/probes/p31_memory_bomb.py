"""Takes four times the memory it was given, in each of the ways there are."""

import mmap
import os

from attempts import attempt

VARIANTS = ("heap", "mapping", "memfd", "tmp", "shm", "page tables", "children")
ENDS = ("out_of_memory", "succeeded", "exited")
SETTINGS = {"memoryMb": 128, "timeoutMs": 10000}
MEGABYTE = 1 << 20
MOST = 512
KEPT = []


def handler(event, context):
    ways = {
        "heap": heap,
        "mapping": mapping,
        "memfd": lambda: fills(os.memfd_create("bomb")),
        "tmp": lambda: fills(os.open("/tmp/bomb", os.O_CREAT | os.O_WRONLY)),
        "shm": lambda: fills(os.open("/dev/shm/bomb", os.O_CREAT | os.O_WRONLY)),
        "page tables": page_tables,
        "children": children,
    }
    return {event["variant"]: attempt(ways[event["variant"]])}


def heap():
    for _ in range(MOST):
        KEPT.append(b"x" * MEGABYTE)
    return f"{MOST} MB"


def mapping():
    area = mmap.mmap(-1, MOST * MEGABYTE)
    for offset in range(0, MOST * MEGABYTE, 4096):
        area[offset] = 1
    return f"{MOST} MB"


def fills(descriptor):
    block = b"x" * MEGABYTE
    for _ in range(MOST):
        os.write(descriptor, block)
    return f"{MOST} MB"


def page_tables():
    """One page in each stretch of 2 MB costs a page and a table: read only, so that it counts for little."""
    area = mmap.mmap(-1, 1 << 38, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
    for offset in range(0, 1 << 38, 2 * MEGABYTE):
        area[offset]
    return "512 MB of tables"


def children():
    for _ in range(8):
        if os.fork() == 0:
            KEPT.append(b"x" * (MOST // 8 * MEGABYTE))
            os._exit(os.read(os.open("/dev/zero", os.O_RDONLY), 1)[0])
    ended = [os.wait()[1] for _ in range(8)]
    return [] if any(ended) else f"{MOST} MB"
