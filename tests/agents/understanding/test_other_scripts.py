"""Kinds asked for in scripts that rules read nothing else of."""

import pytest

from agents.understanding.other_scripts import SCRIPTS, kinds_in_english


@pytest.mark.parametrize(
    ("message", "said", "language"),
    [
        ("فيلم كوميدي من فضلك 🙏", "comedy", "Arabic"),
        ("комедию, но не ужасы", "comedy, no horror", "Russian"),
        ("喜剧，不要恐怖片", "comedy, no horror", "Chinese"),
        ("一部1990年代的科幻片", "sci-fi from the 1990s", "Chinese"),
        ("ホラー以外のコメディ", "no horror, comedy", "Japanese"),
        ("액션 말고 코미디", "no action, comedy", "Korean"),
        ("हॉरर नहीं, कॉमेडी", "no horror, comedy", "Hindi"),
        ("Θέλω μια κωμωδία χωρίς τρόμου", "comedy, no horror", "Greek"),
        ("סרט קומדיה בלי אימה, 1994", "comedy, no horror from 1994", "Hebrew"),
    ],
)
def test_kinds_and_what_is_ruled_out_are_read(message, said, language):
    assert kinds_in_english(message) == (said, language)


@pytest.mark.parametrize(
    "message",
    ["", "funny film", "something like 七人の侍", "مرحبا", "a Russian film called Комедия please", "🙏", "1994"],
)
def test_what_names_no_kind_or_is_english_stays_as_it_was(message):
    assert kinds_in_english(message) == (message, "")


def test_every_kind_is_found_alone_in_its_own_language():
    for script in SCRIPTS:
        for own, english in script.kinds.items():
            # what Japanese writes in Chinese characters only is told by other letters beside it
            beside = " です" if script.name == "Japanese" else ""
            assert kinds_in_english(own + beside) == (english, script.name), own
