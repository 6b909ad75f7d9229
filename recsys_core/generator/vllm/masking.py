"""Writing a step's rules into logits, in torch operations that run on any device; for both plug-ins."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_core.generator.vllm.served import Ints, Prepared, ServedRelease, Step


def constrain_(logits: Tensor, rows: Sequence[int], tails: Ints, rules: Sequence[Prepared], of: ServedRelease) -> None:
    """Leave only open continuations in some rows, in place; other rows aren't touched.

    Args:
        logits: ``float32[B, V]``.
        rows: which rows have rules.
        tails: ``int64[R, L]``, their newest tokens, -1 before the first.
        rules: one a row.
        of: the release they are over.
    """
    write_(logits, rows, of.step(tails, rules))


def write_(logits: Tensor, rows: Sequence[int], step: Step) -> None:
    """Log-probabilities of open continuations into their places, -inf everywhere else in the rows."""
    device, count = logits.device, len(rows)

    def there(array: object) -> Tensor:
        return torch.as_tensor(array, device=device)

    place, owner, token, opened = (there(a) for a in (list(rows), step.owner, step.token, step.opened))
    values = logits[place[owner], token].float() * there(step.factor)[owner]
    # a softmax over every row's continuations, closed ones included
    highest = values.new_full((count,), -torch.inf).scatter_reduce_(0, owner, values, "amax")
    highest = torch.where(torch.isinf(highest), 0.0, highest)
    mass = values.new_zeros(count).index_add_(0, owner, (values - highest[owner]).exp())
    normalised = values - (highest + mass.log())[owner]
    kept = values.new_zeros(count).index_add_(0, owner, torch.where(opened, 0.0, normalised.exp()))
    some = torch.zeros(count, dtype=torch.bool, device=device).index_put_((owner[opened],), there(True))
    # padding has what closed continuations would have had, so that a softmax over the row changes nothing
    rest = torch.where(there(step.keeps), kept.log(), -torch.inf)
    rest = torch.where(some, rest, 0.0)
    logits[place] = -torch.inf
    logits[place[owner[opened]], token[opened]] = normalised[opened].to(logits.dtype)
    logits[place, there(step.rest)] = rest.to(logits.dtype)
