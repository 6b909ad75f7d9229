"""Answers to what the last answer asked or offered: "the second", "either", "no idea", "yes, drop it", "no"."""

from __future__ import annotations

import re

from agents.intent import Act, Intent, Offer, OfferKind
from agents.understanding.text import same_length_fold

_PAD = r"(?:hmm+,? |oh,? |well,? |um+,? |ok(?:ay)?,? |so,? )*"
_TAIL = (
    r"(?:,? (?:please|thanks|thank you|then|i think|i guess|i'd say|for me|sounds? (?:good|nice|great)|"
    r"would be (?:nice|great|good)))*"
)
_YES = re.compile(
    rf"{_PAD}(?:yes|yeah|yep|yup|sure|ok(?:ay)?|exactly|correct|right|of course|absolutely|please do|go ahead|"
    rf"do (?:it|that|so)|"
    rf"that'?s (?:it|the one|right|what i meant)|that one|i did|i do|i meant that|fine)"
    rf"(?:,? (?:please|do (?:it|that)|(?:please )?(?:drop|remove|lose|skip|forget) (?:it|that|them|this)|"
    rf"that'?s (?:it|the one|right|fine)|"
    rf"that one|i did|i do|i meant that|i mean that|go ahead))*{_TAIL}"
)
_DROP_IT = re.compile(
    rf"{_PAD}(?:please )?(?:drop|remove|lose|skip|forget|leave out) (?:it|that|them|this)(?: then)?{_TAIL}"
)
_NO = re.compile(
    rf"{_PAD}(?:no|nope|nah|no way|not (?:that|really|at all)|i did ?n'?t|neither|none(?: of (?:them|those|these))?)"
    rf"(?:,? (?:(?:please )?keep (?:it|that|them)|(?:leave|do ?n'?t drop) (?:it|that|them)|not that(?: one)?|"
    rf"thanks|thank you|"
    rf"it (?:has|needs) to (?:stay|be there)|i (?:did ?n'?t|do ?n'?t)|i want (?:it|that)))*{_TAIL}"
)
_KEEP = re.compile(
    rf"{_PAD}(?:please )?(?:keep (?:it|that|them)|do ?n'?t (?:drop|remove) (?:it|that|them)|leave (?:it|that|"
    rf"them)(?: in)?|"
    rf"it (?:has|needs) to stay|that (?:has|needs) to stay|i insist)(?: (?:in|though))?{_TAIL}"
)
_ORDINAL = {
    "first": 0, "former": 0, "1st": 0, "one": 0, "1": 0,
    "second": 1, "latter": 1, "2nd": 1, "two": 1, "2": 1, "other": 1,
    "third": 2, "3rd": 2, "three": 2, "3": 2, "last": -1,
}  # fmt: skip
_WHICH = re.compile(
    rf"{_PAD}(?:rather |maybe |perhaps |i'?d (?:prefer|like|say|rather have) |i (?:prefer|like|want|take|choose) |"
    rf"let'?s (?:go|say) (?:with |for )?)*"
    rf"(?:the |number |option |#)?(?P<n>{'|'.join(_ORDINAL)})(?: one| option| choice)?{_TAIL}"
)
_EITHER = re.compile(
    rf"{_PAD}(?:either(?: one| way)?(?: of them| is (?:fine|ok(?:ay)?|good)| works)?|one or the other|"
    rf"any of (?:them|those|the two)){_TAIL}"
)
_BOTH = re.compile(rf"{_PAD}(?:both|a (?:bit|mix|mixture) of both|both of (?:them|those)){_TAIL}")
_ANY = re.compile(
    rf"{_PAD}(?:(?:i )?(?:have )?no (?:idea|preference|clue)|(?:i )?do ?n'?t (?:know|care|mind)|i'?m not sure|"
    rf"not sure|dunno|no matter|"
    rf"(?:it )?does ?n'?t matter|whatever|anything(?: is fine| goes)?|any(?:thing)? will do|you (?:choose|decide|"
    rf"pick)|up to you|"
    rf"surprise me|hard to say|can'?t decide|idk|all the same(?: to me)?)"
    rf"(?:,? (?:really|honestly|you (?:choose|decide|pick)|surprise me|whatever|anything|to me|either))*{_TAIL}"
)
_AS_IT_IS = "No matter: here is what many like."


def read_reply(message: str, previous: Intent | None) -> Intent | None:
    """What a message means as an answer to the last answer's question; None when it isn't one.

    Args:
        message: what was said.
        previous: the last message's reading, with the offers its answer made.
    """
    if previous is None or not previous.offers:
        return None
    said = same_length_fold(message).strip(" .!?")
    offers = previous.offers
    kind = offers[0].kind
    if kind is OfferKind.choice:
        return _choice(said, offers)
    if kind is OfferKind.meant:
        return _meant(said, offers, previous)
    return _dropping(said, offers[0])


def _choice(said: str, offers: list[Offer]) -> Intent | None:
    if which := _WHICH.fullmatch(said):
        index = _ORDINAL[which["n"]]
        if index < len(offers):
            return _taking([offers[index]])
        return None
    if _BOTH.fullmatch(said):
        return _taking(offers)
    if _EITHER.fullmatch(said):
        return _either(offers)
    if _ANY.fullmatch(said) or _YES.fullmatch(said):
        return Intent(notes=[_AS_IT_IS])
    if _NO.fullmatch(said):
        return Intent(
            wishes=[
                wish.model_copy(update={"negative": True, "words": f"no {wish.words}"})
                for offer in offers
                for wish in offer.wishes
                if wish.values
            ]
        )
    return None


def _taking(offers: list[Offer]) -> Intent:
    return Intent(wishes=[wish for offer in offers for wish in offer.wishes])


def _either(offers: list[Offer]) -> Intent:
    """Any of the offers: one wish with all values; two halves of a range are no wish at all."""
    wishes = [wish for offer in offers for wish in offer.wishes]
    values = [value for wish in wishes for value in wish.values]
    if not values or len({wish.field for wish in wishes}) > 1:
        return Intent(notes=[_AS_IT_IS])
    words = " or ".join(wish.words for wish in wishes)
    return Intent(wishes=[wishes[0].model_copy(update={"values": values, "words": words})])


def _meant(said: str, offers: list[Offer], previous: Intent) -> Intent | None:
    which = _WHICH.fullmatch(said)
    index = _ORDINAL[which["n"]] if which else 0
    if (which or _YES.fullmatch(said)) and index < len(offers):
        offer = offers[index]
        if previous.act in {Act.about, Act.why}:
            return Intent(act=previous.act, items=list(offer.items))
        return Intent(
            anchors=list(offer.items),
            wishes=[*previous.wishes, *offer.wishes] if previous.act is Act.clarify else list(offer.wishes),
            fresh=previous.fresh,
            k=previous.k,
        )
    if _NO.fullmatch(said):
        return Intent(act=Act.clarify, unlinked=list(previous.unlinked))
    return None


def _dropping(said: str, offer: Offer) -> Intent | None:
    insists = _KEEP.fullmatch(said) or _NO.fullmatch(said)
    if offer.kind is OfferKind.dropped:
        if insists:
            return Intent(wishes=list(offer.wishes), kept=list(offer.wishes))
        return Intent(notes=[f"Fine, {offer.words} stays dropped."]) if _DROP_IT.fullmatch(said) else None
    if insists:
        return Intent(kept=list(offer.wishes), notes=[f"Fine, {offer.words} stays."])
    if _YES.fullmatch(said) or _DROP_IT.fullmatch(said):
        return Intent(dropped=list(dict.fromkeys(w.field for w in offer.wishes)), released=list(offer.wishes))
    return None
