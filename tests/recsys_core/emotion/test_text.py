"""Sentences: nothing is lost, abbreviations don't end one, code and mark-up aren't prose."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.emotion.text import LONGEST_SENTENCE, pieces, sentences

SCRAPS = st.sampled_from(
    [
        "Mr. Abel ",
        "ran. ",
        '"Why?" ',
        "U.S. ",
        "3.5 ",
        "<b>",
        "</b>",
        "```",
        "\n\n",
        "- ",
        "&lt;",
        "http://a.b/c. ",
        "！",
        "word ",
        "é",
        "\ud800",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(SCRAPS, max_size=40).map("".join)))
def test_the_pieces_are_the_text(text):
    found = pieces(text)
    assert "".join(text[piece.start : piece.end] for piece in found) == text
    assert all(text[s.start : s.end] == s.text for s in sentences(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Abel left. He ran.", ["Mr. Abel left.", "He ran."]),
        ("Ky. Company Wins Grant (AP). AP - A firm won.", ["Ky. Company Wins Grant (AP).", "AP - A firm won."]),
        ("It rose 3.5 percent. J. R. Ewing smiled!", ["It rose 3.5 percent.", "J. R. Ewing smiled!"]),
        ('"Stop!" he said. Then silence… and rain.', ['"Stop!" he said.', "Then silence… and rain."]),
        ("株価が急落。投資家は静か。", ["株価が急落。", "投資家は静か。"]),
        ("One\n\nTwo\n- three\n- four", ["One", "Two", "- three", "- four"]),
        ("", []),
        ("... !!!", []),
    ],
)
def test_where_sentences_end(text, expected):
    assert [sentence.text for sentence in sentences(text)] == expected


def test_code_is_no_prose_and_inline_marks_end_no_sentence():
    text = "Before <b>bold</b> words.\n```\nraise Panic!\n```\nAfter."
    assert [s.text for s in sentences(text)] == ["Before <b>bold</b> words.", "After."]


def test_a_huge_text_without_a_stop_is_cut_in_linear_time():
    started = time.process_time()
    found = sentences("wow <" * 20_000)
    assert time.process_time() - started < 3.0
    assert max(len(sentence.text) for sentence in found) <= 2 * LONGEST_SENTENCE
