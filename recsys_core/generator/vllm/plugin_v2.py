"""Sidra's rules as a logits processor of vLLM's V2 model runner (the default where Triton works).

``--logits-processors recsys_core.generator.vllm.plugin_v2:SidRules``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

from recsys_core.errors import ConfigError
from recsys_core.generator.vllm.masking import constrain_
from recsys_core.generator.vllm.served import Ints, Prepared, check_request, rule_text, served_release


class SidRules(LogitsProcessor):  # type: ignore[misc]
    """Leaves only tokens that lead to an allowed semantic ID, in the rows of requests that carry a rule.

    Raises:
        ConfigError: speculative decoding is on; drafts are not held against rules.
    """

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Refuse a request whose rule can't be kept (HTTP 400).

        Raises:
            ValueError: names the field and says what to do.
        """
        check_request(sampling_params.extra_args, sampling_params.max_tokens)

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        if getattr(vllm_config, "speculative_config", None):
            raise ConfigError("Sidra's rules don't go with speculative decoding; leave --speculative-config out")
        self.release = served_release()
        self._states = req_states
        self._slots: dict[int, Prepared] = {}

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """A request takes a slot; whatever the slot held before is forgotten."""
        self._slots.pop(req_idx, None)
        text = rule_text(sampling_params.extra_args)
        if text is not None:
            self._slots[req_idx] = self.release.rule(text)
        return text is not None

    def apply(self, logits: Tensor, ctx: Any) -> Tensor:
        """Mask ``float32[B, V]`` in place."""
        # without speculative decoding every request has one row, so the mapping on the host is that of the rows
        slots = np.asarray(ctx.idx_mapping_np)[: len(logits)].tolist()
        rows = [row for row, slot in enumerate(slots) if slot in self._slots]
        if rows:
            constrain_(logits, rows, self._tails(rows, ctx), [self._slots[slots[row]] for row in rows], self.release)
        return logits

    def _tails(self, rows: list[int], ctx: Any) -> Ints:
        """The newest tokens of some rows: ``int64[R, L]``; one small copy from the device."""
        chosen = torch.as_tensor(rows, device=ctx.pos.device)
        place = ctx.pos[chosen][:, None] + torch.arange(1 - self.release.index.levels, 1, device=ctx.pos.device)
        slot = ctx.expanded_idx_mapping[chosen][:, None].long()
        tails = self._states.all_token_ids.gpu[slot, place.clamp(min=0).long()].long()
        # the token just sampled may not be in the history yet
        tails[:, -1] = ctx.input_ids[chosen].long()
        return np.asarray(torch.where(place < 0, -1, tails).cpu().numpy(), dtype=np.int64)
