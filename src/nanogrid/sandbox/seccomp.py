"""Turns the policy into what the two sandboxes take: a program for bubblewrap, a profile for Docker."""

import errno
import json
import platform
import struct
from collections.abc import Iterable, Iterator

from nanogrid.errors import SandboxUnavailable
from nanogrid.sandbox.seccomp_policy import CONDITIONS, REFUSED, Condition, Match
from nanogrid.sandbox.syscall_numbers import numbers

_AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
#: Set in the number of a call by x86-64's second interface, x32, which would pass by every rule on numbers.
_X32_BIT = 0x4000_0000

_ALLOW = 0x7FFF_0000
_KILL_PROCESS = 0x8000_0000
_ERRNO = 0x0005_0000
_NO_SUCH_CALL = _ERRNO | errno.ENOSYS
_NOT_PERMITTED = _ERRNO | errno.EPERM

# Offsets in struct seccomp_data; the arguments are 64 bits wide and little-endian.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
# Classic BPF, as far as it is needed. The kernel remembers the answer for a number whose way through the program
# uses nothing but these and no argument (Linux 5.11): an allowed call then costs next to nothing.
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST = 0x15, 0x35

#: One instruction is opcode, jump if true, jump if false, operand.
_Code = list[tuple[int, int, int, int]]
#: What becomes of a call: a fixed answer, or one that depends on its arguments.
_Verdict = int | Condition


def program(architecture: str | None = None) -> bytes:
    """The filter as classic BPF, an array of `struct sock_filter`, for this machine or the one named.

    A call through another interface (i386 or x32 on x86-64, 32-bit ARM on aarch64) kills the process with SIGSYS.
    Raises `SandboxUnavailable` for a machine that is neither x86_64 nor aarch64.
    """
    machine = architecture or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise SandboxUnavailable(
            f"there is no system call filter for the machine type {machine}.",
            hint=f"Known: {', '.join(sorted(_AUDIT_ARCH))}.",
        )
    code = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
        *_search(_intervals(machine)),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def docker_profile() -> str:
    """The same policy in the JSON that Docker's `--security-opt seccomp=` takes, for both machine types.

    Left to libseccomp and runc, which do it by themselves: calls through other interfaces are killed, and calls newer
    than the list fail with ENOSYS. The default here is for conditions that do not hold.
    """
    known = {name for machine in _AUDIT_ARCH for name in numbers(machine)}
    refused = {name for refusal in REFUSED for name in refusal.names.split()}
    rules = [_docker_rule(sorted(known - refused - CONDITIONS.keys()), "SCMP_ACT_ALLOW")]
    rules += [
        _docker_rule(sorted(refusal.names.split()), "SCMP_ACT_ERRNO", errnoRet=refusal.error) for refusal in REFUSED
    ]
    for name, condition in CONDITIONS.items():
        rules += [
            _docker_rule([name], "SCMP_ACT_ALLOW", args=[_docker_match(match) for match in matches])
            for matches in _ways_to_be_allowed(condition)
        ]
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "archMap": [
            {"architecture": f"SCMP_ARCH_{machine.upper()}", "subArchitectures": []} for machine in _AUDIT_ARCH
        ],
        "syscalls": rules,
    }
    return json.dumps(profile, indent=1)


def _verdicts(machine: str) -> dict[int, _Verdict]:
    verdicts: dict[int, _Verdict] = {}
    refused = {name: _ERRNO | refusal.error for refusal in REFUSED for name in refusal.names.split()}
    for name, number in numbers(machine).items():
        verdicts[number] = CONDITIONS.get(name) or refused.get(name, _ALLOW)
    return verdicts


def _intervals(machine: str) -> list[tuple[int, _Verdict]]:
    """First numbers of the stretches that share a verdict, ascending from 0."""
    verdicts = _verdicts(machine)
    intervals: list[tuple[int, _Verdict]] = []
    for number in range(max(verdicts) + 2):
        verdict = verdicts.get(number, _NO_SUCH_CALL)
        if not intervals or intervals[-1][1] != verdict:
            intervals.append((number, verdict))
    if machine == "x86_64":
        intervals.append((_X32_BIT, _KILL_PROCESS))
    return intervals


def _search(intervals: list[tuple[int, _Verdict]]) -> _Code:
    """A binary search for the loaded number, so that no call passes more than a handful of comparisons."""
    if len(intervals) == 1:
        return _decide(intervals[0][1])
    middle = len(intervals) // 2
    lower, upper = _search(intervals[:middle]), _search(intervals[middle:])
    return [(_JUMP_IF_AT_LEAST, len(lower), 0, intervals[middle][0]), *lower, *upper]


def _decide(verdict: _Verdict) -> _Code:
    if isinstance(verdict, int):
        return [(_RETURN, 0, 0, verdict)]
    code: _Code = []
    for matches in verdict.only:
        code += _where(matches, _ALLOW)
    for match in verdict.never:
        code += _where((match,), _NOT_PERMITTED)
    return [*code, (_RETURN, 0, 0, _NOT_PERMITTED if verdict.only else _ALLOW)]


def _where(matches: Iterable[Match], answer: int) -> _Code:
    """Answer where all matches hold; else go on behind this code."""
    code: _Code = [(_RETURN, 0, 0, answer)]
    for match in reversed(tuple(matches)):
        code = [
            (_LOAD, 0, 0, _ARGUMENTS + 8 * match.argument),
            (_AND, 0, 0, match.mask),
            (_JUMP_IF_EQUAL, 0, len(code), match.value),
            *code,
        ]
    return code


def _ways_to_be_allowed(condition: Condition) -> Iterator[tuple[Match, ...]]:
    """Docker lets a call be allowed by what its arguments are, never by what they are not."""
    yield from condition.only
    if condition.never:
        forbidden = [match.value for match in condition.never]
        yield from ((match,) for match in _all_but(condition.never[0].argument, forbidden, bits=32))


def _all_but(argument: int, forbidden: list[int], *, bits: int, prefix: int = 0) -> Iterator[Match]:
    """Matches that together hold for every 32-bit value but the forbidden: go down the bits, leave out theirs."""
    if not forbidden:
        yield Match(argument, prefix << bits, 0xFFFF_FFFF >> bits << bits)
    elif bits:
        for bit in (0, 1):
            rest = [value for value in forbidden if value >> (bits - 1) & 1 == bit]
            yield from _all_but(argument, rest, bits=bits - 1, prefix=prefix << 1 | bit)


def _docker_rule(names: list[str], action: str, **more: object) -> dict[str, object]:
    return {"names": names, "action": action, **more}


def _docker_match(match: Match) -> dict[str, object]:
    return {"index": match.argument, "value": match.mask, "valueTwo": match.value, "op": "SCMP_CMP_MASKED_EQ"}
