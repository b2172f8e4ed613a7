"""Looks for the worker's own sockets, by path, abstract name and port."""

import os
import socket
import stat

from attempts import attempt


def handler(event, context):
    named = {f"port {port}": attempt(connect, port) for port in (event["port"], 9001, 8125)}
    return named | {"paths": attempt(paths), "abstract": attempt(abstract), "above the channel": attempt(peers)}


def connect(port):
    with socket.create_connection(("127.0.0.1", port), timeout=0.3):
        return "connected"


def paths():
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/usr")]
        found += [path for name in files if stat.S_ISSOCK(os.lstat(path := os.path.join(folder, name)).st_mode)]
    return found


def abstract():
    with open("/proc/net/unix") as file:
        return [line.split()[-1] for line in file if "@" in line]


def peers():
    # A socket of a pair has no name: nobody can connect to its other end.
    found = [socket.socket(fileno=os.dup(int(name))) for name in os.listdir("/proc/self/fd") if is_socket(name)]
    return [end.getpeername() for end in found if end.getpeername()]


def is_socket(name):
    try:
        return stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    except OSError:
        return False
