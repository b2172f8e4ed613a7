"""Errors as the wire carries them: what was raised, and the user's own frames."""

from nanogrid_runtime.values import encode, find_fault, plain

MAX_MESSAGE = 4096
MAX_LINE = 300
#: Frames of a stack trace: so many of the outermost, so many of the innermost.
OUTERMOST, INNERMOST = 10, 30
MAX_CAUSES = 3
#: What an error may take as JSON; the platform reads little more of a LOADED.
MAX_ERROR_BYTES = 48 * 1024

open_file = open


def failure(kind, message, name=None, trace=()):
    """An error as JSON; `name` is the exception's class, else the kind again."""
    error = {"kind": kind, "type": plain(name or kind, 200), "message": plain(message, MAX_MESSAGE)}
    content = encode({**error, "stackTrace": list(trace)})
    return content if len(content) <= MAX_ERROR_BYTES else encode(error)


def raised(kind, exc, root, message=None):
    """The error for what the function's code raised; `root` is the folder of the code."""
    kind = "out_of_memory" if isinstance(exc, MemoryError) else kind
    return failure(kind, message or message_of(exc), type(exc).__name__, stack_trace(exc, root))


def unwritable(value, exc):
    """The error for a result that is no JSON."""
    try:
        fault = find_fault(value)
    except RecursionError:
        fault = "$: nested too deep"
    except Exception:  # a subclass of dict runs the function's code while it is read
        fault = ""
    message = f"The result cannot be written as JSON: {fault or message_of(exc)}. Convert it before you return it."
    return failure("result_not_serializable", message)


def too_large(size, limit):
    """The error for a result of more bytes than the limit."""
    hint = "Store it elsewhere and return where it is."
    return failure("result_too_large", f"The result has {size} bytes; {limit} are allowed. {hint}")


def message_of(exc):
    try:
        return str(exc)
    except BaseException as broken:  # the function's own __str__ may raise anything
        return f"the exception cannot be shown: its __str__ raised {type(broken).__name__}"


def stack_trace(exc, root):
    """The user's frames, outermost first, then those of what caused the exception."""
    lines = frame_lines(exc, root)
    for _ in range(MAX_CAUSES):
        exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
        if exc is None:
            break
        lines.append(plain(f"caused by {type(exc).__name__}: {message_of(exc)}", MAX_LINE))
        lines += frame_lines(exc, root)
    return lines


def frame_lines(exc, root):
    places = [place for place in places_of(exc) if place[0].startswith(f"{root}/")]
    left_out = len(places) - OUTERMOST - INNERMOST
    if left_out <= 0:
        return [frame_line(place, root) for place in places]
    outermost = [frame_line(place, root) for place in places[:OUTERMOST]]
    return [*outermost, f"[{left_out} more frames]", *(frame_line(place, root) for place in places[-INNERMOST:])]


def places_of(exc):
    """File, line and function of every frame; of a syntax error also where it was found."""
    places, entry = [], exc.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        places.append((code.co_filename, entry.tb_lineno, code.co_name))
        entry = entry.tb_next
    if isinstance(exc, SyntaxError) and isinstance(exc.filename, str):
        places.append((exc.filename, exc.lineno, "<module>"))
    return places


def frame_line(place, root):
    filename, number, name = place
    return plain(f"{filename[len(root) + 1 :]}:{number} in {name}: {source_line(filename, number)}", MAX_LINE)


def source_line(filename, number):
    try:
        with open_file(filename, encoding="utf-8", errors="backslashreplace") as file:
            return next((line.strip() for at, line in enumerate(file, 1) if at == number), "")
    except OSError:
        return ""
