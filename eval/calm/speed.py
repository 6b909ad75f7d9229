"""How long a text takes that was calmed before: what a person waits for when they look at it again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from agents.calm.adjust import Calmer
from agents.calm.types import CalmRequest, Mode
from agents.llm.protocol import ChatModel

_MOST = 200


def cached_speed(
    calmer: Calmer, requests: Sequence[CalmRequest], mode: Mode, llm: ChatModel | None
) -> dict[str, float]:
    """Milliseconds to find one calmed text again, of the last 200 requests.

    Args:
        calmer: that calmed them.
        requests: what was calmed.
        mode: in which mode.
        llm: the language model it was calmed with.

    Returns:
        ``cached_ms`` (median of the wall clock), ``cached_cpu_ms`` (mean of processor time), and
        ``cached_found``, the share that was found; without any found the times are left out.
    """
    chosen = requests[-_MOST:]
    walls, found = [], 0
    cpu = time.process_time()
    for request in chosen:
        began = time.perf_counter()
        found += calmer.cached(request, mode, llm) is not None
        walls.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    figures = {"cached_found": found / max(1, len(chosen))}
    if found:
        figures["cached_ms"] = 1000.0 * sorted(walls)[len(walls) // 2]
        figures["cached_cpu_ms"] = 1000.0 * cpu / len(chosen)
    return figures
