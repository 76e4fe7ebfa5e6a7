"""What holds for every file of the project, tracked or about to be."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
# Where packages come from is the business of the machine that installs them.
REGISTRIES = re.compile(
    r"""(pypi|test\.pypi|npmjs|yarnpkg|anaconda|crates|rubygems|pkg\.dev|maven)\.(org|com|io)
    | pythonhosted\.org | proxy\.golang\.org | registry\.[a-z0-9-]+\.[a-z]{2,}
    | --(extra-)?index-url | --find-links | index[-_]url\s*= | \bPIP_(EXTRA_)?INDEX_URL\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def project_files() -> list[Path]:
    """Every file that git tracks or would add."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone: what is part of the project is for git to say")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_registry_address() -> None:
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files
        if path != Path(__file__)
        and (match := REGISTRIES.search(path.read_text(encoding="utf-8", errors="ignore")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "https://pypi.org/simple",
        "https://files.pythonhosted.org/x.whl",
        "pip --index-url x",
        "registry.npmjs.org",
    ],
)
def test_a_registry_address_is_recognised(text: str) -> None:
    assert REGISTRIES.search(text)


def test_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    pattern = re.compile(r"[a-z0-9-]+==[\w.]+(; python_version (<|>=) '3\.\d+')?")
    assert pins
    assert [pin for pin in pins if not pattern.fullmatch(pin)] == []


@pytest.mark.parametrize("folder", ["sematic", "benchmarks"])
def test_source_files_are_short(folder: str) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
