"""Space that is kept beside the record."""

import os
from pathlib import Path

import pytest

from sematic.tracking.ballast import BALLAST_BYTES, Ballast
from tests.disks import SmallDisk


@pytest.fixture
def ballast(tmp_path: Path) -> Ballast:
    return Ballast(tmp_path / "record.db")


def test_it_takes_up_real_space(ballast: Ballast) -> None:
    assert ballast.make()
    found = ballast.path.stat()
    assert found.st_blocks * 512 >= BALLAST_BYTES
    assert ballast.path.name == "record.db.ballast"


def test_it_is_made_once(ballast: Ballast) -> None:
    ballast.make()
    before = ballast.path.stat()
    assert ballast.make()
    after = ballast.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_was_made_half_is_made_whole(ballast: Ballast) -> None:
    ballast.path.write_bytes(b"x")
    assert ballast.make()
    assert ballast.path.stat().st_blocks * 512 >= BALLAST_BYTES


def test_it_can_be_freed_once(ballast: Ballast) -> None:
    ballast.make()
    assert ballast.free()
    assert not ballast.free()
    assert not ballast.path.exists()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert not Ballast(tmp_path / "missing" / "record.db").make()


def test_little_room_is_left_to_others(small_disk: SmallDisk) -> None:
    ballast = Ballast(small_disk.path / "record.db")
    small_disk.fill(but=BALLAST_BYTES * 5 // 4)
    assert not ballast.make()
    assert not ballast.path.exists()
    small_disk.make_room()
    assert ballast.make()


def test_freeing_it_makes_room(small_disk: SmallDisk) -> None:
    ballast = Ballast(small_disk.path / "record.db")
    ballast.make()
    small_disk.fill()
    other = small_disk.path / "other"
    with pytest.raises(OSError, match="No space left"), open(other, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
    ballast.free()
    with open(other, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES // 2)
