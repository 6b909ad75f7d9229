"""The graph that calms one text: analyse -> rewrite -> verify, once more for a repair, then background.

A sentence is only touched when it is loud. Each is tried by the language model (when there is one), repaired once, then
by the lexicon, and left as it is when nothing passes the verifier. A text that is loud even then is announced.
"""

from __future__ import annotations

import os

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents.calm import background as backgrounds
from agents.calm.facts import quotations
from agents.calm.frame import FRAME, STILL_LOUD, may_be_framed
from agents.calm.measure import Gauge
from agents.calm.soften import drafts, told
from agents.calm.types import Background, CalmRequest, Mode
from agents.calm.verify import SMALLEST_FALL, TEXT_SIMILARITY, Judged, problems
from agents.calm.writer import SentenceWriter
from recsys_core.emotion.text import Sentence, sentences

LOUD = 0.25
"""A sentence is calmed from this stimulus on, or when it shouts or holds a sensational word."""
COOL_SIMILARITY = 0.70
"""Least similarity of a text with its background to the original."""
_MOST_SENTENCES = 200
_LLM_SENTENCES = 8


@dataclass
class Line:
    """One sentence on its way through the graph."""

    sentence: Sentence
    """Where it stands and what it says."""
    stimulus: float
    """How loud it is."""
    loud: bool
    """Whether it is to be calmed."""
    after: str
    """As it would be shown now."""
    reason: str = ""
    """What was done, or why nothing was."""
    by: Literal["llm", "lexicon", "unchanged"] = "unchanged"
    """Whose wording it is."""
    similarity: float = 1.0
    """Of the wording to the sentence."""
    proposal: str | None = None
    """The language model's wording, not yet verified."""
    objections: list[str] = field(default_factory=list)
    """What was wrong with its last proposal."""


class CalmState(TypedDict, total=False):
    """What one run knows."""

    request: CalmRequest
    mode: Mode
    lines: list[Line]
    round: int
    text: str
    frame: str | None
    background: Background | None
    marks: list[str]


@dataclass
class CalmContext:
    """What the nodes work with."""

    gauge: Gauge
    writer: SentenceWriter | None = None


Graph = CompiledStateGraph[CalmState, CalmContext, CalmState, CalmState]


def analyse(state: CalmState, runtime: Runtime[CalmContext]) -> dict[str, Any]:
    """Sentences, how loud each is, and which are to be calmed."""
    found = sentences(state["request"].text)
    stimuli = runtime.context.gauge.stimuli([sentence.text for sentence in found[:_MOST_SENTENCES]])
    spoken = quotations(state["request"].text)
    lines = []
    for number, sentence in enumerate(found):
        measured = number < len(stimuli)
        level = float(stimuli[number]) if measured else 0.0
        loud = measured and state["mode"] != "raw" and (level >= LOUD or bool(drafts(sentence.text)))
        reason = "" if loud else ("calm already" if measured else "beyond what is read of one text")
        if loud and any(
            low < sentence.end and sentence.start < high and not _within(low, high, sentence) for low, high in spoken
        ):
            loud, reason = False, "left alone: part of a longer quotation"
        lines.append(Line(sentence, level, loud, sentence.text, reason))
    marks = [f"only the first {_MOST_SENTENCES} sentences were read"] if len(found) > _MOST_SENTENCES else []
    return {"lines": lines, "round": 0, "marks": marks}


async def rewrite(state: CalmState, runtime: Runtime[CalmContext]) -> dict[str, Any]:
    """Ask the language model for the loud sentences that have no wording yet."""
    writer = runtime.context.writer
    marks = list(state["marks"])
    if writer is not None:
        waiting = [line for line in state["lines"] if line.loud and line.by == "unchanged"]
        for line in waiting[:_LLM_SENTENCES]:
            line.proposal = await writer.write(line.sentence.text, line.objections)
        if writer.failure and writer.failure not in marks:
            marks.append(writer.failure)
    return {"lines": state["lines"], "round": state["round"] + 1, "marks": marks}


def verify(state: CalmState, runtime: Runtime[CalmContext]) -> dict[str, Any]:
    """Judge the model's proposals; after the last round the lexicon has its turn, and the text is put together."""
    gauge = runtime.context.gauge
    for line in state["lines"]:
        if line.proposal is not None:
            _judge_proposal(line, gauge)
    if _again(state, runtime.context):
        return {"lines": state["lines"]}
    for line in state["lines"]:
        if line.loud and line.by == "unchanged":
            _by_lexicon(line, gauge)
            if line.objections:
                line.reason += f"; the language model's version was dropped: {line.objections[0]}"
    text = _whole(state["request"].text, state["lines"], gauge)
    frame = _frame(state, text, gauge)
    return {"lines": state["lines"], "text": f"{frame or ''}{text}", "frame": frame}


def after_verify(state: CalmState) -> Literal["rewrite", "background", "__end__"]:
    """A repair, or on."""
    if "text" not in state:
        return "rewrite"
    return "background" if state["mode"] == "cool" else END  # type: ignore[return-value]


def background(state: CalmState, runtime: Runtime[CalmContext]) -> dict[str, Any]:
    """One sentence from the records, if one fits."""
    request = state["request"]
    if not state["lines"]:
        return {"background": None}
    found = backgrounds.choose(request.text, state["text"], request.sources, runtime.context.gauge, COOL_SIMILARITY)
    if found is None:
        return {"background": None, "marks": [*state["marks"], "no record had a background sentence that fits"]}
    return {"background": found, "text": backgrounds.joined(state["text"], found.text)}


@cache
def build_graph() -> Graph:
    """The compiled graph; it keeps nothing between runs."""
    graph = StateGraph(CalmState, context_schema=CalmContext)
    graph.add_node("analyse", analyse)
    graph.add_node("rewrite", rewrite)
    graph.add_node("verify", verify)
    graph.add_node("background", background)
    graph.add_edge(START, "analyse")
    graph.add_edge("analyse", "rewrite")
    graph.add_edge("rewrite", "verify")
    graph.add_conditional_edges("verify", after_verify, ["rewrite", "background", END])
    graph.add_edge("background", END)
    return graph.compile(name="calm")


def _within(low: int, high: int, sentence: Sentence) -> bool:
    return sentence.start <= low and high <= sentence.end


def _again(state: CalmState, context: CalmContext) -> bool:
    """One repair round, when the model may still be asked and something is to be repaired."""
    if context.writer is None or context.writer.failure or state["round"] >= 2:
        return False
    return any(line.loud and line.by == "unchanged" and line.objections for line in state["lines"])


def _judge_proposal(line: Line, gauge: Gauge) -> None:
    proposal, line.proposal = line.proposal or "", None
    judged = _judged(line, [proposal], gauge)[0]
    line.objections = problems(line.sentence.text, proposal, judged)
    if not line.objections:
        line.after, line.by, line.similarity = proposal, "llm", judged.similarity
        line.reason = f"rewritten: stimulus {judged.before:.2f} to {judged.after:.2f}"


def _by_lexicon(line: Line, gauge: Gauge) -> None:
    """The calmest of the lexicon's versions that passes; the sentence as it is when none does."""
    made = drafts(line.sentence.text)
    if line.stimulus >= LOUD:
        made += told(line.sentence.text, made)
    if not made:
        line.reason = "loud, but no calmer wording is known that keeps the facts"
        return
    judged = _judged(line, [draft.text for draft in made], gauge)
    for draft, measured in sorted(zip(made, judged, strict=True), key=lambda pair: pair[1].after):
        found = problems(line.sentence.text, draft.text, measured)
        if not found:
            line.after, line.by, line.similarity = draft.text, "lexicon", measured.similarity
            line.reason = f"calmer words for {', '.join(draft.reasons)}"
            return
        line.reason = f"left alone: {found[0]}"


def _judged(line: Line, versions: list[str], gauge: Gauge) -> list[Judged]:
    stimuli = gauge.stimuli(versions)
    alike = gauge.similarities(line.sentence.text, versions)
    return [Judged(line.stimulus, float(s), float(a)) for s, a in zip(stimuli, alike, strict=True)]


def _whole(original: str, lines: list[Line], gauge: Gauge) -> str:
    """The text with its calm sentences; the least alike are taken back until the whole is like the original."""
    text = _put_together(original, lines)
    while text != original:
        before, after = gauge.stimuli([original, text])
        if gauge.similarities(original, [text])[0] >= TEXT_SIMILARITY and after <= before:
            return text
        worst = min((line for line in lines if line.by != "unchanged"), key=lambda line: line.similarity)
        worst.after, worst.by = worst.sentence.text, "unchanged"
        worst.reason = "left alone: the whole text would have become too unlike the original, or not calmer"
        text = _put_together(original, lines)
    return text


def _frame(state: CalmState, text: str, gauge: Gauge) -> str | None:
    """The announcement, where calm words were not enough and it makes the text calmer and leaves it alike enough."""
    original = state["request"].text
    if state["mode"] == "raw" or not state["request"].may_frame or not may_be_framed(text):
        return None
    before, after = gauge.stimuli([text, FRAME + text])
    if before < STILL_LOUD or after > before - SMALLEST_FALL:
        return None
    return FRAME if gauge.similarities(original, [FRAME + text])[0] >= TEXT_SIMILARITY else None


def _put_together(original: str, lines: list[Line]) -> str:
    out, place = [], 0
    for line in lines:
        out += [original[place : line.sentence.start], line.after]
        place = line.sentence.end
    return "".join([*out, original[place:]])
