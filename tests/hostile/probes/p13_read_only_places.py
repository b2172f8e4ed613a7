"""Writes to the system's folders, to its own code and to the runtime's."""

import os
import sys

from attempts import attempt, creates, did, opens_for_writing


def handler(event, context):
    own = os.environ["LAMBDA_TASK_ROOT"]
    runtime = sys.modules["__main__"].__file__
    folders = {"/usr", "/usr/bin", "/lib", "/etc", own, os.path.dirname(runtime), *filter(os.path.isdir, sys.path)}
    found = {folder: attempt(creates, os.path.join(folder, "planted.py")) for folder in folders}
    return found | {
        "own code": attempt(opens_for_writing, __file__),
        "own code after chmod": did(os.chmod, __file__, 0o777),
        "own code renamed": did(os.rename, __file__, __file__ + "2"),
        "own folder's cache": did(os.mkdir, os.path.join(own, "__pycache__")),
        "runtime": attempt(opens_for_writing, runtime),
        "interpreter": attempt(opens_for_writing, os.path.realpath(sys.executable)),
    }
