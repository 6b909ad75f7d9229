"""What a message says of its author for good: "I never watch horror", "my favourite genre is noir", "forget that".

A clause with such a cue is read on its own by the rules for wishes, and what it links to becomes a lasting wish; the
rest of the message is read as ever. A clause that links to nothing is never guessed at: the answer says so, and it is
kept as a note only for who says "remember".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from agents.intent import Act, Intent, Wish
from agents.understanding.lexicon import FILLER
from agents.understanding.scene import Scene
from agents.understanding.text import same_length_fold
from recsys_core.catalog.catalogue import Catalogue

Kind = Literal["never", "only", "like", "as said"]
"""How a clause is meant: ruled out for good, a must for good, liked, or with whatever sign its words have."""

_DO = r"(?:watch|see|read|play|listen to|hear|eat|drink|smoke|wear|use|buy|visit|do|touch)"
_VERY = r"(?:really |absolutely |just |also |simply |still |do )*"
_NOW = re.compile(r"\b(?:today|tonight|right now|this time|at the moment|this evening|this weekend|just now)\b")
_QUESTION = re.compile(
    r"\bwhat (?:do|did|have|else do) you (?:know|remember|noted?|stored?|kept|learn(?:ed|t)?|got)(?: \w+){0,2}? "
    r"(?:about|of|on) me\b|\bwhat do you remember\b|\bwhat have i told you about (?:me|myself)\b|"
    r"\b(?:show|list|tell)(?: me)? (?:my memory|what you (?:know|remember|noted)(?: (?:about|of) me)?)\b"
)
_FORGET_ALL = re.compile(
    r"\bforget (?:everything|all)(?: that)? (?:you (?:know|remember|have noted|noted)(?: (?:about|of) me)?|about me)\b"
)
_FORGET = re.compile(
    r"\b(?:forget|delete|remove|don'?t remember|stop remembering) (?:the fact )?(?:that|what) (?:i|you)\b"
    r"(?:'ve| have)?(?: (?:said|told you|mentioned|noted|know|remember)(?: that)?(?: about)?)?\s+(?P<rest>\S.*)$"
)
_TAKEN_BACK = (
    re.compile(rf"\bi (?:do|can|could) {_DO} (?P<rest>\S.*?)(?: now| again| after all| these days)?$"),
    re.compile(r"\bi (?:don'?t|do not) mind (?P<rest>\S.*?)(?: any ?more| now| after all)$"),
    re.compile(r"\bi(?:'ve| have) changed my mind (?:about|on) (?P<rest>\S.*)$"),
)
_REMEMBER = re.compile(
    r"^(?:please |and |also )*(?:remember|note|keep in mind|bear in mind|don'?t forget)"
    r"(?:(?: for (?:later|good|the future))?(?: that|:|,)\s*| (?=(?:i|i'm|my|no|never|nothing|only|always)\b))"
    r"(?P<rest>\S.*)$"
)
_AS_A_RULE = re.compile(r"^(?:from now on|in general|generally|as a rule|for the future)[,:]? (?P<rest>\S.*)$")
_EVER = r",? (?:for me,? )?(?:ever(?: again)?|at all times|in general|as a rule|from now on|for good)$"
_CUES: tuple[tuple[re.Pattern[str], Kind, bool], ...] = tuple(
    (re.compile(pattern), cast("Kind", kind), bool(strong))
    for pattern, kind, strong in (
        (rf"\bi {_VERY}(?:never|don'?t ever|do not ever|won'?t ever) (?:{_DO}|want|like) (?P<rest>\S.*)$", "never", 1),
        (r"\bnever (?:ever )?(?:show|recommend|suggest|give|offer|bring)(?: me| us)? (?P<rest>\S.*)$", "never", 1),
        (r"^(?:please )?never (?!mind\b|seen\b|watched\b|heard\b|read\b|again\b|said\b)(?P<rest>\S.*)$", "never", 1),
        (rf"^(?:absolutely |please )?(?:no|nothing|not|none of) (?P<rest>\S.*?){_EVER}", "never", 1),
        (rf"\bi {_VERY}(?:don'?t|do not|can'?t|cannot) {_DO} (?P<rest>\S.*)$", "never", 0),
        (rf"\bi {_VERY}(?:don'?t|do not) {_VERY}(?:like|enjoy|care for) (?P<rest>\S.*)$", "never", 0),
        (rf"\bi {_VERY}(?:hate|can'?t stand|cannot stand|detest|loathe|dislike|avoid) (?P<rest>\S.*)$", "never", 0),
        (r"\bi(?:'m| am) (?:not (?:a (?:big |huge |great )?fan of|into)|allergic to) (?P<rest>\S.*)$", "never", 0),
        (rf"\bi {_VERY}(?:only|always)(?: ever)? {_DO} (?P<rest>\S.*)$", "only", 1),
        (r"^(?:please )?always (?:show me |recommend |give me )?(?P<rest>\S.*)$", "only", 1),
        (rf"^only (?P<rest>\S.*?){_EVER}", "only", 1),
        (r"\bi(?:'m| am) (?:a |an )?(?P<rest>vegetarian|vegan|pescatarian|teetotall?(?:er)?)\b", "only", 1),
        (rf"\bi {_VERY}(?:love|adore|like|enjoy|prefer) (?P<rest>\S.*)$", "like", 0),
        (r"\bmy (?:all[- ]time )?favou?rite \w+ (?:is|are|ha(?:s|ve) always been) (?P<rest>\S.*)$", "like", 0),
        (r"\bi(?:'m| am) (?:a |an )?(?:big |huge |great |real )?(?:fan of|into|fond of|keen on|crazy about) "
         r"(?P<rest>\S.*)$", "like", 0),
        (r"\bi(?:'m| am|'ve always been| have always been) an? (?:big |huge |great |"
         r"real )?(?P<rest>\S.*?) (?:fan|lover|buff|addict|enthusiast)\b",
         "like", 0),
    )
)  # fmt: skip
"""Pattern, how its clause is meant, and whether such a clause is about the person even when it links to nothing."""
_NOT_OF_ONESELF = re.compile(
    r"^(?:it|them|these|those|that|this|how|your|you|one|ones|something|anything like|number|slot|#|"
    r"the (?:\w+(?:st|nd|rd|th)|last|others?|idea|way|sound)\b)(?!\w)"
)
_OF_THE_LIST = re.compile(
    r"\b(?:newer|older|shorter|longer|funnier|scarier|darker|lighter|cheaper|better|instead)\b(?! than\b)"
)
_LEADING = re.compile(
    r"^(?:any(?:thing)?|all|some|to|watch|watching|see|seeing|read|reading|play|playing|eating|drinking|"
    r"listen(?:ing)? to|a|an|the|films?|movies?|books?|things?|stuff|(?:that|which) (?:is|are)|of)\s+"
)
_TRAILING = re.compile(
    r"(?:,?\s*\b(?:ever(?: again)?|please|always|at all|any ?more|a lot|very much|so much|most|the most|best|"
    r"for me|thanks|thank you|too|as well|anyway))+$|[\s.,;:!?]+$"
)
_STATED = re.compile(
    r"^(?:(?:i|i'm|am|do|don'?t|not|never|always|only|ever|really|love|like|enjoy|prefer|hate|want|watch|see|read|play|"
    r"eat|drink|dislike|avoid|no|nothing|stand|can'?t|my|favou?rite|genre|is|are|fan|a|of|about)\s+)+"
)
_COMPARES = re.compile(
    r"^(?:before|after|from|by|with|in|on|about|over|under|above|below|longer|shorter|older|newer|more|less|made|set|"
    r"directed|starring|since|until)\b"
)
_SUBTITLES = re.compile(r"\bsubtitle[sd]?\b|\bsubbed\b|\bdubbed\b|\bdubbing\b")
_SPLIT = re.compile(
    r"[.;!?]+(?:\s+|$)|\s*,\s*(?:and |but |so )?(?=(?:i|i'm|i've|my|show|give|recommend|suggest|find|something|tonight|"
    r"today|now|please|what|can|could|let|remember|always|never|forget)\b)|"
    r"\s+(?:but|so|and)\s+(?=(?:i|i'm|my|show|give|recommend|suggest|find|something|tonight|today|now|please|always|"
    r"never|remember)\b)"
)


class Rules(Protocol):
    """The reader of wishes; `RuleUnderstanding` is one."""

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        ...

    def understand(self, message: str, scene: Scene) -> Intent:
        """What a message asks for."""
        ...


@dataclass(frozen=True)
class Clause:
    """A clause about the person."""

    wishes: list[Wish]
    """What it links to, as it holds for good; empty when to nothing."""
    asked: list[Wish]
    """The same as the rules read it, for this message."""
    words: str
    """Its telling words, as written."""
    asked_to_remember: bool
    """It begins with "remember that"."""


def read_lasting(message: str, scene: Scene, rules: Rules) -> Intent | None:
    """The message, when it says something of its author for good, asks for that, or takes it back; else None.

    Args:
        message: plain text, cleaned by the guard.
        scene: what it was said into.
        rules: read the clauses and the rest.
    """
    low = same_length_fold(message)
    if _QUESTION.search(low):
        return Intent(act=Act.memory)
    if _FORGET_ALL.search(low):
        return Intent(act=Act.memory, forget_all=True)
    taken_back = _read_taken_back(message, low, rules)
    if taken_back is not None:
        return taken_back
    found: list[Clause] = []
    rest: list[str] = []
    for start, end in _clauses(low):
        clause = None if _NOW.search(low[start:end]) else _read_clause(message[start:end], rules)
        if clause is None:
            rest.append(message[start:end])
        else:
            found.append(clause)
    return _together(found, rest, scene, rules) if found else None


def read_statement(words: str, rules: Rules) -> Clause:
    """Words that were entered to be remembered, on the page or through the API; with or without a cue."""
    low = same_length_fold(words)
    spans = _clauses(low) or [(0, len(words))]
    parts = [_read_clause(words[a:b], rules, entered=True) for a, b in spans]
    wishes = [wish for part in parts if part is not None for wish in part.wishes]
    return Clause(wishes, wishes, words.strip(" .!"), asked_to_remember=True)


def _read_taken_back(message: str, low: str, rules: Rules) -> Intent | None:
    for pattern in (_FORGET, *_TAKEN_BACK):
        match = pattern.search(low.rstrip(" .!?"))
        if match is None:
            continue
        words = message[match.start("rest") : match.end("rest")]
        stated = _STATED.match(same_length_fold(words))
        bare = words[stated.end() :] if stated else words
        wishes = _linked(bare, "like", rules) or _linked(bare, "never", rules)
        if wishes:
            return Intent(act=Act.memory, taken_back=wishes)
        if pattern is _FORGET:
            return Intent(act=Act.memory, notes=[_unknown_sentence(bare, kept=False)])
    return None


def _clauses(low: str) -> list[tuple[int, int]]:
    spans, start = [], 0
    for match in [*_SPLIT.finditer(low), None]:
        end = match.start() if match is not None else len(low)
        if low[start:end].strip(" ,.;!?"):
            spans.append((start, end))
        start = match.end() if match is not None else end
    return spans


def _read_clause(raw: str, rules: Rules, *, entered: bool = False) -> Clause | None:
    raw = raw.strip(" ,")
    low = same_length_fold(raw)
    asked = _REMEMBER.search(low)
    if asked is not None:
        raw, low = raw[asked.start("rest") :], low[asked.start("rest") :]
    general = _AS_A_RULE.search(low)
    if general is not None:
        raw, low = raw[general.start("rest") :], low[general.start("rest") :]
    sure = entered or asked is not None or general is not None
    meant: Kind = "as said"
    for pattern, kind, strong in _CUES:
        match = pattern.search(low)
        if match is None:
            continue
        words = raw[match.start("rest") : match.end("rest")]
        folded = same_length_fold(words)
        if _NOT_OF_ONESELF.search(folded) or (kind == "like" and _OF_THE_LIST.search(folded)):
            meant = kind
            break
        if kind == "like" and _lists_titles(words, rules):
            break
        wishes = _linked(words, kind, rules)
        if wishes:
            return Clause(_for_good(wishes, kind), wishes, _trimmed(raw), asked is not None)
        if (strong or sure) and not _names_a_title(words, rules):
            return Clause([], [], _trimmed(raw), asked is not None)
        break
    if not sure:
        return None
    wishes = _linked(raw, "as said", rules)
    return Clause(_for_good(wishes, meant), wishes, _trimmed(raw), asked is not None)


def _for_good(wishes: list[Wish], kind: Kind) -> list[Wish]:
    """What is only liked never rules anything out."""
    return [w if w.negative or kind != "like" else w.model_copy(update={"hard": False}) for w in wishes]


def _linked(words: str, kind: Kind, rules: Rules) -> list[Wish]:
    """What words link to in the catalogue, with the strength of their cue; empty when anything in them is unclear."""
    bare = _bare(words)
    if not bare:
        return []
    if _SUBTITLES.search(same_length_fold(bare)):
        return _subtitles(bare, kind, rules)
    for phrase in _phrasings(bare, kind):
        intent = rules.understand(phrase, Scene())
        if intent.anchors or intent.items or intent.unlinked or not intent.wishes:
            continue
        if intent.residue and (kind in {"never", "only"} or len(intent.residue) > 2):
            # "stupid comedies" are not all comedies
            continue
        return intent.wishes
    return []


def _phrasings(bare: str, kind: Kind) -> list[str]:
    # a surname alone is a person only where it is written like a name; "I love gold" is not about one
    name = bare[:1].isupper() and len(bare.split()) <= 3
    if kind == "never":
        first = f"{'nothing' if _COMPARES.search(same_length_fold(bare)) else 'no'} {bare}"
        return [first, *([f"not by {bare}"] if name else [])]
    return [bare, *([f"by {bare}"] if name else [])]


def _subtitles(bare: str, kind: Kind, rules: Rules) -> list[Wish]:
    """Subtitles are not the language that is spoken: only a field of that name may answer."""
    low = f" {same_length_fold(bare)} "
    for name, spec in rules.catalogue.fields.items():
        if "subtitle" in name.casefold():
            values = [value for value in spec.values if f" {value.casefold()} " in low]
            if values:
                words = f"{'no ' if kind == 'never' else ''}subtitles in {' or '.join(values)}"
                return [Wish(field=name, values=values, negative=kind == "never", words=words)]
    return []


def _names_a_title(words: str, rules: Rules) -> bool:
    return bool(rules.understand(_bare(words) or words, Scene()).anchors)


def _lists_titles(words: str, rules: Rules) -> bool:
    """Whether words name several items ("Alien and Aliens"), whatever else their words could mean."""
    if not re.search(r",| (?:and|or|&) ", words) or not words[:1].isupper():
        return False
    return len(rules.understand(f"something like {_bare(words)}", Scene()).anchors) > 1


def _together(found: list[Clause], rest: list[str], scene: Scene, rules: Rules) -> Intent:
    """The whole message as one intent: the rest, read as ever, and what is for good."""
    lasting = [wish for clause in found for wish in clause.wishes]
    intent = rules.understand(", ".join(part.strip() for part in rest), scene) if _says_something(rest) else None
    alone = intent is None or intent.act in {Act.hello, Act.thanks, Act.help, Act.memory}
    if intent is None or alone:
        intent = Intent(act=Act.recommend if lasting else Act.memory, fresh=not scene.running)
    known = {(w.field, tuple(w.values), w.low, w.high, w.negative) for w in intent.wishes}
    # said alone, "I love noir" asks for noir; beside another wish it only leans that way
    for wish in [w for clause in found for w in (clause.asked if alone else clause.wishes)]:
        if (wish.field, tuple(wish.values), wish.low, wish.high, wish.negative) not in known:
            intent.wishes.append(wish)
    intent.lasting = lasting
    for clause in found:
        if not clause.wishes:
            if clause.asked_to_remember:
                intent.lasting_notes.append(clause.words)
            intent.notes.append(_unknown_sentence(clause.words, kept=clause.asked_to_remember))
    return intent


def _says_something(rest: list[str]) -> bool:
    words = re.findall(r"[^\W_]+", same_length_fold(" ".join(rest)))
    return any(word not in FILLER for word in words)


def _bare(words: str) -> str:
    before = None
    while before != words:
        before = words
        low = same_length_fold(words)
        trailing = _TRAILING.search(low)
        if trailing is not None:
            words = words[: trailing.start()]
            continue
        leading = _LEADING.match(low)
        if leading is not None and leading.end() < len(words):
            words = words[leading.end() :]
    return words.strip()


def _trimmed(raw: str) -> str:
    return raw.strip(" .,;!?")[:200]


def _unknown_sentence(words: str, *, kept: bool) -> str:
    quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{_trimmed(words)[:80]}\N{RIGHT DOUBLE QUOTATION MARK}"
    then = "I keep it as a note, without effect" if kept else "it changes nothing and I don't keep it"
    return f"Nothing in this catalogue tells {quoted}, so {then}."
