"""Sidra's rules as a logits processor of vLLM's V1 model runner (the one that runs on processors).

``--logits-processors recsys_core.generator.vllm.plugin_v1:SidRules``
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from vllm.v1.sample.logits_processor import LogitsProcessor

from recsys_core.generator.vllm.masking import constrain_
from recsys_core.generator.vllm.served import Prepared, check_request, rule_text, served_release

Row = tuple[Prepared, list[int], list[int]]
"""Rule, prompt tokens, output tokens (a list that vLLM goes on filling)."""


class SidRules(LogitsProcessor):  # type: ignore[misc]
    """Leaves only tokens that lead to an allowed semantic ID, in the rows of requests that carry a rule."""

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Refuse a request whose rule can't be kept (HTTP 400).

        Raises:
            ValueError: names the field and says what to do.
        """
        check_request(sampling_params.extra_args, sampling_params.max_tokens)

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None:
        self.release = served_release()
        self._rows: dict[int, Row] = {}

    def is_argmax_invariant(self) -> bool:
        """False: the most probable token may be a forbidden one."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follow requests as they come, go and change places."""
        if batch_update is None:
            return
        rows = self._rows
        for row in batch_update.removed:
            rows.pop(row, None)
        for row, params, prompt, output in batch_update.added:
            text = rule_text(params.extra_args)
            if text is None:
                rows.pop(row, None)
            else:
                rows[row] = (self.release.rule(text), prompt or [], output)
        for source, target, direction in batch_update.moved:
            moved, other = rows.pop(source, None), rows.pop(target, None)
            if moved is not None:
                rows[target] = moved
            if other is not None and direction.name == "SWAP":
                rows[source] = other

    def apply(self, logits: Tensor) -> Tensor:
        """Mask ``float32[B, V]`` in place."""
        if self._rows:
            levels = self.release.index.levels
            tails = np.full((len(self._rows), levels), -1, dtype=np.int64)
            for number, (_, prompt, output) in enumerate(self._rows.values()):
                newest = [*prompt[-levels:], *output][-levels:]
                tails[number, levels - len(newest) :] = newest
            constrain_(logits, list(self._rows), tails, [rule for rule, _, _ in self._rows.values()], self.release)
        return logits
