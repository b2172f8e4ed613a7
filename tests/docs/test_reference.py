"""The reference says what the code says, and the site can be built of it, offline."""

import json
import re
import subprocess
import sys

import pytest
from blocks import ROOT
from reference import pages

from nanogrid.api.advice import FAILURES, REFUSALS
from nanogrid.api.docs_page import docs_page
from nanogrid.errors import NanoGridError
from nanogrid.model import ErrorKind
from nanogrid.observe import Metrics

DASHBOARD = ROOT / "examples" / "grafana" / "nanogrid.json"
_EVENT = re.compile(r'\.(info|warning|error)\(\s*"([a-z_]+\.[a-z_]+)"')
_FETCHED = re.compile(
    r'<(?:script|img|iframe)[^>]+src="(https?:[^"]+)"|<link[^>]+(?:stylesheet|preload)[^>]+href="(https?:[^"]+)"'
)


def tree(kind=NanoGridError):
    """The classes of `nanogrid.errors`; the SDK's own are not refused with."""
    ours = [kind] if kind.__module__ == "nanogrid.errors" else []
    return [*ours, *(found for child in kind.__subclasses__() for found in tree(child))]


@pytest.mark.parametrize(("path", "text"), pages().items(), ids=lambda value: getattr(value, "stem", ""))
def test_the_page_is_what_the_code_says(path, text):
    assert path.read_text() == text, "run `make reference`"


def test_every_error_has_its_advice():
    assert set(tree()) == set(REFUSALS)


def test_every_kind_of_failure_has_its_advice():
    assert set(FAILURES) == set(ErrorKind)


def test_the_grid_itself_explains_each_error_where_its_type_points():
    page = docs_page([], "1").decode()

    for code in [*(kind.code for kind in REFUSALS), *(kind.value for kind in FAILURES)]:
        assert f'<article id="{code}">' in page


def test_every_event_of_the_log_is_documented_with_its_level():
    source = "\n".join(path.read_text() for path in (ROOT / "src" / "nanogrid").rglob("*.py"))
    documented = re.findall(
        r"^\| `([a-z_.]+)` \| (info|warning|error) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )

    assert {(event, level) for level, event in _EVENT.findall(source)} == set(documented)


def names_of_series():
    names = set()
    for family in Metrics().registry.collect():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + end for end in ends}
    return names


@pytest.mark.parametrize("path", [DASHBOARD, ROOT / "docs" / "metrics.md", ROOT / "docs" / "how-to" / "watch.md"])
def test_expressions_use_only_metrics_that_there_are(path):
    used = set(re.findall(r"\bnanogrid_[a-z_]+", path.read_text()))

    assert used - names_of_series() - {name.removesuffix("_bucket") for name in names_of_series()} == set()


def test_the_dashboard_shows_every_metric():
    used = set(re.findall(r"\bnanogrid_[a-z_]+", DASHBOARD.read_text()))

    shown = {
        family.name for family in Metrics().registry.collect() if any(name.startswith(family.name) for name in used)
    }
    assert shown == {family.name for family in Metrics().registry.collect()}
    assert all(panel["targets"] for panel in json.loads(DASHBOARD.read_text())["panels"])


def test_the_site_is_built_without_a_warning_and_fetches_nothing_from_elsewhere(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stdout + built.stderr
    found = list(tmp_path.rglob("*.html"))
    assert len(found) > 15
    assert [_FETCHED.findall(page.read_text()) for page in found] == [[]] * len(found)
