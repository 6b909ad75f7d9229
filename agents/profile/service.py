"""ProfileService: the one home of users' profiles; written, chosen, kept, refreshed, corrected, forgotten.

What is asked for comes at once: a profile by rules where there is none yet. A language model rewrites it behind the
answer, and again when the release changes, interest moves or enough new items are there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict

from agents.llm.protocol import ChatModel
from agents.profile import corrections
from agents.profile.config import ProfileConfig
from agents.profile.known import Known, known_of
from agents.profile.selection import best_of, slice_of
from agents.profile.writer import Candidate, ProfileWriter, by_rules
from agents.store import ProfileStore, ProfileVersion
from recsys_core.rewards import Judge
from tools.context import Recommends

log = logging.getLogger(__name__)

BASIS = 30
"""So many of the newest items are kept with a version, to see later whether interest has moved."""


class ProfileState(BaseModel):
    """A profile as it stands."""

    model_config = ConfigDict(extra="forbid")

    profile: ProfileVersion
    """The version in force; without lines when nothing is known."""
    known: bool
    """False for a cold start: no history, no thumbs, no line."""
    pending: bool = False
    """A language model is writing; ask again in a moment."""


class ProfileService:
    """The profiles of everybody who uses one API.

    Args:
        llm: the language model; `none` is one too.
        store: where versions are kept.
        config: limits.
        judge: chooses among several candidates; the embedding judge of the open release when None.
    """

    def __init__(
        self, llm: ChatModel, store: ProfileStore, config: ProfileConfig | None = None, judge: Judge | None = None
    ) -> None:
        self.config = config or ProfileConfig()
        self.writer = ProfileWriter(llm, self.config.seconds)
        self._llm = llm
        self._store = store
        self._judge = judge
        self._writing: dict[str, asyncio.Task[ProfileVersion | None]] = {}
        # one at a time: profiles must not keep conversations from the model
        self._turn = asyncio.Semaphore(1)

    async def current(
        self,
        user_id: str,
        recommender: Recommends,
        thumbs: Mapping[str, int],
        idle: Callable[[], bool] = lambda: True,
    ) -> ProfileState:
        """The profile, at once; where it is missing or old, rules write it now and a language model behind that.

        Args:
            user_id: who.
            recommender: the release that answers.
            thumbs: item id -> -1 or 1.
            idle: asked before the language model is: False while it is needed for conversations.
        """
        known = await asyncio.to_thread(known_of, recommender, user_id, thumbs)
        newest = await asyncio.to_thread(self._store.newest, user_id)
        why = await asyncio.to_thread(self._why, newest, known)
        if why and (newest is None or not self._llm.available or self._llm.status.state == "off"):
            newest = await asyncio.to_thread(self._by_rules, user_id, known, newest, why)
        waiting = newest is not None and newest.by == "rules" and self._llm.status.state != "off" and not newest.mark
        if (why or waiting) and known.items and self._llm.available and user_id not in self._writing and idle():
            task = asyncio.create_task(self._rewrite(user_id, known, recommender, why or "first written by rules"))
            self._writing[user_id] = task
            task.add_done_callback(lambda _: self._writing.pop(user_id, None))
        newest = newest or ProfileVersion(release=known.release, why="nothing is known", by="rules")
        return ProfileState(profile=newest, known=bool(known.items or newest.lines), pending=user_id in self._writing)

    async def refresh(
        self, user_id: str, recommender: Recommends, thumbs: Mapping[str, int], why: str = "you asked for it"
    ) -> ProfileState:
        """Write the profile anew now, by the language model where there is one, and wait for it."""
        known = await asyncio.to_thread(known_of, recommender, user_id, thumbs)
        if (running := self._writing.get(user_id)) is not None:
            await asyncio.wait([running])
        await self._rewrite(user_id, known, recommender, why)
        newest = await asyncio.to_thread(self._store.newest, user_id)
        newest = newest or ProfileVersion(release=known.release, why="nothing is known", by="rules")
        return ProfileState(profile=newest, known=bool(known.items or newest.lines))

    def words(self, user_id: str, recommender: Recommends, thumbs: Mapping[str, int]) -> tuple[str, str]:
        """What conditions recommendations: the user's own lines, and the whole profile. Blocking, without a model.

        Returns:
            Own words (empty where the user wrote nothing) and the text of the profile.
        """
        newest = self._store.newest(user_id)
        if newest is None:
            return "", by_rules(known_of(recommender, user_id, thumbs).facts()).text
        return "\n".join(line.text for line in newest.lines if line.by == "user"), newest.text

    def versions(self, user_id: str) -> list[ProfileVersion]:
        """All kept versions, newest first."""
        return self._store.versions(user_id)

    def correct(self, user_id: str, change: Callable[[ProfileVersion], ProfileVersion], release: str) -> ProfileVersion:
        """Apply a correction of :mod:`agents.profile.corrections` to the version in force. Blocking.

        Raises:
            LineNotFound: no such line.
            MessageRejected: the words are empty or too long.
        """
        while True:
            newest = self._store.newest(user_id)
            before = newest or ProfileVersion(release=release, why="", by="user")
            kept = self._store.add(user_id, change(before), after=before.version)
            if kept is not None:
                return kept

    def delete_line(self, user_id: str, line_id: str, recommender: Recommends) -> ProfileVersion:
        """Delete a line, out of earlier versions too. Blocking; raises LineNotFound."""
        catalogue = recommender.catalogue
        kept = self.correct(user_id, lambda before: corrections.deleted(before, line_id, catalogue), "")
        self._store.erase_line(user_id, line_id)
        return kept

    async def stop(self, user_id: str) -> None:
        """Stop writing a user's profile, and wait until that has stopped."""
        task = self._writing.pop(user_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def forget(self, user_id: str) -> None:
        """Forget a user's profile; whoever writes it is to be stopped before. Blocking."""
        self._store.delete(user_id)

    async def settle(self, user_id: str) -> None:
        """Wait until nothing is being written for a user; for tests and measurements."""
        while (task := self._writing.get(user_id)) is not None:
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop writing; safe to call twice."""
        tasks = list(self._writing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _why(self, newest: ProfileVersion | None, known: Known) -> str:
        """Why a profile is to be written now; empty when the one in force will do."""
        if newest is None:
            return "first profile" if known.items else ""
        if not known.items:
            return ""
        if newest.release != known.release:
            return "a new release"
        new = len(known.items) - newest.interactions
        if new >= self.config.refresh_after or (new > 0 and not newest.interactions):
            return f"{new} new {known.catalogue.item_noun}"
        if new > 0 and known.moved(newest.basis, self.config.shift):
            return "your interest has moved"
        return ""

    def _by_rules(self, user_id: str, known: Known, before: ProfileVersion | None, why: str) -> ProfileVersion:
        status = self._llm.status
        mark = ""
        if status.state != "off" and not self._llm.available:
            mark = f"{status.reason or f'the language model is {status.state}'}; written by rules"
        candidate = by_rules(known.facts(), before.barred if before else (), mark)
        return self._keep(user_id, known, before, candidate, why, 1) or self._newest(user_id, known)

    async def _rewrite(self, user_id: str, known: Known, recommender: Recommends, why: str) -> ProfileVersion | None:
        """A new version; None when the user changed the profile meanwhile more often than it was tried again."""
        async with self._turn:
            for _ in range(3):
                before = await asyncio.to_thread(self._store.newest, user_id)
                candidate, tried = await self._written(user_id, known, recommender, before)
                kept = await asyncio.to_thread(self._keep, user_id, known, before, candidate, why, tried)
                if kept is not None:
                    return kept
        log.warning("a profile was corrected while it was written; it will be written again later")
        return None

    async def _written(
        self, user_id: str, known: Known, recommender: Recommends, before: ProfileVersion | None
    ) -> tuple[Candidate, int]:
        """The candidate that is to be kept, and among how many it was chosen."""
        barred = before.barred if before is not None else []
        interactions = getattr(recommender, "log", None)
        against = None
        if self.config.candidates > 1 and self._llm.available and interactions is not None:
            config = self.config
            against = await asyncio.to_thread(
                slice_of,
                known,
                interactions,
                interactions.user(user_id),
                config.held_out,
                config.others,
                len(known.past),
            )
        if against is None:
            facts = await asyncio.to_thread(known.facts)
            return (await self.writer.write(facts, known.catalogue, 1, barred))[0], 1
        facts = await asyncio.to_thread(known.facts, -self.config.held_out)
        found = await self.writer.write(facts, known.catalogue, self.config.candidates, barred)
        if len(found) == 1:
            return found[0], 1
        chosen, _ = await asyncio.to_thread(best_of, found, against, self._judged_by(recommender))
        return chosen, len(found)

    def _judged_by(self, recommender: Recommends) -> Judge:
        if self._judge is None:
            from recsys_core.rewards.embedding_judge import EmbeddingJudge

            self._judge = EmbeddingJudge(getattr(recommender, "text", None))
        return self._judge

    def _keep(
        self,
        user_id: str,
        known: Known,
        before: ProfileVersion | None,
        candidate: Candidate,
        why: str,
        tried: int,
    ) -> ProfileVersion | None:
        by = "llm" if candidate.by == "llm" else "rules"
        items = known.items
        version = ProfileVersion(
            release=known.release,
            why=why,
            by=by,  # type: ignore[arg-type]
            model=self._llm.name if by == "llm" else "",
            mark=candidate.mark,
            candidates=tried,
            lines=corrections.merged(before, candidate.lines, by),  # type: ignore[arg-type]
            barred=before.barred if before is not None else [],
            interactions=len(items),
            basis=items[-BASIS:],
        )
        return self._store.add(user_id, version, after=before.version if before is not None else 0)

    def _newest(self, user_id: str, known: Known) -> ProfileVersion:
        """What another process has just written."""
        return self._store.newest(user_id) or ProfileVersion(release=known.release, why="", by="rules")
