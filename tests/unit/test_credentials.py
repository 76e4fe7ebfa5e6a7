"""No password, key or token of a URL is shown or recorded."""

import subprocess
import sys

import pytest

from sematic.credentials import MASK, hide_all_credentials, hide_credentials
from sematic.tracking.environment import describe_command, describe_git


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:pw@host/db", f"postgresql://me:{MASK}@host/db"),
        ("postgresql://me:p@w:/d@host/db", f"postgresql://me:{MASK}@host/db"),
        ("postgresql://:pw@host/db", f"postgresql://:{MASK}@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        (
            "postgresql://host/db?user=me&password=pw",
            f"postgresql://host/db?user=me&password={MASK}",
        ),
        ("postgresql://host/db?sslPassword=pw&a=b", f"postgresql://host/db?sslPassword={MASK}&a=b"),
        ("s3://AKIA:pw@bucket/folder", f"s3://AKIA:{MASK}@bucket/folder"),
        (
            "s3://bucket?access_key=a&secret_key=b",
            f"s3://bucket?access_key={MASK}&secret_key={MASK}",
        ),
        ("https://me:pw@host/a.git", f"https://{MASK}@host/a.git"),
        ("https://ghp_token@host/a.git", f"https://{MASK}@host/a.git"),
        ("https://pw:x-oauth-basic@host/a.git", f"https://{MASK}@host/a.git"),
        ("git@host:me/a.git", "git@host:me/a.git"),
        ("ssh://git@host/a.git", "ssh://git@host/a.git"),
        ("https://host/a@b.git", "https://host/a@b.git"),
        ("me:pw@host/db", f"me:{MASK}@host/db"),
        ("sqlite:////home/me/a.db", "sqlite:////home/me/a.db"),
        ("/home/me/artifacts", "/home/me/artifacts"),
    ],
)
def test_credentials_are_hidden_and_all_else_is_shown(url: str, shown: str) -> None:
    assert hide_credentials(url) == shown


def test_every_url_of_a_text_is_looked_at() -> None:
    text = "run.py --db postgresql://me:pw@host/db 'https://host/?token=pw' mail@host a:b"
    hidden = f"run.py --db postgresql://me:{MASK}@host/db 'https://host/?token={MASK} mail@host a:b"
    assert hide_all_credentials(text) == hidden


def test_the_recorded_git_remote_has_no_token(tmp_path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=me", "-c", "user.email=me@host"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "-m", "first")
    git("remote", "add", "origin", "https://me:pw@host/a.git")
    described = describe_git(str(tmp_path))
    assert described is not None
    assert described["remote"] == f"https://{MASK}@host/a.git"


def test_the_recorded_command_has_no_password(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", "postgresql://me:pw@host/db"])
    assert describe_command()["command"] == f"python run.py postgresql://me:{MASK}@host/db"
