"""Uses the parts of the kernel that most escapes began with."""

import ctypes

from attempts import call, calls


def handler(event, context):
    space = ctypes.create_string_buffer(256)
    return calls("bpf", "fanotify_init", "memfd_secret", "modify_ldt", "io_uring_register", "io_uring_enter") | {
        "io_uring_setup": call("io_uring_setup", 4, ctypes.addressof(space)),
        "userfaultfd": call("userfaultfd", 1),
        "perf_event_open": call("perf_event_open", ctypes.addressof(space), 0, -1 & (2**64 - 1), -1 & (2**64 - 1), 0),
        "add_key": call("add_key", b"user", b"planted", b"x", 1, -3 & (2**64 - 1)),
        "request_key": call("request_key", b"user", b"planted", 0, 0),
        "keyctl": call("keyctl", 0, -3 & (2**64 - 1), 1),
    }
