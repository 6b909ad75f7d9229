"""Titles in a message ("something like Fargo"), linked or called unknown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.understanding.lexicon import FILLER
from agents.understanding.negation import is_negative
from agents.understanding.text import Span, Utterance
from agents.understanding.vocabulary import Vocabulary
from recsys_core.catalog.catalogue import Catalogue
from tools.titles import LIKELY, SURE, TitleIndex, TitleMatch, plain

_QUOTED = re.compile(r'"([^"\x1f]{1,100})"|(?:(?<=\s)|^)\'([^\'\x1f]{2,100})\'(?=[\s.,;!?]|$)')
LIKE = re.compile(
    r"\b(?:(?:something|anything|things?|stuff|more|films?|movies?|books?|one|ones|others?|"
    r"much|exactly|kind of|sort of|similar)\s+)*"
    r"(?:like|similar to|in the (?:style|vein|spirit|manner|mould|tradition) of|along the lines of|reminiscent of|"
    r"reminds me of|comparable to|"
    r"in the direction of|close to|a la|as good as|such as|fans? of|based on (?:my love of|liking))\s+(?=\S)"
)
LOVED = re.compile(
    r"\b(?:i|we)\s+(?:just |really |absolutely |also |recently )*(?:loved|liked|enjoyed|"
    r"adored?|love|adore|enjoy|like|watched and loved)\s+(?=\S)"
)
HATED = re.compile(
    r"\b(?:i|we)\s+(?:really |just |absolutely |also |simply )*(?:hated?|disliked?|loathed?|despised?|"
    r"(?:do ?n['o]t|did ?n['o]t|do not|did not|never)(?: really| much)? (?:like|enjoy|care for)d?|"
    r"(?:can'?t|cannot|could ?n[o']t) stand)\s+(?=\S)"
)
_NOT_LIKE = re.compile(
    # whole words: the "fi" of "sci-fi like Alien" is no "i"
    r"(?:(?<![\w-])(?:would|did|do|feel|i|we|you|not|looks?|sounds?)|'d|n't)"
    r"(?: (?:really|also|just|do|quite|usually|generally|mostly|always|actually|kinda|would|still|all))*\s*$"
)
_TITLE_WITH_YEAR = re.compile(
    r"(?P<name>(?:(?:[A-Z0-9][\w'’.:&!?-]*|of|the|and|in|a|an|to|for|on|with|at|from|by|&|-)\s+)*)\((?P<year>1[89]\d\d|20\d\d)\)"
)
"""A year in brackets belongs to the title in front of it: "Jumanji (2017)" is no wish for 2017."""
CUT = re.compile(
    r"\s*(?:[,;!?\x1f]|\.(?:\s|$)|\s-\s|\bbut\b|\band\b|\bor\b|\bonly\b|\bwith\b|\bfrom\b|"
    r"\bthat\b|\bwhich\b|\bwhere\b|\babout\b|\bset in\b|\bstarring\b|\bfeaturing\b|\bdirected\b|\bplease\b|\bthough\b|"
    r"\bexcept\b|\bwithout\b|\bnot\b|\bjust\b|\bfor\b|\bin the\b|\bmade\b|\bto\b|\bby\b|"
    r"\bbecause\b|\binstead\b|\bmore\b|\bless\b|$)"
)
"""Pattern: where a name in running text ends."""


@dataclass
class Linked:
    """Items and names found."""

    items: list[str] = field(default_factory=list)
    """Item ids."""
    barred: list[str] = field(default_factory=list)
    """Item ids named as not wanted."""
    unlinked: list[str] = field(default_factory=list)
    """What was named and isn't there, as written."""
    notes: list[str] = field(default_factory=list)
    """Links that should be said."""


def _capitals(name: str) -> str:
    """The end of a piece of text from its last run of capitalised words on: "have you seen Blade Runner 2049"."""
    words = name.split()
    first = next((i for i, word in enumerate(words) if word[:1].isupper() or word[:1].isdigit()), len(words))
    return name[name.index(words[first]) :].strip() if first < len(words) else ""


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

    def with_year(self, utterance: Utterance, negative: list[Span]) -> Linked:
        """Titles with their year in brackets; what the catalogue doesn't have is reported."""
        linked = Linked()
        for match in list(_TITLE_WITH_YEAR.finditer(utterance.raw)):
            words = list(re.finditer(r"\S+", match["name"]))
            place, item_id = match.start("year") - 1, None
            for word in words:
                start = match.start("name") + word.start()
                found = self._titles.named(utterance.raw[start : match.end()])
                if found is not None and "\x1f" not in utterance.view[start : match.end()]:
                    place, item_id = start, self._catalogue.ids[found.index]
                    break
            if item_id is not None and self._right_year(item_id, match["year"]):
                (linked.barred if is_negative(negative, place) else linked.items).append(item_id)
            elif name := _capitals(match["name"]):
                place = match.start("name") + match["name"].index(name)
                linked.unlinked.append(" ".join(utterance.raw[place : match.end()].split())[:80])
            utterance.take(place, match.end())
        return linked

    def _right_year(self, item_id: str, year: str) -> bool:
        """False when the catalogue's item of that title says another year; a remake is another thing."""
        own = re.search(r"\((1[89]\d\d|20\d\d)\)$", self._catalogue.get(item_id).title)
        return own is None or abs(int(own[1]) - int(year)) <= 1

    def after(self, utterance: Utterance, cue: re.Pattern[str], *, sure: bool, negative: Sequence[Span] = ()) -> Linked:
        """Titles that follow a cue ("something like"), lists with "and" and "or" included.

        Args:
            utterance: the message.
            cue: pattern of the words in front of the title.
            sure: take only what is certainly a title, and report nothing as unknown ("I love comedies").
            negative: what is ruled out; what is like a title in there isn't wanted ("not a fan of Star Wars").
        """
        linked = Linked()
        for match in list(cue.finditer(utterance.view)):
            if cue is LIKE and _NOT_LIKE.search(utterance.view[: match.start()]) and match[0].strip() == "like":
                continue
            barred = Linked()
            ruled_out = is_negative(list(negative), match.start())
            end = self._read(utterance, match.end(), barred if ruled_out else linked, sure=sure or ruled_out)
            linked.barred += barred.items
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

    def anywhere(self, utterance: Utterance) -> list[tuple[int, str]]:
        """Take every title out of a message that is about titles; longest first from the left.

        Returns:
            Where each begins, and its item id.
        """
        found: list[tuple[int, str]] = []
        words = utterance.words()
        position = 0
        while position < len(words):
            taken = 1
            for length in range(min(self._titles.longest, len(words) - position), 0, -1):
                start, end = words[position][1].start, words[position + length - 1][1].end
                if "\x1f" in utterance.view[start:end]:
                    continue
                text = utterance.raw[start:end]
                lowered = text == text.lower()
                if lowered and length == 1 and (text in FILLER or self._vocabulary.knows(text)):
                    continue
                match = self._titles.exact(text)
                if match is not None and (match.confidence == 1.0 or length > 1):
                    end += re.match(r"(?:\s*\((?:1[89]|20)\d\d\))?", utterance.raw[end:]).end()  # type: ignore[union-attr]
                    exact = self._titles.link(utterance.raw[start:end], 1)
                    utterance.take(start, end)
                    found.append((start, self._catalogue.ids[(exact[0] if exact else match).index]))
                    taken = length
                    break
            position += taken
        return found

    def likely(self, text: str) -> str | None:
        """The item that a (misspelt) title means, from the confidence at which a link may be used; else None."""
        best = next(iter(self._titles.link(text, 1)), None)
        return self._catalogue.ids[best.index] if best is not None and best.confidence >= LIKELY else None

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
        cut = CUT.search(utterance.view, start)
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
            match = self._titles.named(text)
            if match is not None and plain(text) not in {"it", "that", "this", "them", "these", "those"}:
                return match, end
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
