"""Which pieces of a message are ruled out rather than asked for."""

from __future__ import annotations

import re

from agents.understanding.lexicon import FILLER
from agents.understanding.text import Span

_NEGATOR = re.compile(
    r"\b(?:"
    r"anything (?:but|except)|everything (?:but|except)|(?:do not|don'?t|dont) (?:want|like|need|show|give|recommend|"
    r"include|feel like|enjoy|care for)(?: (?:to (?:see|watch) )?(?:anything|something)(?: (?:too|so|very|that'?s))*)?|"
    r"not (?:a (?:big |huge )?fan of|(?:really )?(?:into|fond of|keen on|big on)|"
    r"interested in|in the mood for|crazy about)|can'?t stand|cannot stand|sick of|tired of|"
    r"enough of|other than|rather than|instead of|leave out|except(?: for)?|excluding|without|avoid|minus|nothing|"
    r"neither|never|nor|non|hate|dislike|skip|isn'?t|aren'?t|drop|less|fewer|not|no|cut (?:out )?(?:the|all)|"
    r"enough(?: with)?(?: the)?|too (?:much|many)|so (?:much|many)|"
    # a complaint about the cards on the table: "too dark", "these are all so violent"
    r"(?:a (?:bit|little) |way |far |much )?too(?=\s+(?!please\b|but\b|and\b|with\b|from\b|if\b|though\b)\w)|"
    r"(?:these|they|those|all|it|this|that)(?:'re|'s| (?:are|is|were|look|looks|seem|seems|sound|sounds|feel|feels))"
    r"(?: all (?:very|really))?(?: all)? ?(?:(?<=really)|(?<=very)|so|pretty|quite|rather|a bit|a little|kind of|"
    r"awfully)"
    r"(?=\s+\w)"
    r")\b"
)
_NO_NEGATION = re.compile(
    r"\b(?:nothing but|not only|not just|not necessarily|not sure|why not|not bad|not (?:really )?(?:bothered|fussed)|"
    r"no (?:idea|problem|matter|worries|thanks)|"
    r"no (?:more|less|later|earlier|longer|older|newer|shorter|fewer) than|not (?:more|less|"
    r"later|longer) than|less than|"
    r"fewer than|no one|haven'?t|have not|number)\b"
)
_END = re.compile(
    r"[.;!?:()]|\b(?:but|just|only|maybe|rather|instead|please|though|although|however|preferably|something|anything|"
    r"show|give|find|make|let'?s|i'?d|i want|what|how)\b"
)
_PREPOSITION = re.compile(
    r"\b(?:from|by|in|with|after|before|since|set|made|starring|directed|about|like|under|over|for)\b"
)
_LISTED = re.compile(r"[^,]{1,30}(?:,[^,]{1,30})*,?\s+(?:or|nor|and)\s+\S+(?:\s\S+)?")


def negative_spans(text: str) -> list[Span]:
    """Places of what is ruled out, the negating word included.

    Args:
        text: the folded message.
    """
    spared = [Span(*m.span()) for m in _NO_NEGATION.finditer(text)]
    spans: list[Span] = []
    for match in _NEGATOR.finditer(text):
        if any(s.start <= match.start() < s.end for s in spared) or (spans and match.start() < spans[-1].end):
            continue
        spans.append(Span(match.start(), match.end() + _scope(text[match.end() :])))
    return spans


def is_negative(spans: list[Span], start: int) -> bool:
    """True when a place lies in what is ruled out."""
    return any(span.start <= start < span.end for span in spans)


def _scope(rest: str) -> int:
    end = _first(_END, rest, len(rest))
    comma = rest.find(",", 0, end)
    if comma >= 0:
        # "no horror, musicals or westerns" goes on behind the comma, "no horror, something French" doesn't
        listed = _LISTED.match(rest[:end])
        inside = listed is not None and all(len(part.split()) <= 4 for part in listed[0].split(","))
        end = listed.end() if listed is not None and inside else comma
    for match in _PREPOSITION.finditer(rest[:end]):
        content = [w for w in re.findall(r"[^\W_]+", rest[: match.start()]) if w not in FILLER]
        if content:
            return match.start()
    return end


def _first(pattern: re.Pattern[str], text: str, default: int) -> int:
    match = pattern.search(text)
    return match.start() if match else default
