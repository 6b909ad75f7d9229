"""What is taken back: "doesn't have to be French", "longer is ok", "drop the comedy part", "horror is fine"."""

from __future__ import annotations

import re

from agents.intent import Intent, Wish
from agents.understanding.negation import is_negative
from agents.understanding.roles import Roles
from agents.understanding.scene import Scene
from agents.understanding.text import Span, Utterance
from agents.understanding.vocabulary import Vocabulary
from tools.titles import plain

_X = r"(?P<x>[\w'\"-]+(?: [\w'-]+){0,4}?)"
_END = (
    r"(?=\s*(?:$|[.,;!?]|\band\b|\bbut\b|\bthough\b|\banymore\b|\bany more\b|\beither\b|\bthen\b|"
    r"\bplease\b|\bafter all\b))"
)
_PART = r"(?:part|bit|requirement|rule|thing|condition|limit|limits|wish|filter|restriction|aspect|stuff)"
_IT = r"(?:it |they |these |those |that |this )?"
_NEED_NOT = re.compile(
    rf"\b{_IT}(?:(?:does ?n'?t|do ?n'?t|does not|do not|no longer|need ?n'?t|need not|not)\s+)(?:really |"
    rf"necessarily |actually |all )?"
    rf"(?:(?:have|has|need|needs|got) to be |(?:have|need) to |need |be |necessarily )"
    rf"(?:set |made |just |only |so |that |very |all |a |an |the |about |be )*{_X}{_END}"
)
_NOT_NECESSARILY = re.compile(rf"\b{_IT}not necessarily (?:a |an |the |about )?{_X}{_END}")
_DROP_PART = re.compile(
    rf"\b(?:drop|forget|lose|scrap|skip|remove|ignore|leave out|take out|take away|get rid of|without|never ?mind)"
    rf"(?: about)? (?:the |that |my )?{_X} {_PART}\b"
)
_DROP = re.compile(rf"\b(?:drop|forget|lose|scrap|remove|ignore|never ?mind)(?: about)? (?:the |that |my )?{_X}{_END}")
_NOT_IMPORTANT = re.compile(
    rf"\b(?:the )?{_X} (?:part |bit )?(?:is ?n'?t|is not|is no longer|does ?n'?t|no longer) ?(?:so |that |really |"
    rf"very )?"
    r"(?:important|necessary|needed|required|a must|matter|matters)\b(?: to me)?(?: any ?more)?"
)
_FINE = re.compile(
    rf"\b(?:i do ?n'?t mind (?:if (?:it'?s|they'?re|it is|they are) )?|(?:it |they |that )?(?:can|may|could|"
    rf"might) (?:also |well |even )*be )"
    rf"(?:a bit |a little |some |the )?{_X}{_END}|"
    rf"\b(?P<y>[\w'-]+(?: [\w'-]+){{0,2}}) (?:is|are|would be) (?:also |totally |perfectly )?(?:ok|okay|fine|"
    rf"alright|all right|allowed|acceptable|welcome)\b"
    r"(?: (?:too|as well|again|now|after all|by me|with me))?"
)


def read_relaxed(
    utterance: Utterance,
    negative: list[Span],
    scene: Scene,
    intent: Intent,
    vocabulary: Vocabulary,
    roles: Roles,
    field_words: dict[str, str],
) -> None:
    """Take every relaxation out of a message; fields go to `dropped`, the wishes meant to `released`.

    Words that stand for nothing that could be taken back stay for the other readers.
    """
    for pattern in (_NEED_NOT, _NOT_NECESSARILY, _DROP_PART, _DROP, _NOT_IMPORTANT):
        for match in list(pattern.finditer(utterance.view)):
            wishes = _meant(match["x"], scene, vocabulary, roles, field_words, negative=False)
            if wishes and (pattern is not _DROP or scene.running):
                _release(utterance, match, wishes, intent)
    for match in list(_FINE.finditer(utterance.view)):
        said = match["x"] or match["y"]
        wishes = _meant(said, scene, vocabulary, roles, field_words, negative=True)
        if wishes and not is_negative(negative, match.start()):
            _release(utterance, match, wishes, intent)


def _release(utterance: Utterance, match: re.Match[str], wishes: list[Wish], intent: Intent) -> None:
    utterance.take(*match.span())
    for wish in wishes:
        intent.dropped = list(dict.fromkeys([*intent.dropped, wish.field]))
        if wish.values or wish.low is not None or wish.high is not None:
            intent.released.append(wish)


def _meant(
    said: str, scene: Scene, vocabulary: Vocabulary, roles: Roles, field_words: dict[str, str], *, negative: bool
) -> list[Wish]:
    """The wishes that a piece of text names; empty when none.

    Args:
        said: the piece.
        scene: wishes of its running request are found by their own words, too.
        vocabulary: values of the catalogue.
        roles: its fields by part.
        field_words: word -> field.
        negative: the words allow something ("horror is fine"): only what is ruled out or bounded can be meant.
    """
    key = plain(said)
    running = scene.request.wishes if scene.request is not None else []
    bounded = _bound_word(key, roles)
    if bounded is not None:
        return [bounded]
    if negative:
        ruled_out = [wish for wish in running if wish.negative]
        return [
            Wish(field=wish.field, values=left, negative=True, words=said)
            for wish in ruled_out
            if (left := [value for value in wish.values if _named(key, wish.field, value, vocabulary)])
        ]
    if field := field_words.get(key) or field_words.get(key.rstrip("s")):
        return [Wish(field=field, words=said)]
    if roles.year and re.search(r"\b(?:1[5-9]|20)\d\d|\d0s\b|(?:twen|thir|for|fif|six|seven|eigh|nine)ties\b", key):
        return [Wish(field=roles.year, words=said)]
    if roles.duration and re.search(r"\b(?:hours?|minutes?|mins?)\b", key):
        return [Wish(field=roles.duration, words=said)]
    own = [
        Wish(field=wish.field, values=left, words=said)
        for wish in running
        if (left := [value for value in wish.values if _named(key, wish.field, value, vocabulary)])
    ]
    if own:
        return own
    if meanings := vocabulary.lookup(key):
        return [Wish(field=meaning.field, values=list(meaning.values), words=said) for meaning in meanings[:2]]
    mood = vocabulary.mood(key)
    if mood is not None:
        for field in roles.genres:
            if values := vocabulary.pick(field, mood.values):
                return [Wish(field=field, values=list(values), words=mood.words)]
    return []


def _named(key: str, field: str, value: str, vocabulary: Vocabulary) -> bool:
    """Whether a text names a value: by its own words ("hitchcock"), a synonym ("funny" isn't one), or an adjective."""
    words = set(key.split()) - {"by", "with", "from", "in", "film", "films", "movie", "movies", "a", "the"}
    if words and words <= set(plain(value).split()):
        return True
    return any(value in m.values and m.field == field for m in vocabulary.lookup(key))


def _bound_word(key: str, roles: Roles) -> Wish | None:
    """One side of a range: "longer" takes the upper bound of the length away, "older" the lower bound of the year."""
    key = re.sub(r"^(?:a bit|a little|slightly|something|any|much|even|so|that|very|too) ", "", key)
    for words, field, upper in (
        (("longer", "long", "a longer one", "longer ones"), roles.duration, True),
        (("shorter", "short", "shorter ones"), roles.duration, False),
        (("older", "old", "older ones", "earlier"), roles.year, False),
        (("newer", "new", "recent", "more recent", "newer ones", "later"), roles.year, True),
        (("expensive", "more expensive", "dearer", "pricier"), roles.price, True),
        (("cheaper", "cheap"), roles.price, False),
        (("worse", "lower rated"), roles.stars, False),
    ):
        if field and key in words:
            return Wish(field=field, high=0.0 if upper else None, low=None if upper else 0.0, words=key)
    return None
