"""Fills what it can write to: one file, a great many, one with a vast hole, folders without end."""

import os

from attempts import until_refused

VARIANTS = ("file", "inodes", "hole", "folders")
ENDS = ("succeeded", "exited", "out_of_memory", "timed_out")
SETTINGS = {"memoryMb": 256, "timeoutMs": 2000}


def handler(event, context):
    ways = {"file": (file, 4096), "inodes": (inode, 1_000_000), "hole": (hole, 1), "folders": (folder, 1_000_000)}
    action, most = ways[event["variant"]]
    count, error = until_refused(action, most)
    os.chdir("/")
    return {event["variant"]: f"no: {count}, {error}" if count < most else f"yes: {count}"}


def file():
    with open("/tmp/file", "ab") as big:
        big.write(b"x" * (1 << 20))


def inode():
    inode.count = getattr(inode, "count", 0) + 1
    os.close(os.open(f"/tmp/{inode.count}", os.O_CREAT | os.O_WRONLY))


def hole():
    with open("/tmp/hole", "wb") as sparse:
        sparse.truncate(1024 << 40)


def folder():
    if not hasattr(folder, "begun"):
        folder.begun = os.chdir("/tmp")
    os.mkdir("deeper")
    os.chdir("deeper")
