"""The zygote: `python3 -I -S -B zygote.py FD`, of which the Python sandboxes of a grid are forks.

It walls itself in, has the runtime imported, and then does nothing but fork on order. What a sandbox has of its own
(namespaces, /proc, /tmp, code, user, limits, system call filter) is made in the fork, before a function's code is there.
No code of a function ever runs in the zygote itself.
"""

import os
import sys

#: What every interpreter has; all that is imported from here on but the runtime is taken out of sight in the forks.
OF_PYTHON = set(sys.modules)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gc
import marshal
from _signal import SIG_DFL, SIGINT, SIGKILL, default_int_handler, signal
from _socket import CMSG_SPACE, socket

from nanogrid_zygote import kernel, walls

del sys.path[0]

MAX_MESSAGE = 64 * 1024
INT_BYTES = 4
#: Control, output, and a door to a control group for each tree of them.
MAX_DESCRIPTORS = 4
#: Where a runtime finds its end of the control socket; there is nothing above it.
CONTROL = 3
TOO_MANY = 64
SIGNAL_BASE = 128


class Zygote:
    """Answers each order of the platform with the pid of a new sandbox's first process."""

    def __init__(self, platform):
        self._platform = platform
        self._title = read("/proc/self/comm").strip().encode()
        self._nothing = os.open("/dev/null", os.O_RDWR)

    def wall_in(self):
        """Take the plan, and build what all sandboxes have in common."""
        plan = marshal.loads(self._platform.recv(MAX_MESSAGE))
        user, group = os.getuid(), os.getgid()
        walls.enter_namespaces()
        if plan["maps_users"]:
            # Many users at once can only be given from outside.
            self.tell("unshared")
            self._platform.recv(MAX_MESSAGE)
        else:
            walls.map_user(1, user, group)
        walls.build(plan.pop("mounts"), plan["hostname"])
        self._plan = plan
        kernel.prctl(kernel.PR_SET_NAME, b"zygote")
        kernel.prctl(kernel.PR_SET_PDEATHSIG, SIGKILL)

    def prepare(self):
        """Read the program and import what it consists of, as the sandboxes see it."""
        path = self._plan["program"]
        self._program = compile(read(path), path, "exec", dont_inherit=True)
        of_zygote = set(sys.modules) - OF_PYTHON
        sys.path.insert(0, os.path.dirname(path))
        for name in self._plan["imports"]:
            __import__(name)
        del sys.path[0]
        self._unseen = of_zygote & set(sys.modules)
        # Nothing of what is there now is ever collected, so that its pages stay shared.
        gc.disable()
        gc.collect()
        gc.freeze()

    def serve(self):
        """Fork on order, until the platform goes."""
        while True:
            # A network is what takes the kernel longest. Each is made before it is ordered, and leaves with one fork.
            walls.enter_new_network()
            message, ancillary, _, _ = self._platform.recvmsg(MAX_MESSAGE, CMSG_SPACE(MAX_DESCRIPTORS * INT_BYTES))
            if not message:
                return
            descriptors = [one for _, _, numbers in ancillary for one in memoryview(numbers).cast("i").tolist()]
            pid = self._fork(marshal.loads(message), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            self.tell(str(pid))

    def tell(self, message):
        self._platform.send(message.encode("utf-8", "backslashreplace"))

    def _fork(self, order, descriptors):
        pid = kernel.fork_first(kernel.NEW_PID)
        if pid:
            return pid
        try:
            self._be_first(order, *descriptors)
        except BaseException as exc:  # the top of this process: whatever it was, the platform reads it
            os.write(2, f"{type(exc).__name__}: {exc}\n".encode("utf-8", "backslashreplace"))
        finally:
            os._exit(1)

    def _be_first(self, order, control, output, *doors):
        """Be the first process of a sandbox: wall it off, start the runtime, and end with it."""
        self._platform.close()
        for door in doors:
            os.write(door, b"0")
        for number, descriptor in ((0, self._nothing), (1, output), (2, output), (CONTROL, control)):
            os.dup2(descriptor, number)
        os.closerange(CONTROL + 1, TOO_MANY)
        os.setsid()
        wall_off(self._plan, order)
        # From inside, a signal reaches the first process only where that has a handler. This one has none.
        signal(SIGINT, SIG_DFL)
        if self._plan["filter"]:
            kernel.set_filter(self._plan["filter"])
        runtime = os.fork()
        if runtime == 0:
            self._be_runtime()
        os.close(CONTROL)
        end_with(runtime)

    def _be_runtime(self):
        """Run the program as if Python had just been started with it."""
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        kernel.prctl(kernel.PR_SET_NAME, self._title)
        signal(SIGINT, default_int_handler)
        for name in self._unseen:
            del sys.modules[name]
        main = sys.modules["__main__"] = type(sys)("__main__")
        main.__file__ = self._plan["program"]
        sys.argv[:] = [main.__file__, str(CONTROL)]
        gc.enable()
        exec(self._program, main.__dict__)


def wall_off(plan, order):
    """Everything between a sandbox and the rest; when this returns, no right is left."""
    user = order["user"]
    if user is not None:
        os.setresgid(user, user, user)
    switches = walls.furnish(plan, order["slot"])
    walls.become_nobody(user)
    walls.forbid_namespaces(switches)
    walls.limit(plan["limits"])
    kernel.drop_capabilities()
    # The function is the same user; what this process holds is none of its business.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, SIGKILL)
    kernel.prctl(kernel.PR_SET_NAME, b"init")


def end_with(runtime):
    """Reap whatever ends, and end as the runtime does: with this process everything else in here ends."""
    while True:
        pid, status = os.wait()
        if pid == runtime:
            os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else SIGNAL_BASE + os.WTERMSIG(status))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main(fd):
    zygote = Zygote(socket(fileno=fd))
    try:
        zygote.wall_in()
        zygote.prepare()
    except Exception as exc:  # the top: the platform goes on without a zygote, and says why
        zygote.tell(f"error: {exc}")
        return
    zygote.tell("ready")
    zygote.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
