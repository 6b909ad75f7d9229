"""Words and what they mean; names of values are matched against the catalogue, so what it lacks has no effect."""

# ruff: noqa: E501, SIM905 - tables and word lists read better unbroken
from __future__ import annotations

NOUNS = frozenset(
    "film films movie movies flick flicks picture pictures book books novel novels album "
    "albums song songs track tracks "
    "game games show shows series product products item items thing things one ones pick picks title titles stuff "
    "suggestion suggestions recommendation recommendations option options card cards choice choices idea ideas result "
    "results story stories".split()
)
"""What people call items of any kind."""

FILLER = NOUNS | frozenset(
    "a an the some any and or of to for me my i i'm im i've i'd we us you your it its that this these those there them "
    "they is are was be been being do does did have has had can could would should will "
    "shall may might must want wanted "
    "wants like liked likes looking look search searching find show shows give recommend "
    "recommends suggest suggestions "
    "watch watching see seen read play listen buy get got let let's please pls maybe perhaps "
    "just really very quite bit "
    "little lot lots kind kinds sort sorts type types something anything nothing everything "
    "someone else but also too so "
    "then now today tonight tomorrow night evening weekend good great nice best top better "
    "interesting cool decent worth "
    "in on at by from with without about as into up out off over if than more less most not no nor only even still "
    "again new what which who whom how when where why whose ok okay yes yeah yep sure hey hi hello well feel feeling "
    "mood fancy need time know think thinking make made set sth smth tell say dunno don't dont doesn't didn't isn't "
    "won't can't full any other others another same such own while because mean hmm hm oh ah um uh thank thanks cheers "
    "instead rather although though however ready prefer preferably love loved enjoy enjoyed hate actually want "
    "tonight's evening's girlfriend boyfriend wife husband friend friends parents mum mom dad date alone together "
    "am looks limit limits sounds seems tired sick neither except plays playing acts "
    "starring where it's that's there's rated fine matter color colour version "
    "either neither both all few many try check thought day days always never ever yet already here there soon guess gonna wanna lol haha omg yea "
    "yup him her he she his they're we're you're i'll we'll you'll didnt havent haven't hasn't wasn't cant wont ive ill seeking sound heard hear "
    "awesome amazing perfect wonderful favorite favourite favorites too two much around exactly definitely certainly absolutely usually sometimes "
    "often mostly anyway pretty seems looking someone somebody everybody everyone anybody anyone bye goodbye chat chatting wait came come "
    "em born bring back add chooses winner winners "
    "bored boring boredom entertain entertained entertaining entertainment suggestions advice help helps idea choose pick decide "
    "language speaking produced production productions coproduction co set shot came come coming released era period years year decade ago".split()
)
"""Words that carry no wish of their own."""

DEMONYMS: dict[str, tuple[str, ...]] = {
    "american": ("united states", "united states of america", "usa", "us", "u.s.a."),
    "argentine": ("argentina",),
    "argentinian": ("argentina",),
    "australian": ("australia",),
    "austrian": ("austria",),
    "belgian": ("belgium",),
    "brazilian": ("brazil",),
    "british": ("united kingdom", "uk", "great britain", "england"),
    "canadian": ("canada",),
    "chinese": ("china", "people's republic of china", "hong kong", "taiwan"),
    "cuban": ("cuba",),
    "czech": ("czech republic", "czechia", "czechoslovakia"),
    "danish": ("denmark",),
    "dutch": ("netherlands", "the netherlands", "kingdom of the netherlands"),
    "english": ("england", "united kingdom", "uk"),
    "finnish": ("finland",),
    "french": ("france",),
    "german": ("germany", "west germany", "east germany"),
    "greek": ("greece",),
    "hungarian": ("hungary",),
    "icelandic": ("iceland",),
    "indian": ("india",),
    "iranian": ("iran",),
    "persian": ("iran",),
    "irish": ("ireland", "republic of ireland"),
    "israeli": ("israel",),
    "italian": ("italy",),
    "jamaican": ("jamaica",),
    "japanese": ("japan",),
    "kenyan": ("kenya",),
    "korean": ("south korea", "korea"),
    "macedonian": ("macedonia", "north macedonia"),
    "mexican": ("mexico",),
    "new zealand": ("new zealand",),
    "nigerian": ("nigeria",),
    "norwegian": ("norway",),
    "polish": ("poland",),
    "portuguese": ("portugal",),
    "romanian": ("romania",),
    "russian": ("russia", "soviet union"),
    "scottish": ("scotland", "united kingdom", "uk"),
    "serbian": ("serbia", "yugoslavia"),
    "soviet": ("soviet union", "ussr"),
    "spanish": ("spain",),
    "swedish": ("sweden",),
    "swiss": ("switzerland",),
    "taiwanese": ("taiwan",),
    "turkish": ("turkey",),
    "vietnamese": ("vietnam",),
    "yugoslav": ("yugoslavia",),
}
"""Adjective -> names a country may have in a catalogue; those that are there are meant, any of them."""

COUNTRY_NAMES: dict[str, str] = {
    "america": "american", "the us": "american", "u.s.": "american", "the states": "american", "usa": "american",
    "the usa": "american", "britain": "british", "great britain": "british", "the uk": "british", "uk": "british",
    "england": "english", "holland": "dutch", "the netherlands": "dutch", "china": "chinese", "russia": "russian",
    "korea": "korean", "czechia": "czech", "scotland": "scottish", "fr": "french", "jp": "japanese",
}  # fmt: skip
"""Other names of countries -> adjective."""

REGIONS: dict[str, tuple[str, ...]] = {
    "european": (
        "france", "germany", "italy", "spain", "united kingdom", "uk", "sweden", "denmark", "norway", "poland", "belgium",
        "netherlands", "kingdom of the netherlands", "austria", "switzerland", "czech republic", "czechoslovakia", "hungary",
        "greece", "portugal", "ireland", "finland", "romania", "russia", "soviet union", "west germany", "yugoslavia", "iceland",
    ),
    "scandinavian": ("sweden", "denmark", "norway", "finland", "iceland"),
    "nordic": ("sweden", "denmark", "norway", "finland", "iceland"),
    "asian": (
        "japan", "china", "people's republic of china", "hong kong", "taiwan", "south korea", "india", "vietnam", "thailand", "iran",
    ),
    "latin american": ("mexico", "brazil", "argentina", "cuba", "chile", "colombia", "peru"),
    "african": ("kenya", "nigeria", "south africa", "egypt", "senegal", "algeria", "morocco"),
}  # fmt: skip
"""Part of the world -> countries."""

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("science fiction", "sci-fi", "sci fi", "scifi", "sf", "science-fiction"),
    ("children's", "children", "childrens", "kids", "kid", "child", "kids'", "kid's", "for children", "for kids", "my kids",
     "the kids", "kid friendly", "child friendly"),
    ("family", "for the family", "family friendly", "the whole family", "families"),
    ("animation", "animated", "cartoon", "cartoons", "anime"),
    ("documentary", "documentaries", "docu", "docs", "non-fiction", "nonfiction"),
    ("romance", "romantic", "love story", "love stories", "romances"),
    ("comedy", "comedies", "comedic", "comic"),
    ("thriller", "thrillers"),
    ("crime", "crimes"),
    ("film-noir", "film noir", "noir", "noirs"),
    ("musical", "musicals"),
    ("western", "westerns"),
    ("war", "wartime"),
    ("mystery", "mysteries", "whodunit", "whodunits"),
    ("fantasy", "fantasies"),
    ("drama", "dramas", "dramatic"),
    ("biography", "biographies", "biographical", "biopic", "biopics"),
    ("history", "historical", "historic"),
    ("sport", "sports"),
    ("horror", "horrors"),
    ("adventure", "adventures"),
    ("electronic", "electronica"),
    ("hip hop", "hip-hop", "rap"),
)  # fmt: skip
"""Groups of words for one value; a value of the catalogue that is in a group can be named by all its words."""

COMBINED: dict[str, tuple[str, ...]] = {
    "romcom": ("romance", "comedy"),
    "romcoms": ("romance", "comedy"),
    "rom-com": ("romance", "comedy"),
    "rom com": ("romance", "comedy"),
    "rom coms": ("romance", "comedy"),
    "rom-coms": ("romance", "comedy"),
    "dramedy": ("drama", "comedy"),
    "dramedies": ("drama", "comedy"),
}
"""One word for two values at once."""


LONG_TAIL = (
    r"hidden gems?|lesser[- ]known|less(?:er)? (?:known|popular|famous)|little[- ]known|"
    r"obscure|under ?the radar|underrated|"
    r"overlooked|not (?:so |too |that )?(?:popular|famous|well[- ]known|mainstream)|off the beaten (?:path|track)|"
    r"nothing mainstream|niche|unknown|less mainstream|rare finds?|"
    r"(?:that )?(?:nobody|no one|no-one|hardly anyone|few people) (?:ever )?(?:talks? about|knows?(?: of)?|has (?:seen|heard of))"
)
"""Pattern: wants what few know."""

POPULAR = (
    r"most popular|popular|famous|well[- ]known|blockbusters?|mainstream|everyone(?: is|'s)? (?:talking about|watching)"
)
"""Pattern: wants what many know."""

DISCOVER = (
    r"surprise me|something (?:completely |totally |entirely |really |very )?(?:different|new "
    r"to me|unexpected|unusual)|"
    r"not my usual|broaden my|explore|discover|"
    r"never (?:would have )?(?:thought of|heard of)|anything goes|random"
)
"""Pattern: wants to leave their usual taste."""

BEYOND = (
    r"(?:(?:step(?:ping)?|go(?:ing)?|get(?:ting)? me|push(?:es)? me|far|way) )?"
    r"(?:out of|outside(?: of)?|beyond) (?:my|our|the) "
    r"(?:comfort zone|usual (?:taste|stuff|thing)|own taste|bubble)|leav(?:e|ing) (?:my|our) comfort zone"
)
"""Pattern: the same in an idiom, some of whose words would mean something else alone."""

HOLIDAYS: dict[str, str] = {
    r"christmas(?:y|sy)?|xmas|x-mas|santa": "Christmas",
    r"hallowe'?en": "Halloween",
    r"valentine'?s?(?: day)?": "Valentine's Day",
    r"easter": "Easter",
    r"thanksgiving": "Thanksgiving",
    r"new year'?s?(?: eve| day)?": "New Year",
    r"hanukkah|chanukah": "Hanukkah",
    r"diwali": "Diwali",
    r"(?:the )?holidays": "the holidays",
    r"independence day|4th of july|fourth of july": "the Fourth of July",
}
"""Pattern -> name of a holiday."""

SEASONS: dict[str, str] = {
    r"(?:cold |snowy |dark )?winter(?:'?s)?(?: (?:evening|night|day|weekend)s?)?|wintry|snowy": "winter",
    r"spring(?:time)?(?: (?:evening|day|weekend)s?)?": "spring",
    r"(?:hot |warm )?summer(?:time|y)?(?:'?s)?(?: (?:evening|night|day|weekend)s?)?": "summer",
    r"autumn(?:al)?(?: (?:evening|day|weekend)s?)?|rainy (?:day|evening|night|sunday|afternoon)s?": "autumn",
}
"""Pattern -> name of a season ("fall" is left out: it is a verb as often)."""
