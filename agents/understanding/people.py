"""People in a message ("by Hitchcock", "Bill Murray films"), linked by full, last or misspelt name, or unknown."""

from __future__ import annotations

import re
from collections import defaultdict

from rapidfuzz import fuzz, process

from agents.intent import Wish
from agents.understanding.lexicon import FILLER
from agents.understanding.names import CUT
from agents.understanding.negation import is_negative
from agents.understanding.roles import Roles
from agents.understanding.text import Span, Utterance
from agents.understanding.vocabulary import Vocabulary, phrase_for
from recsys_core.catalog.catalogue import Catalogue
from tools.titles import plain

_BY = re.compile(
    r"\b(?P<cue>directed by|written by|made by|created by|starring|featuring|without|with|by|from director)\s+(?=\S)"
)
_BOTHER = re.compile(r"^(?:the |a |an )?(?P<name>.+?)(?:'s)?(?:\s+(?:brothers|bros\.?))?$")
_NAME_NOUN = re.compile(
    r"\b(?P<name>[^\W\d_]{4,}(?:\s[^\W\d_]{3,})?)(?:'s|s')?\s+(?:films?|movies?|flicks?|"
    r"pictures?|books?|novels?|albums?|songs?)\b"
)


_BOTH_SIDES = re.compile(
    r"\b(?:neither |either |both )?(?:in front of|before) (?:the camera )?(?:n?or|and) behind the camera\b|"
    r"\bon (?:both|either) sides? of the camera\b"
)

_WELL_KNOWN = 3
"""Who made so many items is meant by the last name alone."""


def _last_names(key: str) -> set[str]:
    """What a person is called for short: the last word, and the last two with a particle ("de niro", "deniro")."""
    words = key.split()
    names = {words[-1]}
    if len(words) >= 3:
        names |= {" ".join(words[-2:]), "".join(words[-2:])} if len(words[-2]) <= 3 else {" ".join(words[-2:])}
    return names


class PeopleReader:
    """Finds names of makers and performers.

    Args:
        catalogue: its people fields.
        roles: which fields those are.
        vocabulary: words that are no names.
    """

    def __init__(self, catalogue: Catalogue, roles: Roles, vocabulary: Vocabulary) -> None:
        self._roles = roles
        self._vocabulary = vocabulary
        self._full: dict[str, dict[str, str]] = defaultdict(dict)
        self._last: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._weight: dict[tuple[str, str], int] = {}
        for name in roles.people:
            postings = catalogue.postings(name)
            for folded, written in postings.spellings.items():
                key = plain(written[0])
                if not key:
                    continue
                self._full[key][name] = written[0]
                for last in _last_names(key):
                    self._last[last][name].append(written[0])
                self._weight[name, written[0]] = len(postings.rows[folded])
        self._long_last = [last for last in self._last if len(last) >= 6]

    def read(self, utterance: Utterance, negative: list[Span]) -> tuple[list[Wish], list[str]]:
        """Take names out of a message.

        Returns:
            Wishes, and names that were announced and aren't in the catalogue.
        """
        wishes: list[Wish] = []
        unknown: list[str] = []
        if not self._full:
            return wishes, unknown
        for match in list(_BY.finditer(utterance.view)):
            found, end = self._after_cue(utterance, match, negative, unknown)
            if end > match.end():
                utterance.take(match.start(), end)
            wishes += found
        wishes += self._bare(utterance, negative)
        wishes += self._before_noun(utterance, negative)
        return wishes, unknown

    def _after_cue(
        self, utterance: Utterance, match: re.Match[str], negative: list[Span], unknown: list[str]
    ) -> tuple[list[Wish], int]:
        fields = self._fields(match["cue"])
        people: list[list[str]] = []
        joints: set[str] = set()
        chosen, end = "", match.end()
        start = end
        while True:
            found = self._name_at(utterance, start, fields if not chosen else (chosen,))
            if found is None:
                break
            chosen, names, end = found
            people.append(names)
            joint = re.match(r"\s*(?:,\s*)?(or|and|,|&|/)\s+", utterance.view[end:])
            if joint is None:
                break
            joints.add(joint[1])
            start = end + joint.end()
        if people:
            ruled_out = is_negative(negative, match.start())
            # "with A and B" wants both in one film; "by A and B" what either made
            together = joints & {"and", "&"} and not joints & {"or", "/"} and chosen in self._roles.performers
            if together and not ruled_out:
                return [self._wish(chosen, names, False) for names in people], end
            return [self._wish(chosen, [name for names in people for name in names], ruled_out)], end
        cut = CUT.search(utterance.view, match.end())
        end = cut.start() if cut else len(utterance.view)
        text = utterance.raw[match.end() : end].strip()
        announced = match["cue"] not in {"with", "without", "by"} or bool(
            re.match(r"[A-Z][\w'.-]+(?:\s+[A-Z][\w'.-]+)+$", text)
        )
        if announced and text and len(text.split()) <= 4 and not self._vocabulary.knows(text):
            unknown.append(text[:60])
            return [], end
        return [], match.end()

    def _name_at(self, utterance: Utterance, start: int, fields: tuple[str, ...]) -> tuple[str, list[str], int] | None:
        words = [m for m in re.finditer(r"[^\W\d_][\w'.-]*", utterance.view[start:])][:5]
        for count in range(len(words), 0, -1):
            end = start + words[count - 1].end()
            text = utterance.low[start:end].rstrip(".,'")
            # "Bill Murray or" is Bill Murray, not a misspelt longer name
            if "\x1f" in utterance.view[start:end] or re.search(r"[,;!?]|\b(?:or|and)$", text):
                continue
            found = self._lookup(text, fields, fuzzy=count <= 3 and len(text) >= 6)
            if found:
                return (*found, start + len(text))
        return None

    def _lookup(self, text: str, fields: tuple[str, ...], *, fuzzy: bool) -> tuple[str, list[str]] | None:
        bare = _BOTHER.match(text.strip())
        key = plain(bare["name"]) if bare else plain(text)
        if not key or key in FILLER or self._vocabulary.knows(key):
            return None
        for table in (self._full.get(key), self._last.get(key)):
            for name in self._ordered(table, fields):
                value = table[name] if table else ""
                return name, [value] if isinstance(value, str) else sorted(set(value))
        if fuzzy and " " in key:
            best = process.extractOne(key, self._full.keys(), scorer=fuzz.ratio, score_cutoff=86)
            if best:
                for name in self._ordered(self._full[best[0]], fields):
                    return name, [self._full[best[0]][name]]
        elif fuzzy:
            # a last name alone: the best known of those a letter or two away
            near = process.extract(key, self._long_last, scorer=fuzz.ratio, limit=3, score_cutoff=83)
            for last, _, _ in near:
                for name in self._ordered(self._last[last], fields) if last[0] == key[0] else ():
                    return name, sorted(set(self._last[last][name]))
        return None

    def nearest(self, text: str) -> tuple[str, str, float] | None:
        """The name nearest in spelling: field, name, and confidence from 0 to 1; None when there are no names."""
        best = process.extractOne(plain(text), self._full.keys(), scorer=fuzz.ratio)
        if not best:
            return None
        name = max(self._full[best[0]], key=lambda f: self._weight[f, self._full[best[0]][f]])
        return name, self._full[best[0]][name], best[1] / 100

    def _ordered(self, table: object, fields: tuple[str, ...]) -> list[str]:
        if not isinstance(table, dict):
            return []
        return [name for name in fields if name in table]

    def _bare(self, utterance: Utterance, negative: list[Span]) -> list[Wish]:
        found = []
        for run in utterance.runs():
            position = 0
            while position < len(run):
                for length in range(min(4, len(run) - position), 1, -1):
                    span = Span(run[position][1].start, run[position + length - 1][1].end)
                    table = self._full.get(plain(utterance.low[span.start : span.end]))
                    if table:
                        name = max(table, key=lambda f: (self._weight[f, table[f]], f in self._roles.makers))
                        utterance.take(span.start, span.end)
                        found.append(self._wish(name, [table[name]], is_negative(negative, span.start)))
                        position += length - 1
                        break
                else:
                    span = run[position][1]
                    maker = self._well_known(utterance, span)
                    if maker is not None:
                        utterance.take(span.start, span.end)
                        found.append(self._wish(*maker, is_negative(negative, span.start)))
                position += 1
        return found

    def _well_known(self, utterance: Utterance, span: Span) -> tuple[str, list[str]] | None:
        """The one maker whom a capitalised last name in a short message can only mean: "rather Scorsese"."""
        word = utterance.low[span.start : span.end]
        first = not re.search(r"\w", utterance.low[: span.start])
        if len(utterance.low.split()) > 6 or len(word) < 5 or first or not utterance.raw[span.start].isupper():
            return None
        key = plain(word)
        if key in FILLER or self._vocabulary.knows(key):
            return None
        for field in self._roles.makers:
            named = set(self._last[key][field]) if key in self._last else set()
            if len(named) == 1 and self._weight[field, min(named)] >= _WELL_KNOWN:
                return field, sorted(named)
        return None

    def _before_noun(self, utterance: Utterance, negative: list[Span]) -> list[Wish]:
        found = []
        for match in list(_NAME_NOUN.finditer(utterance.view)):
            name = match["name"].split()[-1]
            if name in FILLER or self._vocabulary.knows(name):
                continue
            # "a Jim Carey film": somebody else's last name is no match for a full name
            start = match.start("name")
            before = re.search(r"([^\W\d_]{2,}) $", utterance.view[:start])
            if before and utterance.raw[before.start()].isupper() and self._is_name(before[1]):
                start = before.start()
            said = utterance.low[start : match.end("name")]
            whole = said.split()[0] != name and self._is_name(said.split()[0])
            hit = self._lookup(said, self._roles.people, fuzzy=whole)
            hit = hit or (None if whole else self._lookup(name, self._roles.makers, fuzzy=len(name) >= 7))
            if hit:
                utterance.take(start, match.end("name"))
                found.append(self._wish(hit[0], hit[1], is_negative(negative, start)))
        return found

    def _is_name(self, word: str) -> bool:
        return word not in FILLER and not self._vocabulary.knows(word)

    def other_side(self, utterance: Utterance, wishes: list[Wish]) -> list[Wish]:
        """The same people on the camera's other side, for "neither in front of nor behind the camera"."""
        if utterance.pop(_BOTH_SIDES) is None:
            return []
        more = []
        for wish in wishes:
            others = self._roles.performers if wish.field in self._roles.makers else self._roles.makers
            for field in others:
                names = [self._full[key][field] for v in wish.values if field in self._full.get(key := plain(v), {})]
                if names:
                    more.append(self._wish(field, names, wish.negative))
        return more

    def leftover(self, utterance: Utterance, negative: list[Span]) -> list[Wish]:
        """Makers whose last name stands in front of a kind ("a Hitchcock thriller"), once the kinds have been read."""
        found = []
        for word, span in utterance.words():
            table = self._last.get(word, {}) if len(word) >= 5 and word not in FILLER else {}
            name = next((field for field in self._roles.makers if field in table), None)
            if name and re.match(r"(?:'s)? ?\x1f", utterance.view[span.end :]):
                utterance.take(span.start, span.end)
                found.append(self._wish(name, sorted(set(table[name])), is_negative(negative, span.start)))
        return found

    def _fields(self, cue: str) -> tuple[str, ...]:
        roles = self._roles
        if cue == "written by":
            return (*roles.writers, *roles.makers)
        if cue in {"with", "without", "starring", "featuring"}:
            return (*roles.performers, *roles.makers)
        return (*roles.makers, *roles.writers, *roles.performers)

    def _wish(self, name: str, values: list[str], ruled_out: bool) -> Wish:
        values = list(dict.fromkeys(values))
        return Wish(
            field=name,
            values=values,
            negative=ruled_out,
            words=phrase_for(name, " or ".join(values), ruled_out, self._roles, values),
        )
