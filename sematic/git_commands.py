"""Questions to git, as its command answers them."""

import os
import subprocess

_SECONDS = 5.0
# In hooks of git, which may run pipelines too, these name another repository than the directory's.
_CHOICES = frozenset(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"))


def run_git(directory: str, *arguments: str) -> str | None:
    """What git prints, ``None`` where there is no git, no repository or no answer in time.

    Args:
        directory: any directory of the repository.
        arguments: a command that only reads.
    """
    command = ["git", "--no-optional-locks", "-C", directory, *arguments]
    try:
        done = subprocess.run(
            command,
            env={name: value for name, value in os.environ.items() if name not in _CHOICES},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # to read from one pipe takes half as long as from two
            text=True,
            errors="surrogateescape",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
