"""Under which name a pipeline run shares its outputs, and what cannot be one."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import sematic
from sematic.caching import determine_cache_namespace
from sematic.caching.git import get_git_sha_caching_namespace


@sematic.func
def root(x: int) -> int:
    return x


def determine(namespace: object) -> str | None:
    return determine_cache_namespace(namespace, root(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        (None, None),
        ("", ""),
        ("mine", "mine"),
        (lambda future: f"{future.function.__name__}-{future.kwargs['x']}", "root-1"),
        (lambda _: 5, "5"),
    ],
)
def test_names(namespace: object, name: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert determine(namespace) == name


def test_fifty_characters_count() -> None:
    with pytest.warns(UserWarning, match="Truncated the cache namespace to 50 characters"):
        assert determine("x" * 51) == "x" * 50


def _raise(_: object) -> str:
    raise KeyError("STAGE")


@pytest.mark.parametrize(("namespace", "why"), [(5, "got 5"), (_raise, "KeyError: 'STAGE'")])
def test_what_cannot_be_one_is_told_and_everything_executes(namespace: object, why: str) -> None:
    with pytest.warns(UserWarning, match="unable to use cached values! Falling back.*" + why):
        assert determine(namespace) is None


class TestGit:
    """Of a function of a module in a repository."""

    @pytest.fixture
    def repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        place = tmp_path / "repository"
        (place / "steps").mkdir(parents=True)
        module = "import sematic\n\n@sematic.func\ndef step() -> int:\n    return 1\n"
        (place / "steps" / "code_in_git.py").write_text(module)
        git(place, "init", "--quiet")
        monkeypatch.syspath_prepend(place / "steps")
        monkeypatch.chdir(tmp_path)
        yield place
        sys.modules.pop("code_in_git", None)

    def test_the_commit_and_what_changed_since(self, repository: Path) -> None:
        with pytest.raises(ValueError, match=r"git information for code_in_git\.step"):
            namespace_of_step()  # nothing was committed
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "--message", "one")
        commit = git(repository, "rev-parse", "HEAD").strip()
        assert namespace_of_step() == commit
        seen = {commit}
        for name in ("steps/code_in_git.py", "new.py", "new.py"):
            with (repository / name).open("a") as file:
                file.write("\n# changed\n")
            changed = namespace_of_step()
            assert changed == namespace_of_step()
            assert changed.startswith(f"{commit}+")
            assert len(changed) <= 50
            seen.add(changed)
        assert len(seen) == 4
        (repository / "result.bin").write_bytes(b"what pipelines leave is no code")
        assert namespace_of_step() == changed

    def test_outside_of_a_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.setenv("PATH", str(tmp_path))  # without git
        with pytest.warns(UserWarning, match=r"Could not get git information for .*\.root"):
            assert determine(get_git_sha_caching_namespace) is None


def namespace_of_step() -> str:
    import code_in_git

    return get_git_sha_caching_namespace(code_in_git.step())


def git(place: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    command = ["git", *identity, "-C", str(place), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
