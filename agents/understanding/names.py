"""Names in a message: titles ("something like Fargo") and people ("by Hitchcock"), linked or called unknown."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from agents.intent import Wish
from agents.understanding.lexicon import FILLER
from agents.understanding.negation import is_negative
from agents.understanding.roles import Roles
from agents.understanding.text import Span, Utterance
from agents.understanding.vocabulary import Vocabulary, phrase_for
from recsys_core.catalog.catalogue import Catalogue
from tools.titles import LIKELY, SURE, TitleIndex, TitleMatch, plain

_QUOTED = re.compile(r'"([^"\x1f]{1,100})"|(?:(?<=\s)|^)\'([^\'\x1f]{2,100})\'(?=[\s.,;!?]|$)')
LIKE = re.compile(
    r"\b(?:(?:something|anything|things?|stuff|more|films?|movies?|books?|one|ones|others?|"
    r"much|exactly|kind of|sort of|similar)\s+)*"
    r"(?:like|similar to|in the (?:style|vein|spirit) of|along the lines of|reminiscent of|reminds me of|comparable to|"
    r"close to|a la|as good as|such as|fans? of|based on (?:my love of|liking))\s+(?=\S)"
)
LOVED = re.compile(
    r"\b(?:i|we)\s+(?:just |really |absolutely |also |recently )*(?:loved|liked|enjoyed|"
    r"adored?|love|adore|enjoy|like|watched and loved)\s+(?=\S)"
)
_NOT_LIKE = re.compile(r"(?:would|'d|did|do|feel|i|we|you|not|n't|looks?|sounds?)\s*$")
_CUT = re.compile(
    r"\s*(?:[,;!?\x1f]|\.(?:\s|$)|\s-\s|\bbut\b|\band\b|\bor\b|\bonly\b|\bwith\b|\bfrom\b|"
    r"\bthat\b|\bwhich\b|\bplease\b|\bthough\b|"
    r"\bexcept\b|\bwithout\b|\bnot\b|\bjust\b|\bfor\b|\bin the\b|\bmade\b|\bto\b|\bby\b|"
    r"\bbecause\b|\binstead\b|\bmore\b|\bless\b|$)"
)
_BY = re.compile(
    r"\b(?P<cue>directed by|written by|made by|created by|starring|featuring|with|by|from director)\s+(?=\S)"
)
_BOTHER = re.compile(r"^(?:the |a |an )?(?P<name>.+?)(?:'s)?(?:\s+(?:brothers|bros\.?))?$")
_NAME_NOUN = re.compile(
    r"\b(?P<name>[^\W\d_]{4,}(?:\s[^\W\d_]{3,})?)(?:'s|s')?\s+(?:films?|movies?|flicks?|"
    r"pictures?|books?|novels?|albums?|songs?)\b"
)


@dataclass
class Linked:
    """Items and names found."""

    items: list[str] = field(default_factory=list)
    """Item ids."""
    unlinked: list[str] = field(default_factory=list)
    """What was named and isn't there, as written."""
    notes: list[str] = field(default_factory=list)
    """Links that should be said."""


class TitleReader:
    """Finds titles after words that announce one.

    Args:
        catalogue: its items.
        titles: its titles.
        vocabulary: words that are rather a quality than a title ("I like comedies").
    """

    def __init__(self, catalogue: Catalogue, titles: TitleIndex, vocabulary: Vocabulary) -> None:
        self._catalogue = catalogue
        self._titles = titles
        self._vocabulary = vocabulary

    def quoted(self, utterance: Utterance) -> Linked:
        """Titles in quotation marks; an unknown one is reported."""
        linked = Linked()
        for match in list(_QUOTED.finditer(utterance.view)):
            text = utterance.raw[match.start() : match.end()][1:-1]
            if plain(text):
                utterance.take(*match.span())
                self._accept(text, linked)
        return linked

    def after(self, utterance: Utterance, cue: re.Pattern[str], *, sure: bool) -> Linked:
        """Titles that follow a cue ("something like"), lists with "and" and "or" included.

        Args:
            utterance: the message.
            cue: pattern of the words in front of the title.
            sure: take only what is certainly a title, and report nothing as unknown ("I love comedies").
        """
        linked = Linked()
        for match in list(cue.finditer(utterance.view)):
            if cue is LIKE and _NOT_LIKE.search(utterance.view[: match.start()]) and match[0].strip() == "like":
                continue
            end = self._read(utterance, match.end(), linked, sure=sure)
            if end > match.end():
                utterance.take(match.start(), end)
        return linked

    def named(self, utterance: Utterance, negative: list[Span]) -> tuple[list[str], list[str]]:
        """Titles without an announcement: the whole message, or several capitalised words in a row.

        Returns:
            Item ids named as examples, and item ids named as not wanted.
        """
        wanted: list[str] = []
        barred: list[str] = []
        whole = utterance.raw.strip(" .!?")
        match = self._titles.exact(whole) if utterance.untouched() and not self._vocabulary.knows(whole) else None
        if match is not None and whole.casefold() not in FILLER:
            utterance.take(0, len(utterance.raw))
            return [self._catalogue.ids[match.index]], barred
        for run in utterance.runs():
            position = 0
            while position < len(run):
                length, match = self._longest_title(utterance, run[position : position + self._titles.longest])
                if match is not None:
                    span = Span(run[position][1].start, run[position + length - 1][1].end)
                    utterance.take(span.start, span.end)
                    ids = barred if is_negative(negative, span.start) else wanted
                    ids.append(self._catalogue.ids[match.index])
                position += length
        return wanted, barred

    def _longest_title(self, utterance: Utterance, words: list[tuple[str, Span]]) -> tuple[int, TitleMatch | None]:
        for length in range(len(words), 1, -1):
            first, last = words[0][1], words[length - 1][1]
            if not (utterance.raw[first.start].isupper() and utterance.raw[last.start].isupper()):
                continue
            match = self._titles.exact(utterance.raw[first.start : last.end])
            if match is not None and match.confidence == 1.0:
                return length, match
        return 1, None

    def mentioned(self, utterance: Utterance, item_ids: list[str]) -> list[str]:
        """Those of some items whose titles are in the message."""
        found = []
        for item_id in item_ids:
            title = plain(re.sub(r"\s*\(\d{4}\)$", "", self._catalogue.get(item_id).title))
            words = utterance.words()
            texts = [plain(word) for word, _ in words]
            wanted = title.split()
            for start in range(len(texts) - len(wanted) + 1):
                if wanted and texts[start : start + len(wanted)] == wanted:
                    utterance.take(words[start][1].start, words[start + len(wanted) - 1][1].end)
                    found.append(item_id)
                    break
        return found

    def _read(self, utterance: Utterance, start: int, linked: Linked, *, sure: bool) -> int:
        end, more = start, True
        while more:
            piece_end = self._one(utterance, end, linked, sure=sure)
            if piece_end == end:
                break
            end = piece_end
            joint = re.match(r"\s*(?:,\s*)?(?:and|or|,|&|/)\s+(?=\S)", utterance.view[end:])
            more = joint is not None and self._exact_at(utterance, end + joint.end()) is not None
            end += joint.end() if joint and more else 0
        return end

    def _one(self, utterance: Utterance, start: int, linked: Linked, *, sure: bool) -> int:
        exact = self._exact_at(utterance, start)
        if exact is not None:
            match, end = exact
            if self._is_quality(utterance, start, end):
                return start
            linked.items.append(self._catalogue.ids[match.index])
            return end
        if sure:
            return start
        cut = _CUT.search(utterance.view, start)
        end = cut.start() if cut else len(utterance.view)
        text = utterance.raw[start:end].strip()
        words = [w for w in plain(text).split() if w not in FILLER]
        if not words or self._is_quality(utterance, start, end):
            return start
        return end if self._accept(text, linked, only_likely=text == text.lower() and len(words) > 3) else start

    def _exact_at(self, utterance: Utterance, start: int) -> tuple[TitleMatch, int] | None:
        stop = utterance.view.find("\x1f", start)
        ends = [
            m.end()
            for m in re.finditer(r"[^\W_]+(?:'[^\W_]+)*[!?.]?(?:\s*\((?:1[89]|20)\d\d\))?", utterance.low)
            if m.start() >= start
        ]
        ends = [e for e in ends if stop < 0 or e <= stop][: self._titles.longest + 2]
        for end in reversed(ends):
            text = utterance.raw[start:end]
            links = [m for m in self._titles.link(text, 1) if m.confidence >= 0.95]
            if links and plain(text) not in {"it", "that", "this", "them", "these", "those"}:
                return links[0], end
        return None

    def _is_quality(self, utterance: Utterance, start: int, end: int) -> bool:
        text = utterance.raw[start:end]
        return text == text.lower() and all(
            self._vocabulary.knows(w) or w in FILLER or self._vocabulary.knows(text) for w in plain(text).split()
        )

    def _accept(self, text: str, linked: Linked, *, only_likely: bool = False) -> bool:
        found = self._titles.link(text, 2)
        best = found[0] if found else None
        if best is not None and best.confidence >= LIKELY:
            linked.items.append(self._catalogue.ids[best.index])
            if best.confidence < SURE:
                linked.notes.append(
                    f"I took \N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK} for {best.title}."
                )
            return True
        if only_likely:
            return False
        linked.unlinked.append(text[:80])
        return True


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
                self._last[key.split()[-1]][name].append(written[0])
                self._weight[name, written[0]] = len(postings.rows[folded])

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
            wish, end = self._after_cue(utterance, match, negative, unknown)
            if end > match.end():
                utterance.take(match.start(), end)
            if wish:
                wishes.append(wish)
        wishes += self._bare(utterance, negative)
        wishes += self._before_noun(utterance, negative)
        return wishes, unknown

    def _after_cue(
        self, utterance: Utterance, match: re.Match[str], negative: list[Span], unknown: list[str]
    ) -> tuple[Wish | None, int]:
        fields = self._fields(match["cue"])
        values: list[str] = []
        chosen, end = "", match.end()
        start = end
        while True:
            found = self._name_at(utterance, start, fields if not chosen else (chosen,))
            if found is None:
                break
            chosen, names, end = found
            values += names
            joint = re.match(r"\s*(?:,\s*)?(?:or|and|,|&|/)\s+", utterance.view[end:])
            if joint is None:
                break
            start = end + joint.end()
        if values:
            return self._wish(chosen, values, is_negative(negative, match.start())), end
        cut = _CUT.search(utterance.view, match.end())
        end = cut.start() if cut else len(utterance.view)
        text = utterance.raw[match.end() : end].strip()
        announced = match["cue"] not in {"with", "by"} or bool(re.match(r"[A-Z][\w'.-]+(?:\s+[A-Z][\w'.-]+)+$", text))
        if announced and text and len(text.split()) <= 4 and not self._vocabulary.knows(text):
            unknown.append(text[:60])
            return None, end
        return None, match.end()

    def _name_at(self, utterance: Utterance, start: int, fields: tuple[str, ...]) -> tuple[str, list[str], int] | None:
        words = [m for m in re.finditer(r"[^\W\d_][\w'.-]*", utterance.view[start:])][:5]
        for count in range(len(words), 0, -1):
            end = start + words[count - 1].end()
            text = utterance.low[start:end].rstrip(".,'")
            if "\x1f" in utterance.view[start:end] or re.search(r"[,;!?]", text):
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
            best = process.extractOne(key, self._full.keys(), scorer=fuzz.ratio, score_cutoff=88)
            if best:
                for name in self._ordered(self._full[best[0]], fields):
                    return name, [self._full[best[0]][name]]
        return None

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
                position += 1
        return found

    def _before_noun(self, utterance: Utterance, negative: list[Span]) -> list[Wish]:
        found = []
        for match in list(_NAME_NOUN.finditer(utterance.view)):
            name = match["name"].split()[-1]
            if name in FILLER or self._vocabulary.knows(name):
                continue
            hit = self._lookup(match["name"], self._roles.people, fuzzy=False) or self._lookup(
                name, self._roles.makers, fuzzy=False
            )
            if hit:
                utterance.take(match.start("name"), match.end("name"))
                found.append(self._wish(hit[0], hit[1], is_negative(negative, match.start())))
        return found

    def _fields(self, cue: str) -> tuple[str, ...]:
        roles = self._roles
        if cue == "written by":
            return (*roles.writers, *roles.makers)
        if cue in {"with", "starring", "featuring"}:
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
