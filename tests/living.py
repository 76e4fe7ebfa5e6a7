"""Which processes of this machine are alive."""

from sematic.processes import load_psutil


def is_alive(pid: int) -> bool:
    """Whether a process is there, and no zombie that nobody has waited for."""
    psutil = load_psutil()
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
