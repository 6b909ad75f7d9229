"""Errors that a person is meant to read.

Every one is a sentence that names the file, row, field or setting and says what to do next. The command line prints
the sentence and exits with status 1; the API turns it into a 4xx body.
"""

from __future__ import annotations

from collections.abc import Iterable


class SidraError(Exception):
    """Base of every error that is Sidra's to explain."""


class DataError(SidraError):
    """Input data that can't be used; the message names file, row or column and the remedy."""


class ConfigError(SidraError):
    """A setting that can't be used; the message names it."""


class BuildError(SidraError):
    """A release could not be built; the message names the stage and the measure that failed."""


class ReleaseError(SidraError):
    """A release is missing, damaged or of another schema version."""


class UnknownItemError(SidraError):
    """An item id that the release's catalogue doesn't have.

    Args:
        item_ids: the ids that were asked for and are not there.
    """

    def __init__(self, item_ids: Iterable[str]) -> None:
        self.item_ids = list(item_ids)
        shown = ", ".join(repr(i) for i in self.item_ids[:5])
        super().__init__(f"unknown item id {shown}; see `GET /v1/items/search` for ids that exist")


class RequestError(SidraError):
    """A request that this release or generator can't answer as asked; the message names the field."""


class TakenItemError(DataError):
    """A new item with the id of one that is there."""


class FilterError(SidraError):
    """A filter that names a field or compares a value in a way the catalogue can't answer.

    Args:
        message: what is wrong.
        allowed: the field names that may be used.
    """

    def __init__(self, message: str, allowed: Iterable[str] = ()) -> None:
        self.allowed = sorted(allowed)
        hint = f"; allowed fields: {', '.join(self.allowed)}" if self.allowed else ""
        super().__init__(message + hint)


class GeneratorServerError(SidraError):
    """A generator server that can't be used; the message names its address, what is wrong and the remedy.

    Args:
        url: address of the server.
        problem: what is wrong and what to do.
    """

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        super().__init__(f"generator server {url}: {problem}")


class ServerDownError(GeneratorServerError):
    """Nobody answers there, or with an error of its own (5xx)."""


class ServerSlowError(GeneratorServerError):
    """It didn't answer in time."""


class ServerReleaseError(GeneratorServerError):
    """It answers for another release."""


class ServerRefusedError(GeneratorServerError):
    """It refused the request (4xx)."""


class ServerAnswerError(GeneratorServerError):
    """Its answer can't be true: not a number, a token outside the catalogue or the rule, something left out."""


class NoServerError(SidraError):
    """None of the generator servers could be used; the message says why of each."""


class InstallError(SidraError):
    """Something that had to be installed could not be; the message says what and what to do."""
