"""docs/architecture.md lists the modules that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_is_in_the_layout() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listing = text.split("<!-- layout")[1].split("Planned:")[0]
    rows = re.findall(r"^\| (`.+?) \|", listing, flags=re.MULTILINE)
    documented = {name.rstrip("/") for row in rows for name in re.findall(r"`([\w/]+)`", row)}
    package = ROOT / "sematic"
    modules = {path.stem for path in package.glob("*.py")}
    packages = {path.parent.name for path in package.glob("*/*.py")}
    assert documented == modules | packages
