"""The system call filter: the program against the policy, then the program in the kernel."""

import errno
import json
import platform
import signal
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpf import verdict
from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.seccomp import docker_profile, program
from nanogrid.sandbox.seccomp_policy import CONDITIONS, REFUSED
from nanogrid.sandbox.syscall_numbers import numbers

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
REFUSED_WITH = {name: ERRNO | refusal.error for refusal in REFUSED for name in refusal.names.split()}
CLONE_THREAD_FLAGS = 0x3D0F00
words = st.integers(0, 2**64 - 1)
machines = pytest.mark.parametrize("machine", list(ARCH))


def asked(machine: str, name: str, *arguments: int) -> int:
    return verdict(program(machine), numbers(machine)[name], arch=ARCH[machine], arguments=arguments)


@machines
@given(arguments=st.tuples(words, words, words))
def test_every_known_call_without_a_condition_gets_its_verdict_whatever_its_arguments(machine, arguments):
    filter_program = program(machine)
    got = {
        name: verdict(filter_program, number, arch=ARCH[machine], arguments=arguments)
        for name, number in numbers(machine).items()
        if name not in CONDITIONS
    }

    assert got == {name: REFUSED_WITH.get(name, ALLOW) for name in got}


@machines
@given(number=st.integers(0, 2**30 - 1))
def test_a_number_that_is_not_listed_does_not_exist(machine, number):
    known = number in numbers(machine).values()

    assert known or verdict(program(machine), number, arch=ARCH[machine]) == ERRNO | errno.ENOSYS


@machines
@given(number=st.integers(0, 2**32 - 1), arch=st.integers(0, 2**32 - 1).filter(lambda a: a not in ARCH.values()))
def test_a_call_through_another_interface_kills(machine, number, arch):
    assert verdict(program(machine), number, arch=arch) == KILL


@given(number=st.integers(2**30, 2**32 - 1))
def test_a_call_through_x32_kills(number):
    assert verdict(program("x86_64"), number, arch=ARCH["x86_64"]) == KILL


def test_every_refusal_and_condition_names_a_call_that_exists_and_only_once():
    known = numbers("x86_64").keys() | numbers("aarch64").keys()
    named = [name for refusal in REFUSED for name in refusal.names.split()] + list(CONDITIONS)

    assert set(named) <= known
    assert len(named) == len(set(named))


@machines
@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("socket", (1, 1, 0), True),  # AF_UNIX stream
        ("socket", (2, 1 | 0o2000000 | 0o4000, 6), True),  # TCP, close-on-exec and non-blocking
        ("socket", (10, 2, 17), True),  # UDP over IPv6
        ("socket", (2, 3, 0), False),  # raw
        ("socket", (2, 3 | 0o2000000, 1), False),  # raw, close-on-exec
        ("socket", (2, 1, 132), False),  # SCTP
        ("socket", (2, 2, 115), False),  # L2TP
        ("socket", (16, 3, 0), False),  # netlink
        ("socket", (17, 3, 0), False),  # packet
        ("socket", (38, 5, 0), False),  # AF_ALG
        ("socket", (40, 1, 0), False),  # vsock
        ("socket", (2**32 + 38, 5, 0), False),  # AF_ALG with rubbish in the upper half
        ("socketpair", (1, 1, 0), True),
        ("socketpair", (30, 1, 0), False),  # TIPC
        ("clone", (CLONE_THREAD_FLAGS,), True),  # a thread
        ("clone", (17,), True),  # fork
        ("clone", (0x10000000 | 17,), False),  # a user namespace
        ("clone", (2**32 + 0x20000,), False),  # a mount namespace, with rubbish
        ("personality", (0xFFFFFFFF,), True),  # which one is it?
        ("personality", (0x0040000,), False),  # ADDR_NO_RANDOMIZE
        ("ioctl", (0, 0x5401), True),  # TCGETS
        ("ioctl", (0, 0x5412), False),  # TIOCSTI
        ("ioctl", (0, 2**32 + 0x5412), False),  # TIOCSTI with rubbish in the upper half
        ("ioctl", (0, 0x541C), False),  # TIOCLINUX
    ],
)
def test_a_condition_looks_at_the_arguments(machine, name, arguments, allowed):
    assert asked(machine, name, *arguments) == (ALLOW if allowed else ERRNO | errno.EPERM)


def docker_verdict(name: str, arguments: tuple[int, ...]) -> int:
    """As libseccomp reads the profile: a rule holds where all its masked comparisons, 64 bits wide, hold."""
    profile = json.loads(docker_profile())
    for rule in profile["syscalls"]:
        holds = all(arguments[a["index"]] & a["value"] == a["valueTwo"] for a in rule.get("args", []))
        if name in rule["names"] and holds:
            return ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else ERRNO | rule["errnoRet"]
    return ERRNO | profile["defaultErrnoRet"]


near_the_edges = st.sampled_from(
    [0, 1, 2, 3, 5, 6, 10, 16, 17, 38, 0x5411, 0x5412, 0x5413, 0x541C, 0x10000000, 2**32 - 1]
)
argument = st.builds(lambda low, high: low | high << 32, near_the_edges | st.integers(0, 2**32 - 1), st.integers(0, 3))


@given(name=st.sampled_from(sorted(numbers("x86_64"))), arguments=st.tuples(argument, argument, argument))
def test_docker_profile_and_program_agree(name, arguments):
    assert docker_verdict(name, arguments) == asked("x86_64", name, *arguments)


def test_an_unknown_machine_is_refused_by_name():
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        program("riscv64")


@machines
def test_the_program_is_whole_and_within_the_kernels_limit(machine):
    code = list(struct.iter_unpack("<HBBI", program(machine)))
    ends = [at + 1 + max(if_true, if_false) for at, (_, if_true, if_false, _) in enumerate(code)]

    assert len(code) <= 4096
    assert max(ends) <= len(code)
    assert code[-1][0] == 0x06


@machines
def test_a_plain_call_is_decided_by_its_number_alone(machine):
    """So that the kernel can remember the verdict; a look at an argument would find nothing here and fail."""
    plain = [number for name, number in numbers(machine).items() if name not in CONDITIONS]
    verdicts = [verdict(program(machine), number, arch=ARCH[machine], arguments=None) for number in plain]

    assert verdicts.count(ALLOW) > 200


#: Puts the filter on itself, as bubblewrap does, and becomes the program named by its arguments.
LAUNCHER = """
import ctypes, os, sys
code = sys.stdin.buffer.read()
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(code) // 8, code))) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def run_filtered(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", LAUNCHER, *command], input=program(), capture_output=True, check=False)


REAL = """
import ctypes, errno, json, os, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *(ctypes.c_ulong(a) for a in arguments))
    return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]
def opens(*arguments):
    try:
        socket.socket(*arguments).close()
    except OSError as exc:
        return errno.errorcode[exc.errno]
    return "ok"
numbers = json.loads(NUMBERS)
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
print(json.dumps({
    "mode": open("/proc/self/status").read().split("Seccomp:\\t")[1][0],
    "child": subprocess.run(["/bin/true"]).returncode,
    "refused": {name: call(numbers[name], 0, 0, 0, 0, 0) for name in REFUSED_HERE},
    "tcp": opens(socket.AF_INET, socket.SOCK_STREAM),
    "udp": opens(socket.AF_INET6, socket.SOCK_DGRAM),
    "netlink": opens(socket.AF_NETLINK, socket.SOCK_RAW),
    "vsock": opens(socket.AF_VSOCK, socket.SOCK_STREAM),
    "no such call": call(999),
}))
"""


def test_in_the_kernel_python_threads_and_children_work_and_the_rest_is_refused():
    known = numbers(platform.machine())
    refused = [n for r in REFUSED if r.error == errno.EPERM for n in r.names.split() if n in known]
    source = REAL.replace("NUMBERS", repr(json.dumps(known))).replace("REFUSED_HERE", repr(refused))
    seen = json.loads(run_filtered(sys.executable, "-c", source).stdout)

    assert seen["refused"] == dict.fromkeys(refused, "EPERM")
    assert {k: v for k, v in seen.items() if k != "refused"} == {
        "mode": "2",
        "child": 0,
        "tcp": "ok",
        "udp": "ok",
        "netlink": "EPERM",
        "vsock": "EPERM",
        "no such call": "ENOSYS",
    }


def test_a_32_bit_call_kills_the_process():
    """`int 0x80` is how i386 programs call: number 20 there is getpid, here it is writev."""
    machine_code = "b814000000cd80c3"  # mov eax, 20; int 0x80; ret
    source = (
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        f"page.write(bytes.fromhex('{machine_code}'))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n"
    )
    if platform.machine() != "x86_64":
        pytest.skip("int 0x80 is an instruction of x86-64")

    assert run_filtered(sys.executable, "-c", source).returncode == -signal.SIGSYS
