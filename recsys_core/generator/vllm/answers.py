"""What a server answers, read and believed only as far as it can be checked."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

NEVER = -9000.0
"""vLLM writes -9999 where a token has no probability at all."""

_PREFIX = len("token_id:")
_SLACK = 1e-3


class Distributions(NamedTuple):
    """Next-token distributions, as far as they came back; ``E`` tokens, neighbours where they are of one prompt.

    Attributes:
        owner: ``int64[E]``, number of the prompt.
        token: ``int64[E]``.
        log_probability: ``float64[E]``, finite.
    """

    owner: Ints
    token: Ints
    log_probability: Doubles


def distributions(answer: Any, prompts: int, release_model: str) -> Distributions:
    """Read an answer of ``/v1/completions`` with ``return_tokens_as_token_ids``.

    Args:
        answer: decoded JSON.
        prompts: how many prompts were asked.
        release_model: name that the model must have.

    Raises:
        ValueError: says what can't be true.
        KeyError, TypeError, IndexError: it has another shape.
    """
    if answer["model"] != release_model:
        raise ValueError(f"it comes from the model {answer['model']!r}, not {release_model!r}")
    choices = sorted(answer["choices"], key=lambda choice: choice["index"])
    if [choice["index"] for choice in choices] != list(range(prompts)):
        raise ValueError(f"{len(choices)} distributions came back for {prompts} prompts")
    owner, token, value = [], [], []
    for number, choice in enumerate(choices):
        for name, log_probability in choice["logprobs"]["top_logprobs"][0].items():
            if log_probability is None or not math.isfinite(log_probability):
                raise ValueError(f"a log-probability is {log_probability}, not a number")
            if log_probability > NEVER:
                owner.append(number)
                token.append(int(name[_PREFIX:]))
                value.append(log_probability)
    owners = np.array(owner, dtype=np.int64)
    values = np.array(value, dtype=np.float64)
    mass = np.bincount(owners, np.exp(values), minlength=prompts) if len(values) else np.zeros(prompts)
    if (mass > 1 + _SLACK).any():
        raise ValueError(f"probabilities of one distribution add up to {mass.max():.3f}")
    return Distributions(owners, np.array(token, dtype=np.int64), values)
