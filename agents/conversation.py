"""ConversationService: threads, turns and events; the one thing that an API uses of this package."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SecretStr

from agents.config import ConversationConfig
from agents.context import AgentContext
from agents.errors import ThreadBusy, ThreadNotFound
from agents.events import EndEvent, ErrorEvent, Event, StartEvent
from agents.guard import checked_message
from agents.llm.background import BackgroundChatModel
from agents.llm.none import NoChatModel
from agents.llm.protocol import ChatModel, TurnBudget
from agents.profile.config import ProfileConfig
from agents.profile.service import ProfileService
from agents.reading.calming import Rewriter
from agents.reading.meter import Meter
from agents.reading.modes import Mode
from agents.reading.service import Readings
from agents.refining import kinds_of
from agents.remembering import Memory
from agents.state import ChatMessage, ConversationState
from agents.store import (
    DatabaseConfig,
    FactStore,
    FeedbackStore,
    ProfileStore,
    ReadingStore,
    ThreadInfo,
    ThreadRegistry,
    open_database,
)
from agents.turn import TurnRunner
from agents.view import View
from prompts import PromptMessage, prefix
from recsys_core.catalog.filters import ItemFilter
from recsys_core.errors import ConfigError
from tools.context import Recommends

if TYPE_CHECKING:
    from agents.graph import Graph
    from agents.store.checkpoints import Checkpoints


class ThreadHistory(BaseModel):
    """A thread, to read again."""

    model_config = ConfigDict(extra="forbid")

    id: str
    """Thread id."""
    title: str
    """The first message, shortened."""
    messages: list[ChatMessage]
    """Oldest first."""
    pending: bool = False
    """True when the last turn broke off and will be finished before the next one."""


class ConversationService:
    """Conversations about one release.

    Args:
        recommender: the release that answers.
        llm: the language model; started and closed by its owner.
        state_dir: folder of `conversations.sqlite` (checkpoints) and `users.sqlite` (threads, thumbs, seen items,
            lasting facts), when SQLite keeps them.
        config: limits.
        current: the release with its catalogue as it is now, asked once a turn; always ``recommender`` when None.
        database_url: address of a PostgreSQL database that keeps all of it instead of files.
        profiles: when profiles are written, and what that may cost.

    Raises:
        ConfigError: the tables of users can't be opened or reached.

    Use `start` and `close`, or `async with`.
    """

    def __init__(
        self,
        recommender: Recommends,
        llm: ChatModel,
        state_dir: Path,
        config: ConversationConfig | None = None,
        *,
        current: Callable[[], Recommends] | None = None,
        database_url: SecretStr | None = None,
        profiles: ProfileConfig | None = None,
    ) -> None:
        self._current = current or (lambda: recommender)
        self.llm = llm
        self.config = config or ConversationConfig()
        self._store = DatabaseConfig(folder=state_dir, url=database_url)
        self._database = open_database(self._store)
        self._registry = ThreadRegistry(self._database)
        self.feedback = FeedbackStore(self._database)
        self._facts = FactStore(self._database)
        self.memory = Memory(self._facts)
        self.background_llm = BackgroundChatModel(llm, lambda: bool(self._tasks))
        self.profiles = ProfileService(self.background_llm, ProfileStore(self._database), profiles)
        meter = Meter()
        self.readings = Readings(
            ReadingStore(self._database, self.config.diary_days),
            self.background_llm,
            meter,
            Rewriter(meter, state_dir / "calm"),
        )
        self._known = View.of(recommender)
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._graph: Graph | None = None
        self._checkpoints: Checkpoints | None = None

    @property
    def recommender(self) -> Recommends:
        """The release as the newest turn knows it."""
        return self._known.recommender

    async def start(self) -> None:
        """Open the checkpoints.

        Raises:
            ConfigError: they can't be opened or reached.
        """
        from agents.graph import build_graph
        from agents.store.checkpoints import open_checkpoints

        self._checkpoints = await open_checkpoints(self._store)
        self._graph = build_graph(self._checkpoints.saver)
        # read ahead what never changes in a prompt; a model that is still loading does so once it is ready
        warming = asyncio.create_task(self.llm.warm(self._prompt_prefixes()))
        self._tasks.add(warming)
        warming.add_done_callback(self._tasks.discard)

    @property
    def place(self) -> str:
        """Where conversations are kept, in words that give away no password."""
        return self._database.place

    def view(self) -> View:
        """The catalogue as it is now; may have to read new titles."""
        recommender, known = self._current(), self._known
        if known.recommender is not recommender:
            self._known = known = View.of(recommender, known)
        return known

    def _prompt_prefixes(self) -> list[list[PromptMessage]]:
        catalogue, roles = self._known.recommender.catalogue, self._known.understanding.roles
        return [
            prefix("intent", noun=catalogue.item_noun, kinds=kinds_of(catalogue, roles)),
            prefix("respond", noun=catalogue.item_noun),
        ]

    async def close(self) -> None:
        """Stop running turns and close the files; safe to call twice."""
        await self.readings.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.profiles.close()
        if self._checkpoints is not None:
            await self._checkpoints.close()
            self._checkpoints = None
        self._database.close()

    async def __aenter__(self) -> ConversationService:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def turn(
        self,
        *,
        message: str,
        user_id: str,
        thread_id: str | None = None,
        filter: ItemFilter | None = None,
        k: int = 10,
        earlier: Sequence[Mapping[str, Any]] = (),
        reading: Mode | None = None,
    ) -> AsyncIterator[Event]:
        """Answer one message, streaming.

        Closing the iterator early stops the turn; what was said so far stays in the thread, marked as stopped. A turn
        that was broken off by a crash is finished first.

        Args:
            message: what the user says.
            user_id: who; the thread is bound to them.
            thread_id: thread to go on with; None starts one.
            filter: rule set on the page.
            k: cards wanted, 1 to 50; the message may say otherwise.
            earlier: messages before this one, for clients that keep no thread id (role and content); used only when
                `thread_id` is None.
            reading: how the person chose to see texts in this thread from now on; None leaves it.

        Yields:
            Events as described in `agents.events`.

        Raises:
            MessageRejected: before the first event: empty or too long.
            GuardFailed: before the first event: the check itself failed.
            ThreadNotFound: before the first event: no such thread of this user.
            ThreadBusy: before the first event: another turn of the thread doesn't end.
            FilterError: before the first event: the filter names an unknown field.
        """
        clean = checked_message(message, self.config.max_message_chars)
        view = await asyncio.to_thread(self.view)
        if filter is not None:
            filter.mask(view.recommender.catalogue)
        if thread_id is None:
            thread_id = self._registry.create(user_id, _title(clean))
            replay = [str(m.get("content", "")) for m in earlier if m.get("role") == "user"]
        else:
            self._registry.check(thread_id, user_id)
            replay = []
        if reading is not None:
            await self.readings.choose(user_id, thread_id, reading)
        lock = await self._lock(thread_id, user_id)
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        runner = TurnRunner(self._ready(), self._registry, thread_id, queue)
        inputs: ConversationState = {
            "user_id": user_id,
            "message": clean,
            "k": max(1, min(50, k)),
            "page_filter": filter,
            "steps": [],
        }
        task = asyncio.create_task(
            self._guarded(runner, lock, inputs, replay[-self.config.replay_turns :] if replay else [], view)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            if not task.done():
                task.cancel()

    async def resume(self, thread_id: str, user_id: str) -> bool:
        """Finish a turn that a crash broke off; False when there is none.

        Raises:
            ThreadNotFound: no such thread of this user.
        """
        lock = await self._lock(thread_id, user_id)
        try:
            return await TurnRunner(self._ready(), self._registry, thread_id, asyncio.Queue()).finish_pending(
                self._context(thread_id, await asyncio.to_thread(self.view))
            )
        finally:
            lock.release()

    async def threads(self, user_id: str) -> list[ThreadInfo]:
        """Threads of a user, last used first."""
        return await asyncio.to_thread(self._registry.of, user_id)

    async def history(self, thread_id: str, user_id: str) -> ThreadHistory:
        """The messages of a thread, without cards of items that are gone.

        Raises:
            ThreadNotFound: no such thread of this user.
        """
        info = self._registry.check(thread_id, user_id)
        snapshot = await self._ready().aget_state({"configurable": {"thread_id": thread_id}})
        catalogue = (await asyncio.to_thread(self.view)).recommender.catalogue
        messages = [
            message.model_copy(update={"slate": [card for card in message.slate if card.item_id in catalogue]})
            for message in snapshot.values.get("messages", [])
        ]
        return ThreadHistory(id=info.id, title=info.title, messages=messages, pending=bool(snapshot.next))

    async def delete_thread(self, thread_id: str, user_id: str) -> None:
        """Forget a thread, its checkpoints, and what was taken back in it.

        Raises:
            ThreadNotFound: no such thread of this user.
        """
        lock = await self._lock(thread_id, user_id)
        try:
            self._registry.delete(thread_id)
            self._facts.forget_ended(user_id, thread_id)
            self.readings.store.forget_thread(user_id, thread_id)
            await self._stored().drop(thread_id)
        finally:
            lock.release()

    async def forget(self, user_id: str) -> None:
        """Remove threads, checkpoints, facts, profile, thumbs, seen items and diary of a user, and their traces."""
        # a turn that runs ends first and may leave something; one that begins meanwhile makes a thread
        while threads := await self.threads(user_id):
            for info in threads:
                try:
                    await self.delete_thread(info.id, user_id)
                except ThreadNotFound:
                    continue  # deleted by somebody else in this moment
        await self.profiles.stop(user_id)
        forgetting = (self.feedback.delete, self._facts.delete, self.profiles.forget, self.readings.store.delete)
        for delete in forgetting:
            await asyncio.to_thread(delete, user_id)
        await asyncio.to_thread(self._database.scrub)
        await self._stored().scrub()

    async def _guarded(
        self, runner: TurnRunner, lock: asyncio.Lock, inputs: ConversationState, replay: list[str], view: View
    ) -> None:
        """One turn as a task of its own: a client that goes away can't leave the thread locked or half-written."""
        try:
            context, quiet = (self._context(runner.thread_id, view, quiet=quiet) for quiet in (False, True))
            await runner.run(context, inputs, replay, quiet)
            await self._stored().prune(runner.thread_id)
        finally:
            lock.release()
            runner.queue.put_nowait(None)

    async def _lock(self, thread_id: str, user_id: str) -> asyncio.Lock:
        """The lock of a user's thread, acquired; the thread is still there then."""
        self._registry.check(thread_id, user_id)
        lock = self._locks.get(thread_id)
        if lock is None:
            lock = self._locks[thread_id] = asyncio.Lock()
        try:
            async with asyncio.timeout(self.config.busy_seconds):
                await lock.acquire()
        except TimeoutError:
            raise ThreadBusy(thread_id, self.config.busy_seconds) from None
        try:
            # it may have been deleted while this waited
            self._registry.check(thread_id, user_id)
        except ThreadNotFound:
            lock.release()
            raise
        return lock

    def _context(self, thread_id: str, view: View, *, quiet: bool = False) -> AgentContext:
        config = self.config
        release = getattr(view.recommender, "release", None)
        return AgentContext(
            recommender=view.recommender,
            llm=NoChatModel() if quiet else self.llm,
            feedback=self.feedback,
            facts=self._facts,
            profiles=self.profiles,
            understanding=view.understanding,
            titles=view.titles,
            config=config,
            budget=TurnBudget(calls=config.llm_calls, tokens=config.llm_tokens, seconds=config.llm_seconds),
            release=str(getattr(release, "id", "")),
            changes=int(getattr(view.recommender, "changes", 0)),
            thread_id=thread_id,
            readings=self.readings,
        )

    def _stored(self) -> Checkpoints:
        if self._checkpoints is None:
            raise ConfigError("the conversation service is not open; call start() first")
        return self._checkpoints

    def _ready(self) -> Graph:
        if self._graph is None:
            raise ConfigError("the conversation service has not been started; call start() first")
        return self._graph


def _title(message: str) -> str:
    return message if len(message) <= 60 else message[:57].rsplit(" ", 1)[0] + "\N{HORIZONTAL ELLIPSIS}"


__all__ = [
    "ConversationConfig",
    "ConversationService",
    "EndEvent",
    "ErrorEvent",
    "StartEvent",
    "ThreadHistory",
    "ThreadInfo",
]
