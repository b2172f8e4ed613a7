"""Searches everything it can list for the code of other functions and for folders above its own."""

import os

from attempts import attempt

BORING = {"/proc", "/sys", "/usr", "/lib", "/lib64", "/bin", "/sbin"}


def handler(event, context):
    own = os.environ["LAMBDA_TASK_ROOT"]
    return {
        "secret files": attempt(secrets),
        "beside its own code": attempt(others, os.path.dirname(own), os.path.basename(own)),
        "above the root": attempt(others, "/proc/self/root/..", *os.listdir("/")),
        "through process 1": attempt(others, "/proc/1/root", *os.listdir("/")),
        "through process 1's folder": attempt(os.listdir, "/proc/1/cwd/../../data"),
    }


def others(folder, *known):
    # At the file system's root there is more than code, and all of it is this sandbox's.
    return [] if os.path.samefile(folder, "/") else sorted(set(os.listdir(folder)) - set(known))


def secrets():
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in BORING]
        found += [os.path.join(folder, name) for name in files if "neighbour" in name]
    return found
