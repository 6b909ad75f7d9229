"""What users say of themselves for good: how it is kept, changed, listed and taken back.

The only way in is a user's own words: an `Intent` that rules made of a message, or words entered through the API. No
item text, tool result or language model's answer passes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.cards import join_words
from agents.context import AgentContext
from agents.errors import MemoryFull, NotUnderstood
from agents.guard import clean_message
from agents.intent import Act, Intent, Wish
from agents.state import ConversationState, WorkingRequest
from agents.store import FactStore, LastingFact, NewFact
from agents.understanding.lasting import read_statement
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene

MAX_STATEMENT_CHARS = 300
"""Longest words that may be entered to be remembered."""
_QUOTED = "\N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}"


@dataclass(frozen=True)
class Plan:
    """How the facts change."""

    add: list[NewFact] = field(default_factory=list)
    """Facts to keep."""
    ends: list[LastingFact] = field(default_factory=list)
    """Facts that no longer hold."""
    known: list[LastingFact] = field(default_factory=list)
    """Facts that were said again."""


@dataclass(frozen=True)
class Remembered:
    """What a turn did to the memory."""

    sentences: list[str] = field(default_factory=list)
    """What the answer says of it."""
    changed: bool = False
    """True when facts were kept or ended."""

    def into(self, changes: dict[str, Any], state: ConversationState, scene: Scene) -> dict[str, Any]:
        """A turn's changes to the state with what it did to the memory, so that "undo" finds it again."""
        changes = {**changes, "outcome": state["outcome"].model_copy(update={"recalled": self.sentences})}
        if changes["intent"].act is Act.undo:
            return changes
        before = scene.request
        turns = [*(before.fact_turns if before else []), *([state["turn"]] if self.changed else [])]
        if self.changed and ("request" not in changes or before is None):
            # a turn that asked for nothing, or the first one: there must be something to go back to
            changes.setdefault("request", before or WorkingRequest())
            changes["earlier_requests"] = [*state.get("earlier_requests", []), before or WorkingRequest()]
        if turns and "request" in changes:
            request: WorkingRequest = changes["request"]
            wishes = [w for w in request.wishes if not any(touches(w, back) for back in changes["intent"].taken_back)]
            changes["request"] = request.model_copy(update={"fact_turns": turns, "wishes": wishes})
        return changes


def remember(state: ConversationState, scene: Scene, intent: Intent, context: AgentContext) -> Remembered:
    """Keep, end, list or take back what the message says for good. Doing it twice for one turn changes nothing."""
    user, thread, turn = state["user_id"], context.thread_id, state["turn"]
    if intent.act is Act.undo:
        return _undo(state, scene, context)
    touched = intent.lasting or intent.lasting_notes or intent.taken_back or intent.forget_all
    if not touched:
        return Remembered(_listing(user, context)) if _asks(intent) else Remembered()
    before = context.facts.before(user, thread, turn)
    if intent.forget_all:
        plan = Plan(ends=before)
    else:
        plan = plan_of(before, intent.lasting, intent.lasting_notes, intent.taken_back, state["message"])
    try:
        context.facts.add(user, plan.add, thread, turn, ends=[fact.id for fact in plan.ends])
    except MemoryFull as error:
        return Remembered([f"{error}."])
    return Remembered(_sentences(plan, intent), changed=bool(plan.add or plan.ends))


class Memory:
    """The facts of users, for the page and the API.

    Args:
        facts: where they are kept.
    """

    def __init__(self, facts: FactStore) -> None:
        self._facts = facts

    def of(self, user_id: str) -> list[LastingFact]:
        """Facts of a user, oldest first."""
        return self._facts.of(user_id)

    def add(self, user_id: str, words: str, rules: RuleUnderstanding) -> list[LastingFact]:
        """Remember what some words say; what links to nothing in the catalogue is kept as a note without effect.

        Returns:
            The facts that the words stand for, also where they were known.

        Raises:
            MessageRejected: the words are empty or too long.
            MemoryFull: no more facts are kept of this user.
        """
        clean = clean_message(words, MAX_STATEMENT_CHARS)
        clause = read_statement(clean, rules)
        before = self._facts.of(user_id)
        plan = plan_of(before, clause.wishes, [] if clause.wishes else [clause.words], [], clean)
        return [*plan.known, *self._facts.add(user_id, plan.add, ends=[fact.id for fact in plan.ends])]

    def edit(self, user_id: str, fact_id: str, words: str, rules: RuleUnderstanding) -> LastingFact:
        """Put what some words say in a fact's place.

        Raises:
            MessageRejected: the words are empty or too long.
            NotUnderstood: they say several things, which can't stand in one fact's place.
            FactNotFound: no such fact of this user.
        """
        clean = clean_message(words, MAX_STATEMENT_CHARS)
        clause = read_statement(clean, rules)
        if len(clause.wishes) > 1:
            raise NotUnderstood(
                f"that says {len(clause.wishes)} things ({join_words([w.words for w in clause.wishes])}); enter each "
                "as one of its own"
            )
        new = new_fact(clause.wishes[0], clean) if clause.wishes else note(clause.words, clean)
        return self._facts.edit(user_id, fact_id, new)

    def remove(self, user_id: str, fact_id: str) -> None:
        """Delete a fact for good; raises FactNotFound when there is no such fact of this user."""
        self._facts.remove(user_id, fact_id)


def plan_of(
    before: Sequence[LastingFact], lasting: Sequence[Wish], notes: Sequence[str], taken_back: Sequence[Wish], said: str
) -> Plan:
    """How facts change by what was said: the newer word wins, on the values that both speak of.

    Args:
        before: facts as they were.
        lasting: what was said for good.
        notes: what was asked to be remembered and has no effect.
        taken_back: what no longer holds; signs don't matter.
        said: the user's words.
    """
    ends: dict[str, LastingFact] = {}
    add: list[NewFact] = []
    known: list[LastingFact] = []
    left_over: list[NewFact] = []

    def end(fact: LastingFact, but: Sequence[str]) -> None:
        ends[fact.id] = fact
        if fact.wish is not None and but:
            kept = _only(fact.wish, but)
            left_over.append(NewFact(wish=kept, sentence=sentence_of(kept), said=fact.said))

    for wish in taken_back:
        for fact in before:
            if fact.wish is not None and touches(fact.wish, wish):
                end(fact, [v for v in fact.wish.values if v not in wish.values])
    for wish in lasting:
        same = next((f for f in before if f.wish is not None and f.id not in ends and _same(f.wish, wish)), None)
        if same is not None:
            known.append(same)
            continue
        for fact in before:
            if fact.wish is None or fact.id in ends or not _gives_way(fact.wish, wish):
                continue
            end(fact, [v for v in fact.wish.values if v not in wish.values] if touches(fact.wish, wish) else [])
        add.append(new_fact(wish, said))
    noted = {fact.sentence: fact for fact in before if fact.wish is None}
    for words in notes:
        if words in noted:
            known.append(noted[words])
        else:
            add.append(note(words, said))
    return Plan([*left_over, *add], list(ends.values()), known)


def new_fact(wish: Wish, said: str) -> NewFact:
    """A wish as a fact."""
    return NewFact(wish=wish, sentence=sentence_of(wish), said=said[:MAX_STATEMENT_CHARS])


def note(words: str, said: str) -> NewFact:
    """Words without effect as a fact."""
    return NewFact(wish=None, sentence=words, said=said[:MAX_STATEMENT_CHARS])


def sentence_of(wish: Wish) -> str:
    """How a lasting wish is said back: "no Horror", "only from France", "you like Crime"."""
    if wish.negative:
        return wish.words
    if not wish.hard:
        described = wish.is_range or wish.words.split()[0] in {"by", "from", "in", "with"}
        return f"you like {'what is ' if described else ''}{wish.words}"
    return wish.words if wish.is_range else f"only {wish.words}"


def touches(one: Wish, other: Wish) -> bool:
    """True when two wishes speak of the same values of a field, or both of its range; signs don't matter."""
    if one.field != other.field or one.is_range != other.is_range:
        return False
    return one.is_range or bool(set(one.values) & set(other.values))


def _gives_way(old: Wish, new: Wish) -> bool:
    if touches(old, new):
        return True
    # "only French" then "only Italian"
    both_musts = old.hard and new.hard and not old.negative and not new.negative
    return both_musts and old.field == new.field and not old.is_range and not new.is_range


def _same(old: Wish, new: Wish) -> bool:
    alike = (old.field, old.negative, old.hard, old.low, old.high) == (
        new.field,
        new.negative,
        new.hard,
        new.low,
        new.high,
    )
    return alike and set(new.values) <= set(old.values) and old.is_range == new.is_range


def _only(wish: Wish, values: Sequence[str]) -> Wish:
    listed = " or ".join(values)
    words = f"no {listed}" if wish.negative else listed
    return wish.model_copy(update={"values": list(values), "words": words})


def _undo(state: ConversationState, scene: Scene, context: AgentContext) -> Remembered:
    earlier = state.get("earlier_requests", [])
    if not earlier or scene.request is None:
        return Remembered()
    turns = [turn for turn in scene.request.fact_turns if turn not in earlier[-1].fact_turns]
    for turn in reversed(turns):
        context.facts.undo(state["user_id"], context.thread_id, turn)
    said = ["What you told me of yourself there is taken back, too."]
    return Remembered(said if turns else [], changed=bool(turns))


def _asks(intent: Intent) -> bool:
    return intent.act is Act.memory and not intent.notes


def _sentences(plan: Plan, intent: Intent) -> list[str]:
    told = []
    effective = [fact.sentence for fact in plan.add if fact.wish is not None]
    if intent.forget_all:
        return [f"I forgot {_things(len(plan.ends))}." if plan.ends else "I had nothing noted of you."]
    if intent.taken_back and not plan.ends:
        told.append("I had noted nothing about that.")
    if plan.ends:
        told.append(f"I no longer go by {join_words([_QUOTED.format(fact.sentence) for fact in plan.ends])}.")
    if effective:
        told.append(f"I will remember: {'; '.join(effective)}.")
    if plan.known:
        told.append(f"I knew: {'; '.join(fact.sentence for fact in plan.known)}.")
    return told


def _listing(user_id: str, context: AgentContext) -> list[str]:
    facts = context.facts.of(user_id)
    effective = [fact.sentence for fact in facts if fact.wish is not None]
    notes = [fact.sentence for fact in facts if fact.wish is None]
    thumbs, seen = context.feedback.of(user_id), context.feedback.seen(user_id)
    told = [f"You told me: {'; '.join(effective)}."] if effective else []
    if notes:
        told.append(f"As notes without effect I keep: {'; '.join(_QUOTED.format(words) for words in notes)}.")
    if thumbs or seen:
        told.append(
            f"Besides, I know {len(thumbs)} thumb{'' if len(thumbs) == 1 else 's'} of yours and {len(seen)} "
            f"{context.catalogue.item_noun} you said you know."
        )
    if not told:
        return [
            "You have told me nothing of yourself yet. Say what holds for good, for example "
            f"{_QUOTED.format('I never watch ...')}, and I go by it from then on."
        ]
    return [*told, f"Say {_QUOTED.format('forget that I said ...')} to take one back."]


def _things(count: int) -> str:
    return "one thing" if count == 1 else f"{count} things"
