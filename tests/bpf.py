"""A classic BPF machine, as far as a seccomp filter needs one: what would the kernel do with this call?"""

import struct


def verdict(program: bytes, number: int, *, arch: int, arguments: tuple[int, ...] | None = ()) -> int:
    """The filter's answer; with `arguments=None` a filter that looks at one raises struct.error."""
    data = struct.pack("<IIQ", number, arch, 0)
    if arguments is not None:
        data += struct.pack("<6Q", *arguments, *[0] * (6 - len(arguments)))
    code = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        opcode, if_true, if_false, operand = code[at]
        at += 1
        match opcode:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x54:
                accumulator &= operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x06:
                return operand
            case _:
                raise AssertionError(f"opcode {opcode:#x} at {at - 1}")
