"""Becomes root: by setuid, by capabilities, by the system's setuid programs."""

import glob
import os
import stat
import subprocess

from attempts import attempt, call, did


def handler(event, context):
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t") for line in file.read().splitlines() if ":\t" in line)
    found = {
        name: "no: 0" if int(status[name], 16) == 0 else f"yes: {status[name]}"
        for name in status
        if name.startswith("Cap")
    }
    found["no_new_privs is off"] = "no: it is on" if status["NoNewPrivs"] == "1" else "yes: off"
    return found | {
        "setuid": did(os.setuid, 0),
        "setgid": did(os.setgid, 0),
        "setresuid": did(os.setresuid, 0, 0, 0),
        "setgroups": did(os.setgroups, [0]),
        "capset": call("capset", b"\x22\x05\x08\x20" + b"\0" * 4, b"\xff" * 24),
        "is root": "yes: 0" if os.geteuid() == 0 else f"no: {os.geteuid()}",
        "setuid programs": attempt(as_root),
    }


def as_root():
    programs = [p for p in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*") if os.stat(p).st_mode & stat.S_ISUID]
    commands = [[p, "-c", "id"] for p in programs if p.endswith("/su")] + [
        [p, "id"] for p in programs if p.endswith("sudo")
    ]
    outputs = [subprocess.run(c, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout for c in commands]
    return [output for output in outputs if "uid=0" in output]
