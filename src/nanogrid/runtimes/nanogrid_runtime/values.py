"""Values to JSON and back, and where a value is no JSON."""

import sys

# `json` itself costs 6 ms and 1.5 MB, nearly all of it for `re`; its accelerator alone does the work.
from _json import encode_basestring, make_encoder, make_scanner


def refuse_constant(name):
    """Stands for NaN and the infinities, which Python would read."""
    raise ValueError(f"{name} is no JSON")


class Grammar:
    """How the scanner reads JSON."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, refuse_constant


def write_as_lambda_does(value):
    """Decimals become floats, since what comes out of DynamoDB is full of them. All else has no form in JSON."""
    if is_decimal(value):
        return float(value)
    raise TypeError(type(value).__name__)


def is_decimal(value):
    decimal = sys.modules.get("decimal")
    return decimal is not None and isinstance(value, decimal.Decimal)


scan = make_scanner(Grammar)
marks = {}
chunks_of = make_encoder(marks, write_as_lambda_does, encode_basestring, None, ":", ",", False, False, False)


def decode(payload):
    """The value of JSON bytes. Raises ValueError or RecursionError for what is no JSON, or too much for Python."""
    text = str(payload, "utf-8")
    try:
        value, end = scan(text, 0)
    except StopIteration as exc:
        raise ValueError(f"no value at character {exc.value}") from None
    if end != len(text):
        raise ValueError(f"more text after the value, from character {end}")
    return value


def encode(value):
    """JSON in UTF-8. Raises ValueError, TypeError or RecursionError for what is no JSON; `find_fault` says where."""
    marks.clear()  # a failed attempt leaves its marks behind
    return "".join(chunks_of(value, 0)).encode()


def plain(text, limit):
    """Text that any reader of JSON accepts, and not too much of it."""
    text = text if len(text) <= limit else f"{text[:limit]} [{len(text) - limit} more characters]"
    return text.encode("utf-8", "backslashreplace").decode()


def find_fault(value, path="$", above=frozenset()):
    """Where and why the value is no JSON, such as `$.items[3]: datetime`; "" where it is."""
    if not isinstance(value, (dict, list, tuple)):
        fault = scalar_fault(value)
        return fault and f"{path}: {fault}"
    if id(value) in above:
        return f"{path}: {type(value).__name__} that contains itself"
    above = above | {id(value)}
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        key_fault = scalar_fault(key)
        fault = f"{path}: {key_fault} as a key" if key_fault else find_fault(child, path + step(key), above)
        if fault:
            return fault
    return ""


def scalar_fault(value):
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return "" if is_unicode(value) else "str with half of a surrogate pair"
    if isinstance(value, int):
        return "" if is_printable(value) else "int with too many digits"
    if isinstance(value, float):
        return "" if value - value == 0 else f"float {value}"
    if is_decimal(value):
        return "" if value.is_finite() else f"Decimal {value}"
    return type(value).__name__


def is_unicode(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_printable(number):
    try:
        int.__repr__(number)
    except ValueError:
        return False
    return True


def step(key):
    if isinstance(key, str):
        return f".{key}" if key.isidentifier() else f"[{encode_basestring(key)}]"
    return f"[{key}]"
