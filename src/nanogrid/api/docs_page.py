"""The API for a person: one page, no scripts, nothing fetched from anywhere."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from nanogrid.api.advice import FAILURES, REFUSALS, Advice
from nanogrid.api.errors import status_of
from nanogrid.api.openapi import refusals
from nanogrid.api.route import Route

HTML = "text/html; charset=utf-8"

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#0b7a75}
@media(prefers-color-scheme:dark){:root{--accent:#4fd1c5}}
body{font:16px/1.55 system-ui,sans-serif;max-width:54rem;margin:3rem auto;padding:0 1.25rem}
h1{font-size:1.6rem;margin:0}h1[id]{margin-top:3rem}article:target{background:var(--soft)}
article{border-top:1px solid var(--line);padding:1rem 0}
h2{font:600 1rem ui-monospace,monospace;margin:0}h2 b{color:var(--accent);display:inline-block;min-width:4.5rem}
p{margin:.3rem 0}code{font:.9em ui-monospace,monospace;background:var(--soft);padding:.1em .3em;border-radius:4px}
dl{display:grid;grid-template-columns:6rem 1fr;gap:.2rem .8rem;margin:.5rem 0 0;font-size:.92rem}dd{margin:0}
dt{opacity:.7}a{color:var(--accent)}
""".strip()


def page_policy(style: str) -> str:
    """The Content-Security-Policy of a page with this one style: nothing is loaded, run or framed."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rest = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return f"default-src 'none'; style-src 'sha256-{digest}'; {rest}"


POLICY = page_policy(_STYLE)


def docs_page(routes: Iterable[Route], version: str) -> bytes:
    """The page."""
    articles = "\n".join(_article(route) for route in routes)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>NanoGrid {escape(version)}: HTTP API</title><style>{_STYLE}</style></head><body>
<h1>NanoGrid {escape(version)}: HTTP API</h1>
<p>JSON in camelCase; errors are <code>application/problem+json</code> with a stable <code>code</code>. Send
<code>Authorization: Bearer TOKEN</code>. The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>
{articles}
<h1 id="errors">Errors</h1><p>How a request is refused, by <code>code</code>.</p>
{"".join(_advised(kind.code, str(status_of(kind)), advice) for kind, advice in REFUSALS.items())}
<h1 id="failures">Failures</h1><p>How a run ends without success, by <code>error.kind</code>. The answer is a 200.</p>
{"".join(_advised(kind.value, "run", advice) for kind, advice in FAILURES.items())}
</body></html>
""".encode()


def _article(route: Route) -> str:
    rows = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in _rows(route) if text)
    title = f"<h2><b>{route.method}</b> {escape(route.path)}</h2>"
    return f'<article id="{route.operation_id}">{title}<p>{escape(route.summary)}.</p><dl>{rows}</dl></article>'


def _advised(code: str, label: str, advice: Advice) -> str:
    title = f"<h2><b>{label}</b> {escape(code)}</h2>"
    rows = f"<dt>why</dt><dd>{_marked(advice.cause)}</dd><dt>what to do</dt><dd>{_marked(advice.remedy)}</dd>"
    return f'<article id="{escape(code)}">{title}<dl>{rows}</dl></article>\n'


def _marked(text: str) -> str:
    """Text whose `backquotes` become code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))


def _rows(route: Route) -> list[tuple[str, str]]:
    return [
        ("query", _codes(route.query.__struct_encode_fields__) if route.query else ""),
        ("body", _codes(route.body.__struct_encode_fields__) if route.body else ""),
        ("headers", _codes(route.headers)),
        ("answers", ", ".join(f"{status} {HTTPStatus(status).phrase}" for status in route.statuses)),
        ("refusals", ", ".join(f"{status_of(kind)} <code>{kind.code}</code>" for kind in refusals(route))),
        ("token", "none needed" if route.public else ""),
    ]


def _codes(names: Iterable[str]) -> str:
    return " ".join(f"<code>{escape(name)}</code>" for name in names)
