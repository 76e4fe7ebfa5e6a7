"""``PromptResponse``: what a language model was asked, and what it said."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptResponse:
    """A prompt to a language model, and its response."""

    __module__ = "sematic.types"

    prompt: str
    response: str
