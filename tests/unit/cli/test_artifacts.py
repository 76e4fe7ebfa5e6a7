"""``sematic artifacts``."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
from click.testing import Result

import sematic
from sematic.artifacts.codecs import compiled_code
from sematic.client import get_run_output
from sematic.tracking.kept_open import close_kept
from sematic.types import Image
from tests.disks import SmallDisk
from tests.unit.cli import pipelines

Cli = Callable[..., Result]


@sematic.func
def numbers() -> list[int]:
    return list(range(100_000))


@sematic.func
def picture() -> Image:
    output = io.BytesIO()
    PIL.Image.effect_noise((200, 200), 50).save(output, "PNG")
    return Image(output.getvalue())


@sematic.func
def small_picture(form: str) -> Image:
    output = io.BytesIO()
    PIL.Image.new("RGB", (64, 1048)).save(output, form)
    return Image(output.getvalue())


@sematic.func
def of_pillow() -> PIL.Image.Image:
    return PIL.Image.new("RGB", (64, 48))


@pytest.fixture
def output_id(sematic_cli: Cli) -> Callable[[sematic.Future], str]:
    """Run a pipeline and tell its output's id."""

    def output_id(future: sematic.Future) -> str:
        shown = sematic_cli("show", pipelines.run(future), "--no-inputs").stdout
        found = re.search(r"\b[0-9a-f]{40}\b", shown)
        assert found
        return found[0]

    return output_id


def _path(config_directory: Path, artifact_id: str) -> Path:
    return config_directory / "artifacts" / artifact_id[:2] / artifact_id[2:]


def test_show_is_what_artifact_shows(
    sematic_cli: Cli, output_id: Callable[[sematic.Future], str]
) -> None:
    for future in (pipelines.add(1, 2), numbers()):
        id_ = output_id(future)
        for options in ((), ("--json",)):
            shown = sematic_cli("artifacts", "show", id_[:12], *options).stdout
            assert shown == sematic_cli("artifact", id_, *options).stdout
            assert id_ in shown


def test_get_writes_a_file(
    sematic_cli: Cli, output_id: Callable[[sematic.Future], str], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    id_ = output_id(picture())
    (line,) = sematic_cli("artifacts", "show", id_).stdout.rstrip("\n").split("\n")[4:]
    assert re.fullmatch(r"A picture \(image/png, .* KiB\)\. To look at it: sematic .*", line)
    assert sematic_cli("artifacts", "get", id_, str(path)).stdout == f"Wrote {path}\n"
    assert PIL.Image.open(path).size == (200, 200)
    assert sematic_cli("artifacts", "get", id_, str(tmp_path / "picture.jpg")).exit_code == 1
    path = tmp_path / "number.json"
    sematic_cli("artifacts", "get", output_id(pipelines.add(1, 2)), str(path))
    assert json.loads(path.read_text()) == 3


@pytest.mark.parametrize(
    ("form", "described"),
    [
        ("png", "image/png, 64 × 1,048 pixels"),
        ("jpeg", "image/jpeg, 64 × 1,048 pixels"),
        ("gif", "image/gif, 64 × 1,048 pixels"),
        ("webp", "image/webp"),
    ],
)
def test_a_small_picture_is_described_too(
    sematic_cli: Cli,
    output_id: Callable[[sematic.Future], str],
    tmp_path: Path,
    form: str,
    described: str,
) -> None:
    ending = ".jpg" if form == "jpeg" else f".{form}"
    id_ = output_id(small_picture(form))
    (line,) = sematic_cli("artifacts", "show", id_).stdout.rstrip("\n").split("\n")[4:]
    how = re.escape(f"sematic artifacts get {id_[:8]} image{ending}")
    assert re.fullmatch(rf"A picture \({described}, [\d.]+ K?i?B\)\. To look at it: {how}", line)
    path = tmp_path / f"image{ending}"
    assert sematic_cli("artifacts", "get", id_, str(path)).exit_code == 0
    assert PIL.Image.open(path).size == (64, 1048)
    wrong = sematic_cli("artifacts", "get", id_, str(tmp_path / "i.pdf"))
    assert wrong.stderr == (
        f"Error: The value is what a {ending} file is made of, which does not make a .pdf file. "
        f"Write it to a file that ends in {ending}, for example i{ending}.\n"
    )


def test_pictures_of_pillow_can_be_written_in_any_form(
    sematic_cli: Cli, output_id: Callable[[sematic.Future], str], tmp_path: Path
) -> None:
    id_ = output_id(of_pillow())
    assert f"get {id_[:8]} image.png" in sematic_cli("artifacts", "show", id_).stdout
    for name in ("image.png", "image.jpg"):
        assert sematic_cli("artifacts", "get", id_, str(tmp_path / name)).exit_code == 0
        assert PIL.Image.open(tmp_path / name).size == (64, 48)


def test_a_read_only_config_directory_can_be_looked_at(
    sematic_cli: Cli, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_CONFIG_DIR", str(small_disk.path))
    run_id = pipelines.run(pipelines.data())
    close_kept()
    small_disk.make_read_only()
    shown = sematic_cli("show", run_id).stdout
    found = re.search(r"\b[0-9a-f]{40}\b", shown)
    assert found
    for command in (
        ("runs",),
        ("why", run_id),
        ("logs", run_id),
        ("artifacts", "show", found[0]),
        ("artifacts", "check"),
        ("settings", "show"),
    ):
        assert sematic_cli(*command).exit_code == 0, command
    assert get_run_output(run_id) == pipelines.data.func()
    for command in (
        ("gc",),
        ("delete", "-y", run_id),
        ("delete", "--older-than", "0m"),
        ("settings", "set", "SNOWFLAKE_USER", "me"),
    ):
        refused = sematic_cli(*command)
        assert (refused.exit_code, "it cannot be written to" in refused.stderr) == (1, True)


def test_check_finds_what_is_damaged_or_gone(
    sematic_cli: Cli, output_id: Callable[[sematic.Future], str], config_directory: Path
) -> None:
    ids = [output_id(numbers()), output_id(pipelines.data())]
    result = sematic_cli("artifacts", "check")
    assert result.exit_code == 0
    assert re.fullmatch(r"\d+ artifacts, .*: as they were written\n", result.stdout)
    damaged, gone = (_path(config_directory, id_) for id_ in ids)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    gone.unlink()
    result = sematic_cli("artifacts", "check")
    assert result.exit_code == 1
    *lines, last = result.stdout.splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == ["damaged", "gone"]
    assert all(any(id_ in line for line in lines) for id_ in ids)
    assert last.endswith(": 2 damaged or gone")
    assert sematic_cli("artifacts", "check", ids[0]).exit_code == 1


@sematic.func
def doubling() -> object:
    return lambda number: 2 * number


def test_what_another_python_has_written_is_not_damaged(
    sematic_cli: Cli, output_id: Callable[[sematic.Future], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = output_id(doubling())
    monkeypatch.setattr(compiled_code, "THIS_PYTHON", "3.9")
    result = sematic_cli("artifacts", "check", id_)
    assert (result.exit_code, "as they were written" in result.stdout) == (0, True)
    assert "compiled, and this is Python 3.9" in sematic_cli("artifacts", "show", id_).stdout


def test_check_of_one_looks_at_no_other(
    sematic_cli: Cli, output_id: Callable[[sematic.Future], str], config_directory: Path
) -> None:
    good, gone = output_id(numbers()), output_id(pipelines.data())
    _path(config_directory, gone).unlink()
    result = sematic_cli("artifacts", "check", good[:10])
    assert result.exit_code == 0
    assert result.stdout.startswith("1 artifact, ")


def test_without_a_record_there_is_nothing_to_check(sematic_cli: Cli) -> None:
    assert sematic_cli("artifacts", "check").stdout == "0 artifacts, 0 B: as they were written\n"
    assert "There is no artifact 'abc'" in sematic_cli("artifacts", "show", "abc").stderr
    assert "There is no artifact 'abc'" in sematic_cli("artifacts", "check", "abc").stderr
