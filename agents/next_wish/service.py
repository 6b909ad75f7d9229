"""NextWishes: suggestions at once by rules; a language model's are added when interest has moved, behind the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import numpy as np

from agents.allowed import ALLOWED
from agents.intent import Wish
from agents.llm.protocol import ChatModel, LLMError, TurnBudget
from agents.llm.schemas import NextWishReply
from agents.next_wish.context_pieces import Piece, choose
from agents.next_wish.state import Look, Looks, NextWishConfig, Suggestion, Suggestions
from agents.next_wish.wording import against, read_back, tags_of, word
from agents.store import FeedbackStore
from agents.understanding.roles import Roles
from agents.understanding.rules import RuleUnderstanding
from prompts import render_messages
from recsys_core.interests.shift import has_moved, shift
from tools import ToolAccess, ToolContext, registry
from tools.context import Recommends
from tools.titles import TitleIndex
from tools.wishes import (
    ExpectedWish,
    ExpectedWishes,
    Interest,
    Interests,
    InterestsArguments,
    WishesArguments,
    space_of,
)

log = logging.getLogger(__name__)

SPARE = 4
"""So many times the wanted number of wishes are worked out, because not every one can be put into words."""


class NextWishes:
    """Suggestions for everybody who talks to one API.

    Args:
        llm: the language model; `none` is one too.
        feedback: thumbs.
        config: limits.
    """

    def __init__(self, llm: ChatModel, feedback: FeedbackStore, config: NextWishConfig | None = None) -> None:
        self._llm = llm
        self._feedback = feedback
        self.config = config or NextWishConfig()
        self._looks = Looks(self.config.remembered)
        self._asking: dict[str, asyncio.Task[None]] = {}
        # one question at a time: suggestions must not keep a conversation from the model
        self._turn = asyncio.Semaphore(1)

    async def suggest(
        self,
        user_id: str,
        recommender: Recommends,
        rules: RuleUnderstanding,
        titles: TitleIndex,
        idle: Callable[[], bool] = lambda: True,
        held: Sequence[Wish] = (),
    ) -> Suggestions:
        """Suggestions for a person, at once; where interest has moved, a language model is asked behind them.

        Args:
            user_id: who; somebody unknown gets what many like.
            recommender: the release that answers.
            rules: of its catalogue.
            titles: of its catalogue.
            idle: asked before the language model is: False while it is needed for conversations.
            held: what the person said for good; nothing that goes against it is suggested.
        """
        thumbs = await asyncio.to_thread(self._feedback.of, user_id)
        access = ToolAccess.to("next_wish", ALLOWED["next_wish"])
        tools = ToolContext(recommender, titles, user_id, thumbs, access=access)
        now = await asyncio.to_thread(registry.invoke, "interests", InterestsArguments(), Interests, tools)
        spread = np.array(now.spread)
        release = _release(recommender)
        look = self._looks.get(user_id, release)
        if look is not None and look.spread.shape != spread.shape:
            look = None  # the catalogue's tags have changed
        far = None if look is None else shift(look.spread, spread, self.config.shift)
        moved = look is None or has_moved(look.spread, spread, self.config.shift)
        failure, begun = "", False
        if moved and len(spread):
            failure = self._ask(user_id, release, spread, now, tools, rules, idle)
            begun = user_id in self._asking
            look = self._looks.get(user_id, release)
        elif look is not None:
            failure = look.failure
        proposals = look.proposals if look is not None else []
        arguments = WishesArguments(
            count=min(10, self.config.chips * SPARE), proposals=proposals, fields=asked_for(rules.roles)
        )
        expected = await asyncio.to_thread(registry.invoke, "expected_wishes", arguments, ExpectedWishes, tools)
        return Suggestions(
            chips=self._worded(expected.wishes, rules, held),
            shift=None if far is None else round(far, 4),
            moved=moved,
            # what was begun may be done by now, but these suggestions don't have it
            pending=begun or user_id in self._asking,
            release=expected.release or release,
            degraded=bool(failure),
            degraded_reason=failure,
        )

    def forget(self, user_id: str) -> None:
        """Forget a person, and stop thinking about them."""
        task = self._asking.pop(user_id, None)
        if task is not None:
            task.cancel()
        self._looks.forget(user_id)

    async def close(self) -> None:
        """Stop thinking; safe to call twice."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, user_id: str) -> None:
        """Wait until nothing is being thought about a person; for tests and measurements."""
        while (task := self._asking.get(user_id)) is not None:
            await asyncio.wait([task])

    def _worded(self, wishes: list[ExpectedWish], rules: RuleUnderstanding, held: Sequence[Wish]) -> list[Suggestion]:
        chips: list[Suggestion] = []
        for wish in wishes:
            if len(chips) == self.config.chips:
                break
            if (worded := word(wish.tags, rules)) is not None:
                text, read = worded
                if against(read, held):
                    continue
                by = "llm" if wish.proposed else "rules"
                chips.append(
                    Suggestion(text=text, wishes=read, probability=wish.probability, share=wish.share, by=by)  # type: ignore[arg-type]
                )
        return chips

    def _ask(
        self,
        user_id: str,
        release: str,
        spread: np.ndarray,
        now: Interests,
        tools: ToolContext,
        rules: RuleUnderstanding,
        idle: Callable[[], bool],
    ) -> str:
        """Begin to ask the model; why it can't be asked, or nothing."""
        status = self._llm.status
        if status.state == "off":
            # nobody to ask: looking is all there is, and it is done
            self._looks.put(user_id, release, Look(spread))
            return ""
        if not self._llm.available:
            return f"{status.reason or f'the language model is {status.state}'}; suggestions come from rules"
        if user_id not in self._asking and idle():
            task = asyncio.create_task(self._think(user_id, release, spread, now, tools, rules), name="next-wish")
            self._asking[user_id] = task
        return ""

    async def _think(
        self,
        user_id: str,
        release: str,
        spread: np.ndarray,
        now: Interests,
        tools: ToolContext,
        rules: RuleUnderstanding,
    ) -> None:
        look = Look(spread)
        try:
            async with self._turn:
                pieces = await asyncio.to_thread(context_of, now, tools, rules.roles)
                messages = render_messages(
                    "next_wish",
                    noun=rules.catalogue.item_noun,
                    pieces=[piece.text for piece in choose(pieces, self.config.context_tokens)],
                )
                budget = TurnBudget(calls=2, tokens=2_000, seconds=self.config.seconds)
                reply = await self._llm.complete_json(
                    messages, NextWishReply, budget=budget, max_tokens=80, name="next_wish"
                )
            look.proposals = [tags for text in reply.wishes if (tags := linked(text, rules)) is not None]
        except LLMError as error:
            look.failure = f"the language model gave no suggestions ({error.kind}); these come from rules"
        finally:
            self._asking.pop(user_id, None)
        self._looks.put(user_id, release, look)


def linked(text: str, rules: RuleUnderstanding) -> list[Interest] | None:
    """A proposal as tags of the catalogue; None when it isn't understood as one or two of them."""
    wishes = read_back(text, rules)
    tags = tags_of(wishes) if wishes is not None else None
    return tags if tags is not None and 1 <= len(tags) <= 2 else None


def asked_for(roles: Roles) -> list[str]:
    """Fields that people name when they ask for something; empty (all fields) for a catalogue without such."""
    named = (*roles.genres, *roles.people, roles.country, roles.language, roles.year)
    return [field for field in named if field is not None]


def context_of(now: Interests, tools: ToolContext, roles: Roles) -> list[Piece]:
    """What could be told of a person: tags of the catalogue only, never a title or a text, which could give orders."""
    pieces = []
    if now.top:
        pieces.append(Piece("lately", f"Lately: {_told(now)}", np.array(now.spread)))
    catalogue = tools.recommender.catalogue
    history = [item for item in tools.recommender.history(tools.user_id) or [] if item in catalogue]
    spans = {
        "today": ("Last three", history[-3:]),
        "always": ("All along", history[-1000:]),
        "up": ("Thumbs up for", [item for item, value in tools.feedback.items() if value > 0 and item in catalogue]),
    }
    for name, (label, items) in spans.items():
        if items:
            arguments = InterestsArguments(items=items, top=5)
            found = registry.invoke("interests", arguments, Interests, tools)
            pieces.append(Piece(name, f"{label}: {_told(found)}", np.array(found.spread)))
    expected = registry.invoke(
        "expected_wishes", WishesArguments(count=3, fields=asked_for(roles)), ExpectedWishes, tools
    )
    if expected.wishes:
        told = "; ".join(" + ".join(_named(tag) for tag in wish.tags) for wish in expected.wishes)
        pieces.append(Piece("expected", f"Others with this taste go on to: {told}", _of_tags(expected, tools)))
    return pieces


def _of_tags(expected: ExpectedWishes, tools: ToolContext) -> np.ndarray:
    space = space_of(tools.recommender.catalogue)
    spread = np.zeros(len(space))
    for wish in expected.wishes:
        for tag in wish.tags:
            index = space.find(tag.field, tag.value)
            if index is not None:
                spread[index] += wish.probability
    total = spread.sum()
    return spread / total if total > 0 else spread


def _told(interests: Interests) -> str:
    # by lift: what many have says nothing about this person
    telling = sorted(interests.top, key=lambda tag: -tag.share * np.log(max(tag.lift, 1.0)))
    return ", ".join(_named(tag) for tag in telling[:4])


def _named(tag: Interest) -> str:
    return f"{tag.field.replace('_', ' ')} {tag.value}"


def _release(recommender: Recommends) -> str:
    return str(getattr(getattr(recommender, "release", None), "id", ""))
