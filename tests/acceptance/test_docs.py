"""The pages for users: their Python runs, and prints what they say."""

import re
from pathlib import Path

import pytest

from tests.acceptance.programs import ROOT, run_python

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
# A block of Python, and the block of text right below it if there is one.
BLOCKS = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
BORDER = "=== end of a block ==="


def page_blocks(page: Path) -> list[tuple[str, str | None]]:
    """The Python of a page, and what each block says that it prints."""
    found = BLOCKS.findall(page.read_text(encoding="utf-8"))
    return [(code, expected or None) for code, expected in found]


def pages() -> list[object]:
    """Pages with Python in them; those that use standalone functions start Ray."""
    return [
        pytest.param(page, marks=[pytest.mark.ray] * any("standalone=True" in c for c, _ in blocks))
        for page in PAGES
        if (blocks := page_blocks(page))
    ]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_python_of_a_page_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    blocks = page_blocks(page)
    script = tmp_path / "page.py"
    border = f"\nprint({BORDER!r})\n"
    script.write_text(border.join(code for code, _ in blocks), encoding="utf-8")
    printed = run_python(str(script), cwd=tmp_path).split(BORDER + "\n")
    for (code, expected), output in zip(blocks, printed, strict=True):
        if expected is not None:  # long lines are wrapped on the page
            assert output.split() == expected.split(), code


def test_the_most_important_pages_have_python() -> None:
    with_code = {page.name for page in PAGES if page_blocks(page)}
    assert {"README.md", "futures.md", "tutorial.md"} <= with_code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
