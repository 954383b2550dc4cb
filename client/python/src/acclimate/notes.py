"""What the client says of what it did with a model and its data."""

from __future__ import annotations

import logging
import warnings

_logger = logging.getLogger("acclimate")


class AcclimateWarning(UserWarning):
    """Something about a model or its data that makes a result worse or surprising."""


class Notes:
    """Sentences, each said once: to the log, and kept for the report."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def say(self, sentence: str) -> None:
        if sentence not in self._sentences:
            self._sentences.append(sentence)
            _logger.info(sentence)

    def warn(self, sentence: str) -> None:
        if sentence not in self._sentences:
            self._sentences.append(sentence)
            warnings.warn(sentence, AcclimateWarning, stacklevel=2)

    def all(self) -> tuple[str, ...]:
        return tuple(self._sentences)
