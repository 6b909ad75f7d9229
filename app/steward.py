"""Follows the plan that a release is served by, and takes a promoted one back when it breaks its promises in use.

A promotion, here or by another process, is served within seconds without a request waiting. While a promoted plan is
in force, answers are timed, and now and then somebody who was just served is asked about again, behind their back and
only while nobody waits: with the newest item of their history hidden, by the plan and by the release as it was built.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

from recsys_core.errors import SidraError

if TYPE_CHECKING:
    from app.runtime import Runtime
    from recsys_core.serving.recommender import Recommender
    from recsys_core.tuning.in_use import InUse

logger = logging.getLogger("sidra.steward")

PERIOD_S = 1.0
"""How often the plan's file is looked at."""
QUEUE = 50
"""People who wait to be asked about; older ones are dropped."""


class Steward:
    """One API process's steward.

    Args:
        runtime: what it looks after.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._task: asyncio.Task[None] | None = None
        self._stamp: tuple[int, int] | None = None
        self._use: InUse | None = None
        self._as_built: Recommender | None = None
        self._people: deque[str] = deque(maxlen=QUEUE)
        self.trouble = ""
        """Why the plan on disk isn't served, when it can't be; empty otherwise."""

    def start(self) -> None:
        """Begin to follow; the recommender must be open."""
        self._task = asyncio.create_task(self._follow(), name="steward")

    async def close(self) -> None:
        """Stop; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await asyncio.to_thread(self._forget)

    def served(self, user_id: str | None, seconds: float | None = None) -> None:
        """Somebody was served; costs nothing while no promoted plan is in force.

        Args:
            user_id: who, where that is known.
            seconds: how long recommending took; None where other things took time too.
        """
        if self._use is None:
            return
        if seconds is not None:
            self._use.served(1000 * seconds)
        if user_id is not None and self._runtime.settings.watch_quality:
            self._people.append(user_id)

    @property
    def figures(self) -> dict[str, float]:
        """What is known of the promoted plan in use; empty without one."""
        return self._use.figures() if self._use is not None else {}

    async def look(self) -> None:
        """Look once: is the plan on disk the one that is served, and does it keep its promises?"""
        from recsys_core.tuning.promotion import stamp

        live = self._runtime.live
        now = await asyncio.to_thread(stamp, live.current().release)
        if now != self._stamp:
            await asyncio.to_thread(self._take_over, first=self._stamp is None)
            self._stamp = now
        use = self._use
        if use is None:
            return
        if self._people and self._runtime.idle():
            await self._runtime.run(self._sample, self._people.popleft(), use)
        if broken := use.breach():
            await asyncio.to_thread(self._take_back, use, broken)

    async def _follow(self) -> None:
        while True:
            try:
                await self.look()
            except SidraError as error:
                if str(error) != self.trouble:  # said once, not every second
                    logger.error("the plan can't be followed: %s", error)
                self.trouble = str(error)
            except Exception:
                # whatever happens here, requests go on being answered
                logger.exception("the plan can't be followed")
            await asyncio.sleep(PERIOD_S)

    def _take_over(self, *, first: bool) -> None:
        from recsys_core.tuning.in_use import InUse
        from recsys_core.tuning.promotion import in_force

        live = self._runtime.live
        found = in_force(live.current().release, live.current().generator)
        self._forget()
        if live.current().scorer.plan != found.plan or not first:
            live.reload()
        self.trouble = ""
        if found.promotion is not None:
            self._use = InUse(found.promotion)

    def _take_back(self, use: InUse, broken: str) -> None:
        from recsys_core.errors import ConfigError
        from recsys_core.tuning.promotion import roll_back

        release = self._runtime.live.current().release
        try:
            roll_back(release, "the watch over what is in use", broken, expected=use.promotion.plan)
            logger.warning("the promoted plan was taken back: %s", broken)
        except ConfigError as error:
            logger.info("not taken back: %s", error)  # somebody was quicker
        self._use = None

    def _sample(self, user_id: str, use: InUse) -> None:
        import numpy as np

        from recsys_core.generator.protocol import GenerateRequest
        from recsys_core.metrics import ndcg_at, target_ranks
        from recsys_core.serving.plan import AS_BUILT
        from recsys_core.serving.recommender import Recommender

        now = self._runtime.live.current()
        history = [item for item in now.history(user_id) or [] if item in now.catalogue]
        if len(history) < 3 or history[-1] in history[:-1]:
            return
        if self._as_built is None:
            self._as_built = Recommender.open(now.release, plan=AS_BUILT)
        if history[-1] not in self._as_built.catalogue:
            return  # newer than the release
        request = GenerateRequest(history=history[:-1], k=10)
        quality = []
        for recommender in (now, self._as_built):
            ids = recommender.catalogue.indices([item.item_id for item in recommender.recommend([request])[0].items])
            ranks = target_ranks(np.array([ids]), recommender.catalogue.indices([history[-1]]))
            quality.append(float(ndcg_at(ranks, 10)[0]))
        use.sampled(*quality)

    def _forget(self) -> None:
        self._use = None
        self._people.clear()
        opened, self._as_built = self._as_built, None
        if opened is not None:
            opened.close()
