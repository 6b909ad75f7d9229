"""The ``lm`` generator asked over HTTP, as serving sees a generator family; in process when no server can be used."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import NoServerError
from recsys_core.generator.family import Rules
from recsys_core.generator.fusion import Fusion
from recsys_core.generator.lm.generator import LmGenerator
from recsys_core.generator.lm.vocabulary import LmVocabulary
from recsys_core.generator.vllm.pool import ServerPool
from recsys_core.generator.vllm.search import ServerFound, ServerSearch

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Answer = TypeVar("Answer")

logger = logging.getLogger("sidra.generator")

DEGRADED = "no generator server could be used, so the same model answered in process"
"""What those who asked are told; the log has addresses and reasons."""

QUIET_S = 10.0
"""Seconds after which the log hears again that no server can be used."""

TOGETHER = 16
"""Calls that may be under way at once, of one batch or of several."""


@dataclass
class Asked:
    """One request.

    Attributes:
        history: item indices, newest last.
        instruction: plain words.
        prompt: both as tokens.
        degraded: why it was answered in process; empty while servers answer it.
    """

    history: Ints
    instruction: str
    prompt: list[int]
    degraded: str = ""


class Requests:
    """Requests as token numbers; nothing was computed yet.

    Args:
        asked: in order; parts of a batch share them, so that what befell one is known to the whole.
    """

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.asked = list(asked)

    def take(self, rows: Ints) -> Requests:
        """Some of the requests, in the given order: int64[b]."""
        return Requests([self.asked[row] for row in rows.tolist()])

    @property
    def degraded(self) -> list[str]:
        """Why each request was answered in process; empty where servers answered it."""
        return [one.degraded for one in self.asked]


class VllmGenerator:
    """The family ``vllm``. Safe to share between threads.

    Args:
        vocabulary: of the release's lm.
        index: of the release.
        pool: servers of the release.
        in_process: loads the same model here; called when no server can be used, once.
    """

    def __init__(
        self,
        vocabulary: LmVocabulary,
        index: ConstraintIndex,
        pool: ServerPool,
        in_process: Callable[[], LmGenerator],
    ) -> None:
        self.vocabulary = vocabulary
        self.index = index
        self.pool = pool
        self.searching = ServerSearch(pool, vocabulary.layout, index)
        self._load = in_process
        self._loaded: LmGenerator | None = None
        self._quiet_until = 0.0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(TOGETHER, thread_name_prefix="generator-server")

    def encode(self, histories: Sequence[Ints], instructions: Sequence[str]) -> Requests:
        """Turn requests into tokens; see :meth:`recsys_core.generator.family.Family.encode`."""
        words = self.vocabulary.encode(instructions)
        prompt = self.vocabulary.layout.prompt
        return Requests(
            [
                Asked(history, instruction, prompt(tokens, history))
                for history, instruction, tokens in zip(histories, instructions, words, strict=True)
            ]
        )

    def search(
        self, encoded: Requests, rules: Rules, widths: Ints, pool: int, fusion: Fusion | None = None
    ) -> tuple[ServerFound, dict[str, float]]:
        """See :meth:`recsys_core.generator.family.Family.search`."""
        started = time.perf_counter()
        travelling = [self._rule(rules, row) for row in range(len(encoded.asked))]
        groups = _grouped(travelling)
        ruled = time.perf_counter()

        def group(rows: Ints) -> ServerFound:
            prompts = [encoded.asked[row].prompt for row in rows.tolist()]
            first = int(rows[0])
            return self.searching.search(prompts, rules.allowed[first], travelling[first], widths[rows], pool, fusion)

        def here(rows: Ints) -> ServerFound:
            model = self._here()
            part = [encoded.asked[row] for row in rows.tolist()]
            read = model.encode([one.history for one in part], [one.instruction for one in part])
            found, _ = model.search(read, rules.take(rows), widths[rows], pool, fusion)
            return ServerFound(found.items, found.log_probability, found.fused, found.spread, found.forwarded)

        parts = self._each(encoded, groups, group, here)
        found = _together(len(encoded.asked), groups, parts)
        timings = {"rules": (ruled - started) * 1e3, "search": (time.perf_counter() - ruled) * 1e3}
        return found, timings

    def log_probabilities(self, encoded: Requests, items: Ints) -> Floats:
        """Exact log-probability of given items: int64[B, M] (-1 = padding) to float32[B, M]."""
        wanted = [np.unique(row[row >= 0]) for row in items]
        groups = _grouped([json.dumps(row.tolist()) for row in wanted])

        def group(rows: Ints) -> Floats:
            own = wanted[int(rows[0])]
            if not len(own):
                return np.full((len(rows), items.shape[1]), -np.inf, dtype=np.float32)
            prompts = [encoded.asked[row].prompt for row in rows.tolist()]
            known = self.searching.log_probabilities(prompts, own)
            place = np.searchsorted(own, items[rows]).clip(max=len(own) - 1)
            return np.where(items[rows] >= 0, np.take_along_axis(known, place, axis=1), -np.inf).astype(np.float32)

        def here(rows: Ints) -> Floats:
            model = self._here()
            part = [encoded.asked[row] for row in rows.tolist()]
            read = model.encode([one.history for one in part], [one.instruction for one in part])
            return model.log_probabilities(read, items[rows])

        found = np.full(items.shape, -np.inf, dtype=np.float32)
        for rows, part in zip(groups, self._each(encoded, groups, group, here), strict=True):
            found[rows] = part
        return found

    def item_head(self, encoded: Requests) -> Floats:
        """Log-probability of every item by one softmax over the catalogue: float32[B, n_items].

        The whole catalogue comes back from the server: with many items this is the slowest thing to ask for.
        """
        rows = np.arange(len(encoded.asked))

        def here(rows: Ints) -> Floats:
            model = self._here()
            read = model.encode([one.history for one in encoded.asked], [one.instruction for one in encoded.asked])
            return model.item_head(read)

        prompts = [one.prompt for one in encoded.asked]
        (head,) = self._each(encoded, [rows], lambda rows: self.searching.item_head(prompts), here)
        return head

    def close(self) -> None:
        """Let go of connections and threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.pool.close()

    def _rule(self, rules: Rules, row: int) -> str:
        if rules.filters:
            return self.searching.rule("catalogue", rules.filters[row], rules.excluded[row])
        return self.searching.rule("catalogue", None, np.flatnonzero(~rules.allowed[row]))

    def _each(
        self,
        encoded: Requests,
        groups: Sequence[Ints],
        ask: Callable[[Ints], Answer],
        here: Callable[[Ints], Answer],
    ) -> list[Answer]:
        """Ask servers for every group of rows, side by side; what they can't answer is computed here."""

        def one(rows: Ints) -> Answer | NoServerError:
            try:
                return ask(rows)
            except NoServerError as error:
                return error

        found = [one(rows) for rows in groups] if len(groups) == 1 else list(self._threads.map(one, groups))
        answers = []
        for rows, answer in zip(groups, found, strict=True):
            if isinstance(answer, NoServerError):
                self._warn(answer)
                for row in rows.tolist():
                    encoded.asked[row].degraded = DEGRADED
                answer = here(rows)
            answers.append(answer)
        return answers

    def _warn(self, error: NoServerError) -> None:
        """Tell the log, but not for every request while it lasts."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_S
            logger.warning("%s; answering in process", error)

    def _here(self) -> LmGenerator:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded


def _grouped(keys: Sequence[str]) -> list[Ints]:
    """Rows with equal keys, in order of their first."""
    found: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return [np.array(rows, dtype=np.int64) for rows in found.values()]


def _together(requests: int, groups: Sequence[Ints], parts: Sequence[ServerFound]) -> ServerFound:
    """Parts of a batch as one."""
    width = max((part.items.shape[1] for part in parts), default=0)
    items = np.full((requests, width), -1, dtype=np.int64)
    log_probability = np.full((requests, width), -np.inf, dtype=np.float32)
    fused, spread = log_probability.copy(), np.zeros(requests, dtype=np.float32)
    for rows, part in zip(groups, parts, strict=True):
        own = part.items.shape[1]
        items[rows, :own], log_probability[rows, :own] = part.items, part.log_probability
        fused[rows, :own], spread[rows] = part.fused, part.spread
    return ServerFound(items, log_probability, fused, spread, sum(part.forwarded for part in parts))
