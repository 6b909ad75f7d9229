"""One switch that keeps test runs from reaching a real model by accident."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recsys_core.errors import SidraError

ALLOW_MODEL_REQUESTS = True
"""False: the `openai` and `embedded` endpoints raise before they open a connection or start a process."""


class ModelRequestsForbidden(SidraError):
    """A real model was about to be asked while the switch is off.

    Deliberately no LLMError: falling back to rules would hide the test that forgot to opt in.
    """


def check_model_requests(endpoint: str) -> None:
    """Call before every connection or process start.

    Raises:
        ModelRequestsForbidden: the switch is off.
    """
    if not ALLOW_MODEL_REQUESTS:
        raise ModelRequestsForbidden(
            f"the {endpoint!r} language model was about to be asked while agents.llm.guard.ALLOW_MODEL_REQUESTS"
            " is False; wrap the test in allow_model_requests(), or use the scripted endpoint"
        )


@contextmanager
def allow_model_requests() -> Iterator[None]:
    """Switch real requests on for a block."""
    global ALLOW_MODEL_REQUESTS
    before = ALLOW_MODEL_REQUESTS
    ALLOW_MODEL_REQUESTS = True
    try:
        yield
    finally:
        ALLOW_MODEL_REQUESTS = before
