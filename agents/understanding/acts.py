"""What kind of turn a message is, by its set phrases."""

from __future__ import annotations

import re

from agents.understanding.lexicon import BEYOND as BEYOND_WORDS
from agents.understanding.lexicon import DISCOVER, HOLIDAYS, LONG_TAIL, POPULAR, SEASONS
from agents.understanding.text import NUMBER, NUMBER_WORDS, Utterance
from recsys_core.generator.protocol import Task

HELLO = re.compile(
    r"^\W*(?:hi+|hello|hey|howdy|hola|bonjour|yo|greetings|good (?:morning|afternoon|"
    r"evening))\b(?: there| sidra| again)?[\s,!.]*"
)
THANKS = re.compile(
    # "any year is fine" allows something, it doesn't thank
    r"\b(?:(?:that|this|it|everything)(?:'s| is| was) (?:fine|ok(?:ay)?|alright|good|great|perfect|nice|cool)|"
    r"(?<!\bis )(?<!\bare )(?<!\bbe )(?:fine|ok(?:ay)?|alright)|thanks?(?: you)?(?: (?:so|very) much| a lot)?|thx|"
    r"cheers|much appreciated|good "
    r"?bye|bye|see you|perfect|great|awesome|"
    r"yes|yeah|yep|sure|excellent|wonderful|lovely|cool|nice|got it|that'?s (?:all|great|perfect|fine|good|nice)|"
    r"(?<!any )good (?:one|list|choice)s?|you(?:'re| are) (?:really |so |very |too )?(?:good|great|"
    r"helpful|kind|the best|"
    r"brilliant|amazing)(?: at this)?|ty|"
    r"no thanks)\b[\s,!.]*"
)
HELP = re.compile(
    r"^\W*help\W*$|\bhelp me (?:use|understand)\b|\bwhat (?:else )?(?:can|do|could) (?:you|i) (?:do|ask|"
    r"say)\b|\bhow (?:does this|do you|do i use) \w*\s*work|"
    r"\bhow do i use\b|\bwho are you\b|\bwhat are you\b|\bwhat is (?:this|sidra)\b|\bhow can "
    r"you help\b|\bcan you help me\W*$"
)
RESET = re.compile(
    r"\b(?:start (?:over|again|afresh|from scratch)|reset|from scratch|scrap (?:that|it|all that)|new (?:topic|search|"
    r"request)|never ?mind(?! (?:about )?(?:the|my) )(?: that| all that)?|"
    r"forget (?:it|that|this|everything|all (?:of )?(?:that|this)|about (?:it|that|everything)|what i said)|"
    r"clear (?:everything|all|that)|something completely new|let'?s begin again|begin again)\b[\s,.;:!-]*"
)
SWITCH = re.compile(
    r"\b(?:(?:and |ok(?:ay)?,? )?now (?:for )?|let'?s (?:try|do|have) |how about |what about |for )?something "
    r"(?:completely |totally |entirely |very |quite )?different(?: (?:now|this time|today|"
    r"tonight))?\s*[:,;.-]+\s*(?=[^\s\x1f])|"
    r"\b(?:(?:and |ok(?:ay)?,? )?now )?(?:for |on |to )?(?:a )?(?:change of|changing(?: the)?|different|another|"
    r"new|let'?s change(?: the)?) "
    r"(?:topic|subject|tack|plan)[\s:,;.!-]*|"
    r"\blet'?s (?:talk|speak) about (?:something|anything) (?:else|different)[\s:,;.!-]*"
)
"""Leaves the topic; what follows is a new request."""
_STEPS = r"(?P<n>\d|two|three|four|five|twice|three times)"
UNDO = re.compile(
    rf"\b(?:undo(?:ne)?(?: (?:that|it|this|the last (?:one|change|step|"
    rf"{_STEPS.replace('?P<n>', '?P<n0>')}(?: changes|"
    rf" steps)?)))?(?: {_STEPS.replace('?P<n>', '?P<n1>')}(?: times)?)?|"
    rf"go(?:ing)? back(?: {_STEPS.replace('?P<n>', '?P<n2>')}(?: steps?| times| lists?| requests?)?)?"
    r"(?: (?:once|a step|one step|one)(?: more)?)?(?: (?:again|further))?"
    r"(?: to (?:(?:what|how|the one|the list|the ones) (?:we|you|i|it) (?:had|was|were|showed)(?: (?:before|"
    r"at first|first|earlier))?(?: that)?|before(?: that| this)?|"
    r"(?:the )?(?:previous|last|earlier|first|original|old)(?: (?:ones|list|request|one|results|suggestions))?|"
    r"the (?:start|beginning)))?|"
    r"(?:one|a) (?:more )?step back|scratch that|take that back|bring (?:it )?back(?: the (?:previous|"
    r"last|earlier|old)(?: (?:list|ones|"
    r"request))?)?|revert(?: that)?|never ?mind (?:the last (?:one|bit|change))|"
    r"(?:back to )(?:the )?(?:previous|first|original|earlier|last) (?:list|ones|request|results|slate|one)|"
    r"back to before(?: that)?|"
    r"(?:the )?previous (?:list|ones|request|results|slate)|as before)\b[\s,.;:!-]*"
)
_ALL_THE_WAY = re.compile(r"\b(?:first|original|start|beginning)\b")


def steps_back(match: re.Match[str]) -> int:
    """How many requests an UNDO goes back; a large number for "to the first list"."""
    if _ALL_THE_WAY.search(match[0]):
        return 100
    said = next((g for g in match.groups() if g), "one")
    return {"twice": 2, "three times": 3}.get(said) or NUMBER_WORDS.get(said) or int(said)


WHY = re.compile(
    r"\bwhy\b(?: did you (?:pick|choose|recommend|suggest|show)(?: me)?| do you (?:recommend|"
    r"suggest|think)| is| are| was| would i (?:like|want)|"
    r" should i (?:watch|see|read))?(?! not\b)|"
    r"\b(?:how come|what makes you (?:think|recommend|suggest|pick)|what'?s the reason (?:for|"
    r"behind)|reasons? (?:for|behind)|"
    r"explain(?: why| your choice of)?|how did you (?:pick|choose|come up with|get(?: to)?|arrive at)|justify)\b"
)
ABOUT = re.compile(
    r"\b(?:what(?:'s| is| are|s)(?= .*\babout\b)|(?:tell|show) me (?:more |something )?about|"
    r"(?:more )?(?:details?|info|information)(?: (?:on|about|for))?|more about|"
    r"(?:plot|story|summary|description) (?:of|for)|who(?:'s| is) (?:in|starring in)|who (?:directed|"
    r"made|wrote|is in|stars in|"
    r"plays in|starred in|acts in)|when was|when did|how long is|how old is|"
    r"what (?:year|genre|country|language) (?:is|was)|what kind of (?:film|movie|book|game) "
    r"is|where is|do you (?:have|know)|have you (?:got|heard of)|is there|describe|what(?:'s| "
    r"is)(?= (?:the |#|number |it\b)))\b"
)
OF_IT = re.compile(
    r"\b(?:is|was) (?P<which>it|that one|this one|the (?:first|second|third|fourth|fifth|last)(?: one)?) "
    r"(?:very |too |really |that )*(?:long|short|old|new|recent|scary|violent|gory|sad|funny|good|any good|popular|"
    r"well[- ]known|famous|in \w+|black and white|suitable|(?:ok |fine |good |suitable )?for (?:kids|children|"
    r"adults))\b[^.!;]*\?"
)
"""A yes-or-no question about a card."""
NOT_SEEN = re.compile(
    r"\b(?:(?:that )?(?:i|we)(?:'ve| have)? (?:haven'?t|have not|not|never|didn'?t|did not) "
    r"(?:seen|see|saw|watch(?:ed)?|read|heard|know|known)(?: (?:yet|before))?|(?:i|we)'ve "
    r"(?:not|never) seen)\b"
)
SEEN = re.compile(
    r"\b(?:(?:(?:i|we|she|he|they)(?:'ve|'s| have| has| had)?|ive)\s+(?:already |just |both |all |also |probably |"
    r"definitely )*(?:seen|saw|watched|read|heard|played|know|knew|own|finished)|"
    r"already (?:seen|saw|watched|read|heard|know|played|own)|^(?:seen|watched)|been there)\b(?:\s+already)?"
)
DISLIKED = re.compile(
    r"\b(?:i|we)?\s*(?:really |absolutely |just )*(?:hated|hate|disliked|dislike|can'?t stand|"
    r"couldn'?t stand|didn'?t (?:really )?(?:like|enjoy|care for)|don'?t (?:really )?(?:like|"
    r"enjoy|care for)|"
    r"(?:am|was|'m) not (?:a fan of|into)|wasn'?t into)\b"
)
LIKED = re.compile(
    r"\b(?:i|we)\s+(?:really |absolutely |just |also )*(?:loved|love|liked|like|enjoyed|enjoy|adored|adore)\b"
)
MORE = re.compile(
    r"\b(?:(?:show|give|list|find)(?: me| us)?(?: some| a few)? (?:more|others?|different "
    r"ones)|what else|anything else|something else|any others?|any more|more (?:please|of "
    r"(?:these|those|them))|"
    r"(?:some )?other (?:ones|options|suggestions|ideas|choices)|others|another (?:one|few|"
    r"batch|list)|next(?: (?:ones|page|batch))?|keep going|different ones|more options|more "
    r"suggestions|"
    r"i (?:really )?(?:don'?t|do not) (?:like|want|fancy) (?:any|either|most) of (?:these|those|them)|"
    r"(?:i (?:don'?t like|hate) )?none of (?:these|those|them))\b|^[^\w\x1f]*(?:more|another|"
    r"next|no|nope|nah)[^\w\x1f]*$|^[^\w\x1f]*no[^\w\x1f]+not (?:that|this|these|those|it)\b"
)
COUNTED_MORE = re.compile(
    rf"\b(?:{NUMBER}) (?:others?|more|different ones)\b(?! (?:than|like|similar|hours?|minutes?|mins?|years?)\b)"
)
"""A number of other ones; the number is read with the counts."""
MORE_LIKE = re.compile(
    r"\b(?:(?:show|give|find)(?: me)? )?(?:some )?(?:more|others?|another(?: one)?|something|"
    r"anything|things?|ones?|films?|movies?|similar(?: \w+)?)\s+"
    r"(?:(?:films?|movies?|ones?|stuff|things?) )?(?:like|similar to|along the lines of|in "
    r"the (?:vein|style) of|close to|to)\s+(?=(?:it|this|that|them|these|those|number|slot)\b|"
    r"the (?:\w+(?:st|nd|rd|th)|last)\b|#)|"
    r"\b(?:like|similar to)\s+(?=(?:it|this|that)\s*(?:one)?\s*(?:$|[.,;!?]))"
)
ANY = re.compile(
    r"\b(?:any|whatever|drop the|forget the|ignore the|remove the|no matter (?:the|which|"
    r"what)|(?:doesn'?t|does not|don'?t) (?:matter|care) (?:about )?(?:the )?|regardless of "
    r"(?:the )?)\s*(?P<what>[a-z]+)(?:s)?\b(?: is fine| will do| is ok(?:ay)?)?"
)
REQUEST = re.compile(
    r"\b(?:recommend|suggest|(?:i(?:'m| am)?|we(?:'re)?) (?:looking for|in the mood for|after|"
    r"want|need|would like|feel like|fancy)|i'?d (?:like|love)|find me|show me|give me|"
    r"what would you (?:pick|choose|recommend|suggest)|got (?:a|an|some) \w+ for (?:me|us)|"
    r"what (?:should|can|could) (?:i|we) (?:watch|see|read|play|listen)|looking for|any "
    r"(?:good|recommendations)|do you have|got any|can you (?:find|recommend|suggest)|in the "
    r"mood for|something)\b"
)
REFINE = re.compile(
    r"^\W*(?:ok(?:ay)?,? |yes,? |no,? |nice,? |great,? |hmm+,? |good,? |actually,? |well,? )*(?:and|add|but|also|or|"
    r"not|no|without|only|just|even|more|less|fewer|from|with|by|in|under|over|after|before|"
    r"since|between|"
    r"than|make|instead|rather|what about|how about|nothing|except|maybe|preferably|drop|any|"
    r"too|a bit|a little|slightly|much|please|made|released|starring|directed|featuring|set in|at least|at most|"
    r"under|i'?d (?:prefer|rather)|i(?: would)? prefer|could (?:it|they)|can (?:it|they)|let (?:it|them) be|"
    r"keep (?:it|them)|exclude|skip|avoid|leave out|enough|neither|either|both)\b|"
    r"\b(?:a|an|the) (?:[\w'-]+ ){1,2}one\b|"
    r"\b(?:instead|rather|one of (?:them|these|those)|of (?:them|these|those)|them|they|these|"
    r"those|ones|same|as well|would be (?:a plus|a bonus|nice|great|good|fine|welcome)|(?:wouldn'?t|"
    r"would not|don'?t) mind|"
    r"(?:only|just|then|though|either|too|plus|max|maximum|minimum|tops)(?: then)?\W*$|too (?:old|new|"
    r"long|short|scary|violent|dark)|this time)\b"
)
BEYOND = re.compile(rf"\b(?:{BEYOND_WORDS})\b")
"""Out of one's comfort zone."""
_TASKS = ((re.compile(rf"\b(?:{LONG_TAIL})\b"), Task.long_tail), (re.compile(rf"\b(?:{DISCOVER})\b"), Task.discover))
_POPULAR = re.compile(rf"\b(?:{POPULAR})\b")
_HOLIDAYS = [
    (re.compile(rf"\b(?:(?:for|at|on|about|around|this) )?(?:the )?(?:{p})\b"), name) for p, name in HOLIDAYS.items()
]
_SEASONS = [(re.compile(rf"\b(?:(?:for|in|on) )?(?:a |the )?(?:{p})\b"), name) for p, name in SEASONS.items()]


def read_task(utterance: Utterance) -> tuple[Task | None, str]:
    """Take the words that name one of the generator's tasks.

    Returns:
        The task or None, and the words to put into the instruction.
    """
    for pattern, task in _TASKS:
        match = utterance.pop(pattern)
        if match:
            return task, match[0]
    for pattern, name in _HOLIDAYS:
        if utterance.pop(pattern):
            return Task.holiday, f"for {name}"
    for pattern, name in _SEASONS:
        if utterance.pop(pattern):
            return Task.season, f"for {name}"
    match = utterance.pop(_POPULAR)
    return None, "popular" if match else ""


def dropped_fields(utterance: Utterance, names: dict[str, str]) -> list[str]:
    """Take "any country", "forget the year" out of a message.

    Args:
        utterance: the message.
        names: word -> field.
    """
    fields = []
    for match in list(ANY.finditer(utterance.view)):
        word = match["what"]
        target = names.get(word) or names.get(word.rstrip("s"))
        if target:
            utterance.take(*match.span())
            fields.append(target)
    return fields
