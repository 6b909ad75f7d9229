"""Pointing words: "the second one", "#3", "the first two", "it", "all of them"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agents.understanding.lexicon import NOUNS
from agents.understanding.scene import Scene
from agents.understanding.text import NUMBER_WORDS, Utterance

_ORDINALS = {
    word: number
    for number, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
        ],
        start=1,
    )
} | {"1st": 1, "2nd": 2, "3rd": 3}
_ORDINAL = r"(?:" + "|".join(_ORDINALS) + r"|\d{1,2}th|last)"
_NOUN = r"(?:" + "|".join(sorted(NOUNS, key=len, reverse=True)) + r")"
_SMALL = r"(?:\d{1,2}|" + "|".join(list(NUMBER_WORDS)[1:]) + r")"
_STOP = (
    r"(?=\s*(?:$|[.,;:!?)]|and\b|or\b|is\b|was\b|about\b|already\b|but\b|please\b|too\b|"
    r"looks?\b|sounds?\b|t?here\b|again\b|than\b|vs\b|versus\b|with\b|to\b|"
    r"(?:short|long|new|old|cheap|dark|bett|\w+i)er\b|more\b|less\b))"
)

_FIRST_FEW = re.compile(rf"\b(?:the\s+)?(?P<which>first|last)\s+(?P<n>{_SMALL}|couple(?: of)?|few)\b(?:\s+{_NOUN}\b)?")
_HASH = re.compile(
    r"(?:#\s?|\b(?:number|no\.?|nr\.?|slot|card|option|item|film|movie|pick)\s+#?)(?P<n>\d{1,"
    r"2})\b(?:\s*(?:,|and|or|&)\s*#?(?P<n2>\d{1,2})\b)?"
)
_NUMBER_WORD = re.compile(rf"\bnumber\s+(?P<n>{'|'.join(list(NUMBER_WORDS)[1:])})\b")
_LISTED = re.compile(
    rf"\b(?:the\s+)?(?P<a>{_ORDINAL})\s+(?:and|or|&)\s+(?:the\s+)?(?P<b>{_ORDINAL})\b(?:\s+{_NOUN}\b)?"
)
_WITH_NOUN = re.compile(rf"\b(?:the\s+|your\s+|that\s+)?(?P<o>{_ORDINAL})\s+(?:{_NOUN}|on the list|in the list)\b")
_BARE = re.compile(rf"\bthe\s+(?P<o>{_ORDINAL})\b{_STOP}")
_ALL = re.compile(
    r"\b(?:all(?: of)? (?:of )?(?:them|these|those)|(?:them|these|those|'?em) all|every one of "
    r"(?:them|these)|both(?: of (?:them|these|those))?)\b"
)
_IT = re.compile(
    r"\b(?:it|this one|that one|this (?:film|movie|book|item|game|album)|that (?:film|movie|"
    r"book|item|game|album)|this|that)\b"
)
_THOSE = re.compile(r"\b(?:(?:both(?: of)? |the )?(?:them|these|those)(?: two)?|both|the two(?: of them)?)\b")
_BARE_NUMBERS = re.compile(
    r"\b(?P<n>\d{1,2})(?:\s*(?:,|and|or|&)\s*(?P<n2>\d{1,2}))*\b(?!\s*(?:hours?|minutes?|mins?|stars?|years?|s\b))"
)


@dataclass
class Pointed:
    """What pointing words point at."""

    slots: list[int] = field(default_factory=list)
    """Slots, from 1, also those that aren't on the slate."""
    items: list[str] = field(default_factory=list)
    """Item ids on the slate or in focus, in order, without repetition."""
    missing: list[int] = field(default_factory=list)
    """Slots that aren't on the slate."""
    vague: bool = False
    """An "it" that could be anything."""
    start: int = -1
    """Where the first pointing words begin; -1 when there are none."""

    @property
    def empty(self) -> bool:
        """Nothing was pointed at."""
        return not (self.slots or self.items or self.vague)


def read_pointers(
    utterance: Utterance, scene: Scene, *, pronouns: bool, bare_numbers: bool, all_words: bool = True
) -> Pointed:
    """Take every pointing word out of a message.

    Args:
        utterance: the message.
        scene: what can be pointed at.
        pronouns: whether "it" and "that" point at the item last spoken of (they often point at nothing).
        bare_numbers: whether a lone number is a slot ("why 2?").
        all_words: whether "both" and "all of them" point at the whole slate.
    """
    pointed = Pointed()
    size = len(scene.slate)
    before = utterance.view
    for m in utterance.pop_all(_FIRST_FEW):
        few = 3 if m["n"] == "few" else 2 if m["n"].startswith("couple") else _small(m["n"])
        pointed.slots += (
            list(range(1, few + 1)) if m["which"] == "first" else list(range(max(1, size - few + 1), size + 1))
        )
    for m in utterance.pop_all(_LISTED):
        pointed.slots += [_ordinal(m["a"], size), _ordinal(m["b"], size)]
    for pattern in (_WITH_NOUN, _BARE):
        for m in utterance.pop_all(pattern):
            pointed.slots.append(_ordinal(m["o"], size))
    for m in utterance.pop_all(_HASH):
        pointed.slots += [int(n) for n in (m["n"], m["n2"]) if n]
    for m in utterance.pop_all(_NUMBER_WORD):
        pointed.slots.append(NUMBER_WORDS[m["n"]])
    if bare_numbers:
        for m in utterance.pop_all(_BARE_NUMBERS):
            pointed.slots += [int(n) for n in re.findall(r"\d+", m[0])]
    if pronouns and not pointed.slots and scene.compared and utterance.pop(_THOSE):
        pointed.items += scene.compared
    if all_words and utterance.pop(_ALL):
        pointed.slots += [card.slot for card in scene.slate]
    if pronouns and not pointed.slots and not pointed.items and utterance.pop(_IT):
        _point_at_focus(pointed, scene)
    _resolve(pointed, scene)
    pairs = zip(before, utterance.view, strict=True)
    pointed.start = next((place for place, (was, now) in enumerate(pairs) if was != now), -1)
    return pointed


def _point_at_focus(pointed: Pointed, scene: Scene) -> None:
    if scene.focus:
        pointed.items.append(scene.focus)
    elif len(scene.slate) == 1:
        pointed.items.append(scene.slate[0].item_id)
    else:
        pointed.vague = True


def _resolve(pointed: Pointed, scene: Scene) -> None:
    for slot in dict.fromkeys(pointed.slots):
        item_id = scene.item_at(slot)
        if item_id is None:
            pointed.missing.append(slot)
        elif item_id not in pointed.items:
            pointed.items.append(item_id)


def _small(text: str) -> int:
    return NUMBER_WORDS.get(text) or int(text)


def _ordinal(text: str, size: int) -> int:
    if text == "last":
        return max(1, size)
    return _ORDINALS.get(text) or int(re.sub(r"\D", "", text))
