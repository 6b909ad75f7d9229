"""The catalogue's own values as words: what can be named, with plurals, synonyms and adjectives of countries."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from agents.intent import Wish
from agents.understanding.lexicon import COMBINED, COUNTRY_NAMES, DEMONYMS, FILLER, REGIONS, SYNONYMS
from agents.understanding.moods import MOODS, Mood
from agents.understanding.negation import is_negative
from agents.understanding.roles import Roles
from agents.understanding.text import Span, Utterance
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from tools.titles import plain

MAX_VALUES = 1000
"""A field with more distinct values than this is no vocabulary."""

_SOFTENER = re.compile(
    r"\b(?:more|bit of|touch of|hint of|elements of|dash of|extra|preferably|ideally|maybe|possibly)\s+"
    r"(?:something |some |a |an |from |in )*$"
)
_SOFTENED = re.compile(
    r"^\s*(?:\w+\s+)?(?:would be (?:nice|great|good|a plus|ideal|perfect)|if (?:possible|you can))\b"
)
_OR_LIST = re.compile(r"^(?:\s*,\s*|\s*/\s*|\s*,?\s*\b(?:or|nor|and/or)\s+(?:a |an |some )?)$")
_AND_LIST = re.compile(r"^(?:\s*,\s*|\s*,?\s*\band\s+)$")


@dataclass(frozen=True)
class Meaning:
    """What a phrase names: any of some values of one field."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Hit:
    """A phrase of the vocabulary in a message."""

    span: Span
    meaning: Meaning


class Vocabulary:
    """Phrases that name values of one catalogue.

    Args:
        catalogue: whose values.
        roles: its fields by part.
    """

    def __init__(self, catalogue: Catalogue, roles: Roles) -> None:
        self.roles = roles
        self.values: dict[str, dict[str, str]] = {}
        self._phrases: dict[str, list[Meaning]] = defaultdict(list)
        fields = [
            name
            for name, spec in catalogue.fields.items()
            if spec.kind in {FieldKind.string, FieldKind.tags}
            and name not in roles.people
            and spec.distinct <= MAX_VALUES
        ]
        # genres first: where a word names values of several fields, the first field is meant
        for name in sorted(fields, key=lambda f: (f not in roles.genres, f == roles.language, f)):
            spellings = catalogue.postings(name).spellings.values()
            self.values[name] = {plain(written[0]): written[0] for written in spellings if plain(written[0])}
            self._add_field(name)
        for flag in roles.flags:
            self._add(re.sub(r"^(is|has)_", "", flag).replace("_", " "), Meaning(flag, ("true",)))
        self._moods = {plain(form): mood for mood in MOODS for form in mood.forms}
        self.longest = max((p.count(" ") + 1 for p in (*self._phrases, *self._moods)), default=1)
        self._single = [p for p in dict.fromkeys((*self._phrases, *self._moods)) if " " not in p and len(p) >= 5]

    def pick(self, field: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the names that the field has as values, spelled as in the catalogue."""
        values = self.values.get(field, {})
        return tuple(dict.fromkeys(values[plain(n)] for n in names if plain(n) in values))

    def knows(self, phrase: str) -> bool:
        """True when the phrase is a word of this vocabulary."""
        return plain(phrase) in self._phrases or plain(phrase) in self._moods

    def lookup(self, phrase: str) -> list[Meaning]:
        """What a phrase names, best first; empty when nothing."""
        return self._phrases.get(plain(phrase), [])

    def mood(self, phrase: str) -> Mood | None:
        """The mood that a phrase is."""
        return self._moods.get(plain(phrase))

    def misspelt(self, word: str) -> str | None:
        """The phrase that a word is a slip of the pen away from: same first letter, one or two letters wrong."""
        key = plain(word)
        if len(key) < 5 or key in FILLER or self.knows(key):
            return None
        slips = 1 if len(key) < 10 else 2
        # "talks" is another form of "talk" rather than a slip of "talky"
        near = [
            p
            for p in self._single
            if p[0] == key[0] and abs(len(p) - len(key)) <= slips and not (key[-1] == "s" and p[:-1] == key[:-1])
        ]
        best = process.extractOne(key, near, scorer=OSA.distance, score_cutoff=slips)
        return best[0] if best else None

    def find(self, utterance: Utterance) -> tuple[list[Hit], list[tuple[Span, Mood]]]:
        """Take every phrase out of a message, longest first from the left."""
        hits: list[Hit] = []
        moods: list[tuple[Span, Mood]] = []
        for run in utterance.runs():
            position = 0
            while position < len(run):
                for length in range(min(self.longest, len(run) - position), 0, -1):
                    span = Span(run[position][1].start, run[position + length - 1][1].end)
                    phrase = plain(utterance.low[span.start : span.end])
                    meanings, mood = self._phrases.get(phrase), self._moods.get(phrase)
                    if meanings or mood:
                        utterance.take(span.start, span.end)
                        if meanings:
                            hits.extend(Hit(span, m) for m in self._meant(phrase, meanings))
                        elif mood:
                            moods.append((span, mood))
                        position += length - 1
                        break
                position += 1
        return hits, moods

    def _meant(self, phrase: str, meanings: list[Meaning]) -> list[Meaning]:
        if phrase in {plain(c) for c in COMBINED}:
            return meanings
        return meanings[:1]

    def _add(self, phrase: str, meaning: Meaning) -> None:
        key = plain(phrase)
        if key and meaning not in self._phrases[key]:
            self._phrases[key].append(meaning)

    def _add_field(self, name: str) -> None:
        for key, value in self.values[name].items():
            self._add_value(name, key, value)
        for group in SYNONYMS:
            for value in self.pick(name, group):
                for form in group:
                    self._add(form, Meaning(name, (value,)))
        for form, parts in COMBINED.items():
            picked = [self.pick(name, (part,)) for part in parts]
            if all(picked):
                for values in picked:
                    self._add(form, Meaning(name, values))
        if name == self.roles.country:
            self._add_countries(name)

    def _add_value(self, name: str, key: str, value: str) -> None:
        meaning = Meaning(name, (value,))
        if name == self.roles.certificate:
            self._add(f"rated {key}", meaning)
            if not re.search(r"\d", key):
                return
        if len(key) < 2 or key in FILLER:
            return
        for form in _number_forms(key):
            self._add(form, meaning)

    def _add_countries(self, name: str) -> None:
        for adjective, countries in (*DEMONYMS.items(), *REGIONS.items()):
            if values := self.pick(name, countries):
                self._add(adjective, Meaning(name, values))
        for other, adjective in COUNTRY_NAMES.items():
            if values := self.pick(name, DEMONYMS[adjective]):
                self._add(other, Meaning(name, values))
        for region in REGIONS:
            if region.endswith("an") and self._phrases.get(region):
                self._add(
                    {"european": "europe", "asian": "asia", "african": "africa"}.get(region, region),
                    self._phrases[region][0],
                )


def wishes(hits: list[Hit], utterance: Utterance, negative: list[Span], roles: Roles) -> list[Wish]:
    """Wishes from phrases: lists with "or" (and lists of countries, languages, names) become one any-of wish."""
    groups: list[list[Hit]] = []
    for hit in hits:
        last = groups[-1][-1] if groups else None
        if last is not None and last.meaning.field == hit.meaning.field and _joined(last, hit, utterance, roles):
            groups[-1].append(hit)
        else:
            groups.append([hit])
    result = []
    for group in _with_leading_commas(groups, utterance):
        field = group[0].meaning.field
        ruled_out = is_negative(negative, group[0].span.start)
        values = list(dict.fromkeys(v for hit in group for v in hit.meaning.values))
        softened = (
            _SOFTENER.search(utterance.low[: group[0].span.start]) is not None
            or _SOFTENED.search(utterance.low[group[-1].span.end :]) is not None
        )
        said = " or ".join(dict.fromkeys(_said(hit, utterance) for hit in group))
        result.append(
            Wish(
                field=field,
                values=values,
                negative=ruled_out,
                hard=ruled_out or not softened,
                words=phrase_for(field, said, ruled_out, roles, values),
            )
        )
    return result


def phrase_for(field: str, said: str, ruled_out: bool, roles: Roles, values: list[str]) -> str:
    """How a wish on a text field is said back."""
    listed = " or ".join(values)
    if len(values) > 3 and said:
        words = said
    elif field == roles.country:
        words = f"from {' or '.join(with_article(value) for value in values)}"
    elif field == roles.language:
        words = f"in {listed}"
    elif field in roles.makers or field in roles.writers:
        words = f"by {listed}"
    elif field in roles.performers:
        words = f"with {listed}"
    elif field in roles.genres:
        words = listed if len(values) <= 3 else said
    else:
        words = said
    return (
        f"not {words}"
        if ruled_out and words.split()[0] in {"from", "in", "by", "with"}
        else (f"no {words}" if ruled_out else words)
    )


def with_article(country: str) -> str:
    """A country as it stands behind "from": the United States, the Czech Republic, France."""
    takes = re.match(
        r"(?:United|Czech Republic|Soviet|Netherlands|Kingdom|Philippines|Bahamas|Dominican|Republic|People's)", country
    )
    return f"the {country}" if takes else country


def _said(hit: Hit, utterance: Utterance) -> str:
    return utterance.low[hit.span.start : hit.span.end]


def _joined(last: Hit, hit: Hit, utterance: Utterance, roles: Roles) -> bool:
    between = utterance.low[last.span.end : hit.span.start]
    between = re.sub(r"\b(?:films?|movies?|ones?)\b", "", between)
    if re.search(r"\bn?or\b|/", between) and _OR_LIST.match(between):
        return True
    return hit.meaning.field in roles.exclusive and _AND_LIST.match(between) is not None


def _with_leading_commas(groups: list[list[Hit]], utterance: Utterance) -> list[list[Hit]]:
    # "comedies, dramas or westerns": the comma before an or-list belongs to it
    merged: list[list[Hit]] = []
    for group in reversed(groups):
        nxt = merged[-1] if merged else None
        between = utterance.low[group[-1].span.end : nxt[0].span.start] if nxt else ""
        if (
            nxt
            and len(nxt) > 1
            and nxt[0].meaning.field == group[0].meaning.field
            and re.fullmatch(r"\s*,\s*", between)
        ):
            merged[-1] = [*group, *nxt]
        else:
            merged.append(group)
    return merged[::-1]


def _number_forms(key: str) -> set[str]:
    forms = {key}
    if key.endswith("y") and key[-2:-1] not in "aeiou":
        forms.add(key[:-1] + "ies")
    elif key.endswith("ies"):
        forms.add(key[:-3] + "y")
    elif key.endswith(("s", "x", "ch", "sh")):
        forms |= (
            {key + "es", key[:-1]} if key.endswith("s") and len(key) > 4 and not key.endswith("ss") else {key + "es"}
        )
    else:
        forms.add(key + "s")
    return forms
