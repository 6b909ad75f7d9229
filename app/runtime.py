"""What one API process holds: release, recommender, language model, conversations; and how far their loading is.

Loading runs behind the open port: liveness answers at once and readiness says what is still missing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from app.failures import NotReady
from app.metrics import Metrics
from app.recommending import beam_config, generator_servers
from app.settings import Settings
from app.steward import Steward
from app.tuning_job import TuningJob
from recsys_core.errors import ReleaseError, SidraError

if TYPE_CHECKING:
    from agents.conversation import ConversationService
    from agents.llm.protocol import ChatModel
    from agents.llm.settings import LLMSettings
    from agents.next_wish.service import NextWishes
    from agents.store.opening import DatabaseConfig
    from recsys_core.releases.release import Release
    from recsys_core.serving.live import LiveRecommender
    from recsys_core.serving.recommender import Recommender

logger = logging.getLogger("sidra.runtime")
Answer = TypeVar("Answer")
StageState = Literal["waiting", "loading", "ready", "failed", "off"]
STAGES = ("release", "recommender", "language_model", "conversations")
# Without these nothing can be answered; a language model that fails leaves the rules, and every answer says so.
NEEDED = ("release", "recommender", "conversations")


@dataclass
class Stage:
    """How far one part is."""

    state: StageState = "waiting"
    detail: str = ""
    seconds: float = 0.0


class Runtime:
    """The parts of one API process.

    Args:
        settings: what is in force.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.stages = {name: Stage() for name in STAGES}
        self.turns = asyncio.Semaphore(settings.max_turns)
        self.talking = 0
        self.calming = asyncio.Semaphore(8)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="recommend")
        self._waiting = 0
        self._live: LiveRecommender | None = None
        self._llm: ChatModel | None = None
        self._conversations: ConversationService | None = None
        self._next_wishes: NextWishes | None = None
        self._loading: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None
        self.steward = Steward(self)
        self.tuning = TuningJob(settings.home, settings.llm)

    @property
    def ready(self) -> bool:
        """True when every needed part is loaded and the language model's fate is known."""
        settled = self.stages["language_model"].state in {"ready", "off", "failed"}
        return settled and all(self.stages[name].state == "ready" for name in NEEDED)

    @property
    def live(self) -> LiveRecommender:
        """The open release and the changes of its catalogue.

        Raises:
            NotReady: it is still loading or can't be loaded.
        """
        if self._live is None or self.stages["recommender"].state != "ready":
            raise NotReady(self.sentence())
        return self._live

    @property
    def recommender(self) -> Recommender:
        """The open release with its catalogue as it is now; may have to read what another process changed.

        Raises:
            NotReady: it is still loading or can't be loaded.
        """
        return self.live.current()

    async def snapshot(self) -> Recommender:
        """The open release with its catalogue as it is now; a request takes it once and keeps it.

        Raises:
            NotReady: it is still loading or can't be loaded.
        """
        live = self.live
        # what another process changed may take a moment to read, and the loop has others to serve
        return await self.run(live.current) if live.behind() else live.current()

    @property
    def conversations(self) -> ConversationService:
        """The conversation service.

        Raises:
            NotReady: it is still loading or can't be loaded.
        """
        if self._conversations is None or self.stages["conversations"].state != "ready":
            raise NotReady(self.sentence())
        return self._conversations

    @property
    def next_wishes(self) -> NextWishes:
        """Who suggests what to ask for next.

        Raises:
            NotReady: conversations are still loading or can't be loaded.
        """
        if self._next_wishes is None:
            from agents.next_wish.service import NextWishes

            self._next_wishes = NextWishes(self.conversations.background_llm, self.conversations.feedback)
        return self._next_wishes

    @property
    def llm(self) -> ChatModel | None:
        """The language model, once it is made."""
        return self._llm

    def idle(self) -> bool:
        """True when no conversation is being answered."""
        return self.talking == 0

    def sentence(self) -> str:
        """One sentence on where loading stands."""
        for name in NEEDED:
            stage = self.stages[name]
            if stage.state == "failed":
                return f"Sidra can't answer: {stage.detail}"
        pending = [
            name.replace("_", " ") for name, stage in self.stages.items() if stage.state in {"waiting", "loading"}
        ]
        return f"Sidra is still loading: {', '.join(pending)}" if pending else "Sidra is ready"

    async def run(self, function: Callable[..., Answer], *args: object) -> Answer:
        """Call a blocking function on the recommender's own threads.

        Raises:
            NotReady: too many calls are waiting already.
        """
        if self._waiting >= self.settings.max_waiting + self.settings.workers:
            raise NotReady(
                "too many requests are waiting (setting SIDRA_MAX_WAITING); try again shortly", "overloaded", 1
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        finally:
            self._waiting -= 1

    def start(self) -> None:
        """Begin to load, in the background."""
        self._loading = asyncio.create_task(self._load(), name="load")

    async def wait(self) -> None:
        """Until loading has ended, one way or the other."""
        if self._loading is not None:
            await asyncio.wait([self._loading])

    async def close(self) -> None:
        """Stop loading and give everything back."""
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait([self._loading])
        if self._warming is not None:
            await asyncio.wait([self._warming])
        await self.steward.close()
        await asyncio.to_thread(self.tuning.close)
        if self._next_wishes is not None:
            await self._next_wishes.close()
        if self._conversations is not None:
            await self._conversations.close()
        if self._llm is not None:
            await self._llm.aclose()
        # A thread that is still opening the release can't be interrupted; what it opened is closed after it ends.
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
        if self._live is not None:
            await asyncio.to_thread(self._live.close)

    async def _load(self) -> None:
        # The model reads its weights in another process while this one opens the release.
        model = asyncio.create_task(self._load_model(), name="load-model")
        try:
            await self._stage("recommender", self._open_recommender)
            if self.stages["recommender"].state == "ready":
                self.steward.start()
                await self._stage("conversations", self._open_conversations)
            else:
                self.stages["conversations"] = Stage("failed", "the recommender is not there")
            await model
        except asyncio.CancelledError:
            model.cancel()
            await asyncio.wait([model])
            raise

    async def _stage(self, name: str, load: Callable[[], object]) -> None:
        stage = self.stages[name]
        stage.state = "loading"
        begun = time.perf_counter()
        try:
            await load()  # type: ignore[misc]
            stage.state = "ready"
        except SidraError as error:
            stage.state, stage.detail = "failed", str(error)
            logger.error("%s: %s", name, error)
        except Exception as error:
            # Whatever a library throws, the port stays open and readiness tells what happened.
            stage.state, stage.detail = "failed", f"{name.replace('_', ' ')}: {type(error).__name__}: {error}"
            logger.exception("%s could not be loaded", name)
        stage.seconds = round(time.perf_counter() - begun, 3)

    async def _open_recommender(self) -> None:
        def open_release() -> LiveRecommender:
            from recsys_core.releases.store import ReleaseStore

            stage = self.stages["release"]
            stage.state = "loading"
            begun = time.perf_counter()
            try:
                release = ReleaseStore(self.settings.home).open()
            except Exception as error:
                stage.state, stage.detail = "failed", str(error)
                raise
            stage.state, stage.detail = "ready", release.id
            stage.seconds = round(time.perf_counter() - begun, 3)
            # After the release is found: a missing one should be told at once, not after torch is loaded.
            from recsys_core.serving.batching import BatchConfig
            from recsys_core.serving.live import LiveRecommender
            from recsys_core.serving.recommender import Recommender

            settings = self.settings
            batching = BatchConfig(
                size=settings.batch_size, window_ms=settings.batch_window_ms, lanes=settings.batch_lanes
            )

            def opened(release: Release) -> Recommender:
                return Recommender.open(
                    release,
                    vector_store=settings.vector_store,
                    generator=settings.generator,
                    beam=beam_config(settings),
                    servers=generator_servers(settings),
                    batching=batching,
                )

            recommender = opened(release)
            if len(recommender.catalogue) != release.manifest.item_count:
                raise ReleaseError(
                    f"release {release.id} names {release.manifest.item_count} items and holds "
                    f"{len(recommender.catalogue)}; run `sidra build` again or `sidra releases rollback`"
                )
            recommender.warm()
            self.stages["recommender"].detail = f"generator {recommender.generator}"
            return LiveRecommender(recommender, merge_after=settings.merge_after, reopen=opened)

        self._live = await self.run(open_release)

    async def _open_conversations(self) -> None:
        from agents.conversation import ConversationConfig, ConversationService
        from agents.profile.config import ProfileConfig

        while self._llm is None and self.stages["language_model"].state in {"waiting", "loading"}:
            await asyncio.sleep(0.01)
        llm = self._llm
        if llm is None:
            from agents.llm.none import NoChatModel

            self._llm = llm = NoChatModel()
        assert self._live is not None
        config = ConversationConfig(max_message_chars=self.settings.message_chars, diary_days=self.settings.diary_days)
        profiles = ProfileConfig(
            candidates=self.settings.profile_candidates, refresh_after=self.settings.profile_refresh_after
        )
        stored = database_config(self.settings)
        # It reads the whole catalogue for its index of titles, which would hold up /healthz.
        live = self._live
        service = await asyncio.to_thread(
            lambda: ConversationService(
                live.current(),
                llm,
                stored.folder,
                config,
                current=live.current,
                database_url=stored.url,
                profiles=profiles,
            )
        )
        await service.start()
        service.readings.idle = self.idle
        self._warming = asyncio.create_task(asyncio.to_thread(service.readings.warm), name="warm-readings")
        self._conversations = service
        # readiness is open to everybody, so it names the kind and not the place
        self.stages["conversations"].detail = service.place.split(" at ")[0]

    async def _load_model(self) -> None:
        stage = self.stages["language_model"]
        stage.state = "loading"
        begun = time.perf_counter()
        try:
            from agents.llm.factory import make_chat_model

            self._llm = make_chat_model(llm_settings(self.settings))
            await self._llm.start()
            status = await self._llm.wait_ready(self.settings.llm_start_s)
            stage.detail = status.reason
            stage.state = "off" if status.state == "off" else "ready" if status.state == "ready" else "failed"
            if stage.state == "failed":
                logger.warning("no language model, answers come from rules: %s", status.reason)
        except SidraError as error:
            stage.state, stage.detail = "failed", str(error)
            logger.error("no language model, answers come from rules: %s", error)
        stage.seconds = round(time.perf_counter() - begun, 3)


def database_config(settings: Settings) -> DatabaseConfig:
    """Where conversations and memory are kept."""
    from agents.store.opening import DatabaseConfig

    return DatabaseConfig(folder=settings.home / "conversations", url=settings.database_url)


def llm_settings(settings: Settings) -> LLMSettings:
    """The language model's part of the settings."""
    from agents.llm.settings import LLMSettings

    return LLMSettings(
        endpoint=settings.llm,
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key,
        model=settings.llm_model,
        gguf=settings.llm_gguf,
        cache_dir=settings.cache_dir,
        threads=settings.llm_threads,
        script=settings.llm_script,
        replies=settings.llm_replies,
    )
