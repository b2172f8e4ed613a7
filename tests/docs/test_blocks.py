"""What a page tells its reader to type works, and shows what the page says."""

import pytest
from blocks import ROOT, Reader, blocks, commands, matches

from grid import started_grid

PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "index.md",
    ROOT / "docs" / "quick-start.md",
    ROOT / "docs" / "lambda-api.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]
#: Blocks in these languages are typed by the reader.
TYPED = {"console", "python", "sh", "bash"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_whoever_follows_the_page_gets_what_it_says(page, tmp_path):
    async with started_grid() as grid:
        followed = await Reader(tmp_path, grid).follow(page)

    assert followed > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_shell_blocks_have_prompts_so_that_they_are_run(page):
    for block in blocks(page):
        assert block.language not in ("sh", "bash"), block.body
        assert block.reason or block.language != "console" or commands(block.body), block.body


def test_a_command_has_its_continuation_its_here_document_and_what_is_shown_below():
    body = "$ cat > a <<'END'\none\nEND\n$ echo a \\\n   b\na b\n"

    found = commands(body)

    assert [(one.text, one.shown) for one in found] == [("cat > a <<'END'\none\nEND", []), ("echo a \\\n   b", ["a b"])]


def test_an_ellipsis_stands_for_anything_within_a_line():
    assert matches("run … took … ms", "run r_1 took 3.4 ms")
    assert not matches("run … took … ms", "run r_1 took 3.4 s")
