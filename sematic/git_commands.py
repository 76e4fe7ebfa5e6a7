"""Questions to git, as its command answers them."""

import subprocess

_SECONDS = 5.0


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
