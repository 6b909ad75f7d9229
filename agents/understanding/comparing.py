"""Questions that set items side by side: "the first or the third?", "compare Fargo and Heat", "which is shorter?"."""

from __future__ import annotations

import re

from agents.intent import Act, Intent
from agents.understanding.lexicon import FILLER
from agents.understanding.names import TitleReader
from agents.understanding.references import read_pointers
from agents.understanding.scene import Scene
from agents.understanding.text import Span, Utterance
from agents.understanding.vocabulary import Vocabulary
from tools.titles import plain

_STRONG = re.compile(
    r"\b(?:(?:what(?:'s| is| are)|tell me|explain|show me|is there|are there)?(?: the| a| any)?(?: main| big|"
    r" biggest| key)? ?differences?\b"
    r"(?: is there| are there)?(?: between| of)?|(?:can you |could you |please )*(?:compare|contrast)\b(?: them)?|"
    r"versus|vs\.?|"
    r"in comparison(?: to| with)?|compared (?:to|with)|(?:how|in what way) (?:do|does|is|"
    r"are)\b(?=.*\b(?:differ(?:ent)?|compare)\b)|"
    r"(?:have|has|got) in common|(?:differ|is different|are different)(?: from)?(?=\W*$| each| one)|"
    r"(?:how|in what way)s? (?:do|does|is|"
    r"are) .{0,60}?\b(?:compare|differ(?:ent)?)\b(?: to| with| from)?)"
)
_WHICH = re.compile(
    r"\b(?:which|what(?= (?:one|of)\b))(?: one| ones|(?: \w+)?(?= (?:of|among|from) (?:these|those|them|the)\b)|"
    r" film| movie| book| item| game| album| product)?"
    r"(?: (?:of|among|from|out of) (?:these|those|them|the|all)(?: (?:two|three|four|five|six|\d))?(?: (?:films?|"
    r"movies?|ones?|of them))?)?,? "
    r"(?:is|are|was|has|have|would|should|do|does|did|runs?|looks?|sounds?|seems?|feels?|came|comes|fits?|suits?|won)\b"
)
_WHICH_OF = re.compile(
    r"\bwhich(?: \w+)? (?:of|among|from|out of) .{1,60}?\b(?:is|are|was|has|have|would|should|do|does|did|runs?|"
    r"looks?|sounds?|came)\b"
)
_ASKING = re.compile(r"\b(?:which|what)(?: ones?)?(?: of| among| from| out of)?\b")
_OF_THESE = re.compile(
    r"\b(?:of|between|among) (?:these|those|them|the)\b|\b(?:these|those|them|the) (?:two|both)\b|\bboth\b"
)
_TWO = re.compile(r"\b(?:(?:these|those|the|them) (?:two|2)|both|the two of them|either)\b")
_THAN = re.compile(r"^\W*(?:is|are|was|isn'?t|does|do)\b.*\bthan\b")
_CHOICE = re.compile(
    r"^\W*(?:(?:should|shall|do|would|could) (?:i|we|you) (?:rather |better )?(?:watch|see|pick|take|choose|get|"
    r"read|play|try|go (?:for|with)|recommend|prefer)(?: first)?|"
    r"(?:what|how) about|is it|better|(?:what'?s|which is|which one is) better,?|rather)?\W*"
)
_NOT_A_CHOICE = re.compile(
    r"\b(?:like|similar|seen|saw|watched|loved|liked|hated|why|about|more|not|no|without|except|but)\b"
)
_ASPECTS = re.compile(
    r"\b(?P<a>short(?:er|est)|long(?:er|est)|new(?:er|est)|old(?:er|est)|(?:more|most) recent|earli(?:er|est)|"
    r"latest|cheap(?:er|est)|"
    r"(?:more|most|less|least) (?:expensive|popular|known|famous)|(?:better|best|higher|highest|top)[- ]rated|"
    r"(?:more|most|fewer|fewest) [a-z]+s\b|"
    r"(?:more|most|less|least) [a-z-]+|[a-z]+(?:ier|iest))\b"
)
_BEST = re.compile(
    r"\b(?:better|best|good|prefer|recommend|pick|choose|worth|favou?rite|watch|see|start|first|suits?|fits?|like)\b"
)
_CONNECTORS = frozenset(
    {"and", "or", "to", "with", "versus", "vs", "than", "between", "from", "each", "other"}
    | {"differ", "different", "compare", "compares", "difference"}
)


def read_comparison(
    utterance: Utterance, scene: Scene, titles: TitleReader, vocabulary: Vocabulary, intent: Intent
) -> bool:
    """Take a comparison out of a message; True when it is one, and then the intent is complete.

    Fewer than two items leave `items` short; the answer asks which two are meant.
    """
    text = utterance.view
    strong = _STRONG.search(text) is not None
    which = bool(_WHICH.search(text) or _WHICH_OF.search(text))
    than = _THAN.search(text) is not None
    choice = bool(re.search(r"\bor\b", text)) and _NOT_A_CHOICE.search(text) is None
    if not (strong or which or than or choice):
        return False
    trial = Utterance(utterance.raw)
    aspect = _aspect(text, vocabulary)
    found, unknown, missing, slots = _items(trial, scene, titles, vocabulary, strong=strong)
    pair = bool(_TWO.search(text))
    if len(found) < 2 and not strong and not (which and (aspect or _BEST.search(text)) and (scene.slate or found)):
        return False
    if (choice or than) and not (strong or which) and (len(found) < 2 or _leftover(trial, vocabulary, choice=choice)):
        return False
    if not found and not missing:
        found = _meant_by_these(scene, pair=pair, which=which, these=_OF_THESE.search(text) is not None)
    intent.act = Act.compare
    intent.items, intent.slots, intent.aspect = found, slots, aspect
    intent.unlinked = unknown
    utterance.take(0, len(utterance.raw))
    return True


def _items(
    trial: Utterance, scene: Scene, titles: TitleReader, vocabulary: Vocabulary, *, strong: bool
) -> tuple[list[str], list[str], list[int], list[int]]:
    """Items named or pointed at in order, names that no title has, slots that aren't there, and all slots."""
    for pattern in (_STRONG, _ASKING):
        for match in list(pattern.finditer(trial.view)):
            trial.take(*match.span())
    if (opening := _CHOICE.match(trial.view)) and opening.end():
        trial.take(*opening.span())
    placed = titles.anywhere(trial)
    before = trial.view
    pointed = read_pointers(trial, scene, pronouns=not placed, bare_numbers=True, all_words=False)
    first_gone = next((i for i, (a, b) in enumerate(zip(before, trial.view, strict=True)) if a != b), len(before))
    named = [item for _, item in placed]
    items = [*pointed.items, *named] if placed and first_gone < placed[0][0] else [*named, *pointed.items]
    unknown: list[str] = []
    if strong or len(items) == 1:
        for text in _names_left(trial, vocabulary):
            best = titles.likely(text)
            if best is not None:
                items.append(best)
            elif strong and text[:1].isupper():
                unknown.append(text[:80])
    return list(dict.fromkeys(items)), unknown, pointed.missing, pointed.slots


def _names_left(trial: Utterance, vocabulary: Vocabulary) -> list[str]:
    """Pieces between the connecting words that could be names."""
    names: list[str] = []
    for run in trial.runs():
        piece: list[Span] = []
        for word, span in [*run, ("and", Span(0, 0))]:
            if word in _CONNECTORS or _ASPECTS.fullmatch(word) or _BEST.fullmatch(word):
                if piece:
                    names.append(trial.raw[piece[0].start : piece[-1].end])
                piece = []
            elif piece or word not in FILLER:
                piece.append(span)
    return [name for name in names if not vocabulary.knows(name) and len(plain(name)) >= 3]


def _leftover(trial: Utterance, vocabulary: Vocabulary, *, choice: bool) -> bool:
    """Whether a choice says more than two names: then it is a wish."""
    return any(
        word not in FILLER and word not in _CONNECTORS and not _ASPECTS.fullmatch(word) and not _BEST.fullmatch(word)
        and not (vocabulary.mood(word) and not choice)
        for word, _ in trial.words()
    )  # fmt: skip


def _meant_by_these(scene: Scene, *, pair: bool, which: bool, these: bool) -> list[str]:
    """What "these two" and "which one" mean: the pair compared last, or the cards on the table."""
    slate = [card.item_id for card in scene.slate]
    last = scene.previous
    known = last.items if last is not None and last.act is Act.compare and len(last.items) >= 2 else []
    if known and (pair or not these):
        return list(known)
    if pair:
        return slate if len(slate) == 2 else []
    return slate if which or len(slate) <= 2 else []


def _aspect(text: str, vocabulary: Vocabulary) -> str:
    for match in _ASPECTS.finditer(text):
        said: str = match["a"]
        word = said.removeprefix("more ").removeprefix("most ")
        if said in {"more like", "more of", "earlier today"} or word in {"movies", "films", "items"}:
            continue
        return said
    words = (match[0] for match in re.finditer(r"[a-z-]+", text))
    return next((word for word in words if vocabulary.mood(word) is not None), "")
