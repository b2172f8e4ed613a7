"""How serious a line is, where the line itself says so: nothing else knows it."""

import re

#: As a function's lines name their level: Lambda's format, Python's plain format, and one JSON object to a line.
_WORD = r"(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)"
_PREFIX = re.compile(rf"\[?{_WORD}(?:\]|:|\t)")
_IN_JSON = re.compile(rf'"(?:level|levelname|severity|log\.level)"\s*:\s*"{_WORD}"', re.IGNORECASE)
#: Where in a line of JSON the level is looked for, in characters.
_LOOKED_AT = 500
_NAMES = {
    "trace": "debug",
    "notice": "info",
    "warn": "warning",
    "fatal": "critical",
}


def level_of(text: str) -> str | None:
    """debug, info, warning, error or critical; None where the line names none."""
    found = _IN_JSON.search(text[:_LOOKED_AT]) if text.startswith("{") else _PREFIX.match(text)
    if found is None:
        return None
    word = found[1].lower()
    return _NAMES.get(word, word)
