"""Takes the machine: its kernel, its clock, its swap, its files by handle."""

import ctypes

from attempts import call, calls

NAMES = (
    "kexec_load init_module finit_module delete_module reboot swapon swapoff quotactl acct iopl ioperm settimeofday "
    "open_by_handle_at name_to_handle_at syslog vhangup sethostname setdomainname"
).split()
# With zeros the kernel would say yes to these where nothing forbids them, and so it should not come to that.
SIZE_OF_THE_LOG = 10


def handler(event, context):
    space = ctypes.create_string_buffer(256)
    return calls(*(name for name in NAMES if name != "syslog")) | {
        "syslog": call("syslog", SIZE_OF_THE_LOG, 0, 0),
        "clock_settime": call("clock_settime", 0, ctypes.addressof(space)),
        "clock_adjtime": call("clock_adjtime", 0, ctypes.addressof(space)),
        "adjtimex": call("adjtimex", ctypes.addressof(space)),
    }
