"""Writes the pages of the reference that are made from the code. `python tests/docs/reference.py` writes them anew."""

import re
from inspect import getsource
from pathlib import Path
from typing import Any

from msgspec import NODEFAULT, Struct
from prometheus_client.core import Metric

from nanogrid.api.advice import FAILURES, REFUSALS, Advice
from nanogrid.api.errors import status_of
from nanogrid.cloud.worker.settings import InstanceSettings
from nanogrid.config import Config
from nanogrid.gateway.lambda_api.operations import OPERATIONS
from nanogrid.gateway.lambda_api.table import HAS
from nanogrid.observe import Metrics

DOCS = Path(__file__).parents[2] / "docs"
_FIELD = re.compile(r"((?:    #: [^\n]+\n)+)    (\w+): ")


def errors() -> str:
    refused = [_section(kind.code, f"Status {status_of(kind)}. ", advice) for kind, advice in REFUSALS.items()]
    failed = [_section(kind.value, "", advice) for kind, advice in FAILURES.items()]
    return "\n".join(
        [
            "# Errors\n",
            "Every refusal carries a `code`, every failed run an `error.kind`; here is each of them. A grid explains",
            "them itself, too: the `type` of a refusal is a place on its page `/docs`.\n",
            "## How a request is refused\n",
            *refused,
            "## How a run fails\n",
            "The function's failure is no refusal: the answer is a 200 whose run has one of these as `error.kind`.\n",
            *failed,
        ]
    )


def _section(code: str, before: str, advice: Advice) -> str:
    return f"### {code}\n\n{before}{advice.cause}\n\n**What to do.** {advice.remedy}\n"


def settings(kind: type[Struct], left_out: str = "") -> str:
    rows = [
        f"| `NANOGRID_{name.upper()}` | {_default(kind, name)} | {meaning} |"
        for name, meaning in _meanings(kind).items()
        if name != left_out
    ]
    return "\n".join(["| variable | default | |", "|---|---|---|", *rows])


def _meanings(kind: type) -> dict[str, str]:
    """What the comment above each field says."""
    return {name: " ".join(text.replace("#:", "").split()) for text, name in _FIELD.findall(getsource(kind))}


def _default(kind: type[Struct], name: str) -> str:
    values: dict[str, Any] = dict(zip(kind.__struct_fields__, kind.__struct_defaults__, strict=True))
    value = values[name]
    if value in ("", ()):
        return ""
    return "see below" if value is NODEFAULT else f"`{str(value).lower()}`"


def metrics() -> str:
    rows = ["| name | kind | labels | |", "|---|---|---|---|"]
    for family in Metrics().registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append(f"| `{name}` | {family.type} | {_labels(family)} | {family.documentation} |")
    return "\n".join(rows)


def _labels(family: Metric) -> str:
    """What a family is counted by: it knows it itself, or the metric that has its name does."""
    known = [family, *(one for one in vars(Metrics()).values() if getattr(one, "_name", "") == family.name)]
    names = next(one._labelnames for one in known if hasattr(one, "_labelnames"))
    return ", ".join(f"`{name}`" for name in names)


def operations() -> str:
    rows = ["| operation | | |", "|---|---|---|"]
    for operation in OPERATIONS:
        has = HAS.get(operation.name)
        state = "501" if has is None else "partly" if has.missing else "yes"
        rows.append(f"| `{operation.name}` | {state} | {has.missing if has else ''} |")
    return "\n".join(rows)


def placed(page: str, name: str, text: str) -> str:
    marked = f"<!-- {name} -->\n{text}\n<!-- /{name} -->"
    return re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _: marked, page, flags=re.DOTALL)


def _settings_page(page: str) -> str:
    page = placed(page, "settings", settings(Config))
    return placed(page, "worker settings", settings(InstanceSettings, left_out="metadata_url"))


def pages() -> dict[Path, str]:
    """Each page with what the code says."""
    return {
        DOCS / "errors.md": errors(),
        DOCS / "settings.md": _settings_page((DOCS / "settings.md").read_text()),
        DOCS / "lambda-api.md": placed((DOCS / "lambda-api.md").read_text(), "operations", operations()),
        DOCS / "metrics.md": placed((DOCS / "metrics.md").read_text(), "metrics", metrics()),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
