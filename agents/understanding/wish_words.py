"""Words that say what is wanted without being a value: languages, ages of children, moods, slips of the pen."""

from __future__ import annotations

import re

from agents.intent import Intent, Wish
from agents.understanding.lexicon import FILLER
from agents.understanding.moods import Mood
from agents.understanding.negation import is_negative
from agents.understanding.roles import Roles
from agents.understanding.text import NUMBER_WORDS, Span, Utterance, to_number
from agents.understanding.vocabulary import Hit, Vocabulary, phrase_for
from tools.titles import plain

_CHILD_AGE = re.compile(
    r"\b(?:for )?(?:my |a |our |the )?(?:\w+ )?(?P<n>\d{1,2}|"
    + "|".join(list(NUMBER_WORDS)[1:])
    + r")[\s-]*(?:and \w+ )?"
    r"(?:years?|yrs?|yo)[\s-]*(?:olds?)?\b(?<!years)(?<!year)"
)


class WishWords:
    """Reads such words for one catalogue.

    Args:
        vocabulary: values and moods that have words.
        roles: the catalogue's fields by part.
    """

    def __init__(self, vocabulary: Vocabulary, roles: Roles) -> None:
        self._vocabulary = vocabulary
        self._roles = roles

    def languages(self, utterance: Utterance, negative: list[Span]) -> list[Wish]:
        """Take "in French", "Italian-speaking" out of a message."""
        field = self._roles.language
        if field is None:
            return []
        found = []
        names = "|".join(re.escape(v) for v in sorted(self._vocabulary.values.get(field, {}), key=len, reverse=True))
        pattern = re.compile(
            rf"\b(?:in|speaking|spoken in)\s+(?P<a>{names})\b|\b(?P<b>{names})[\s-]+(?:language|speaking|spoken)\b|"
            rf"\bnon[\s-]+(?P<c>{names})\b"
        )
        for match in utterance.pop_all(pattern) if names else ():
            value = self._vocabulary.values[field][plain(match["a"] or match["b"] or match["c"])]
            ruled_out = is_negative(negative, match.start())
            found.append(
                Wish(
                    field=field,
                    values=[value],
                    negative=ruled_out,
                    words=phrase_for(field, "", ruled_out, self._roles, [value]),
                )
            )
        return found

    def misspelt(self, utterance: Utterance, hits: list[Hit], moods: list[tuple[Span, Mood]], intent: Intent) -> None:
        """Read a word that is a slip of the pen away from one of the vocabulary as that word, and say so."""
        for word, span in content(utterance):
            meant = self._vocabulary.misspelt(word)
            if meant is None:
                continue
            # a capital inside a sentence is a name, and of names the vocabulary knows places only
            places = {m.field for m in self._vocabulary.lookup(meant)} & {self._roles.country, self._roles.language}
            if span.start > 0 and utterance.raw[span.start].isupper() and not places:
                continue
            utterance.take(span.start, span.end)
            mood = self._vocabulary.mood(meant)
            hits += [Hit(span, meaning) for meaning in self._vocabulary.lookup(meant)[:1]]
            if mood is not None and not self._vocabulary.lookup(meant):
                moods.append((span, mood))
            intent.notes.append(f"I read {_quoted(word)} as {_quoted(meant)}.")
        hits.sort(key=lambda hit: hit.span.start)

    def for_children(self, utterance: Utterance, negative: list[Span]) -> list[Wish]:
        """Take "for my six-year-old": the catalogue's value for children, where it has one."""
        found = []
        for match in utterance.pop_all(_CHILD_AGE):
            meanings = self._vocabulary.lookup("for kids")
            if to_number(match["n"]) <= 12 and meanings and not is_negative(negative, match.start()):
                values = list(meanings[0].values)
                words = phrase_for(meanings[0].field, "", False, self._roles, values)
                found.append(Wish(field=meanings[0].field, values=values, words=words))
        return found

    def moods(
        self, moods: list[tuple[Span, Mood]], utterance: Utterance, negative: list[Span], intent: Intent
    ) -> tuple[list[Wish], list[str]]:
        """Moods as wishes, and the words to put into the instruction; the first one becomes the intent's mood."""
        found: list[Wish] = []
        words: list[str] = []
        for span, mood in moods:
            # "less dark" is a mood of its own; "less violent" rules out
            own = utterance.low[span.start : span.end].startswith("less ")
            turned = is_negative(negative, span.start) and not own
            names, hard = (mood.ruled_out, True) if turned else (mood.values, False)
            if turned and not mood.ruled_out:
                names, hard = mood.instead, False
            elif not turned:
                words.append(mood.words)
                intent.mood = intent.mood or ("" if mood.topic else mood.words)
            picked = self._pick_genres(names)
            if picked is not None:
                field, values = picked
                said = f"nothing {mood.words}" if turned else mood.words
                found.append(Wish(field=field, values=values, negative=turned and hard, hard=hard, words=said))
        return found, words

    def _pick_genres(self, names: tuple[str, ...]) -> tuple[str, list[str]] | None:
        fields = [*self._roles.genres, *(f for f in self._vocabulary.values if f not in self._roles.genres)]
        for field in fields:
            if values := self._vocabulary.pick(field, names):
                return field, list(values)
        return None


def content(utterance: Utterance) -> list[tuple[str, Span]]:
    """Words of a message that nothing has taken and that could mean something."""
    return [
        (word, span) for word, span in utterance.words() if word not in FILLER and not word.isdigit() and len(word) > 1
    ]


def _quoted(text: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}"
