"""Warnings for who runs a pipeline: from any thread, at the line of theirs that runs it."""

import logging
import sys
import warnings
from collections.abc import Callable

from sematic.error_records import is_ours


def build_teller() -> Callable[[str], None]:
    """A function that warns with a sentence, as if the user's line that leads here did.

    It may be called from any thread, and never raises, also where warnings are errors. Where no
    line of theirs does, because they have typed a command, it prints the sentence alone.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    module: str = frame.f_globals.get("__name__", "__main__")
    if module.partition(".")[0] == "click":  # which has called a command of this package
        return _print_sentence
    registry = frame.f_globals.setdefault("__warningregistry__", {})

    def tell(sentence: str) -> None:
        try:
            warnings.warn_explicit(sentence, UserWarning, file, line, module, registry)
        except Exception:  # noqa: BLE001 - a filter makes it an error, or whoever shows it failed
            logging.getLogger("sematic").warning(sentence)

    return tell


def _print_sentence(sentence: str) -> None:
    try:
        sys.stderr.write(f"{sentence}\n")
    except Exception:  # noqa: BLE001 - as above; there is nowhere left to tell of it
        logging.getLogger("sematic").warning(sentence)
