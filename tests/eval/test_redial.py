"""ReDial's format is read, films are found by title and year only, and links are counted as documented."""

import gzip
import json
import os
from itertools import islice
from pathlib import Path

import pytest

from eval.redial import Films, Mention, evaluate_redial, find_redial, read_redial
from recsys_core.errors import ConfigError, DataError
from tests.agents.conftest import PlainRecommender, film_catalogue

DIALOGUE = {
    "movieMentions": {"1": "Fargo  (1996)", "2": "Sabrina (1995)", "3": "Jumanji (2017)", "4": "Alien (1979)"},
    "initiatorQuestions": {
        "1": {"suggested": 0, "seen": 1, "liked": 1},
        "2": {"suggested": 0, "seen": 0, "liked": 0},
        "4": {"suggested": 1, "seen": 1, "liked": 1},
    },
    "initiatorWorkerId": 7,
    "respondentWorkerId": 8,
    "messages": [
        {"senderWorkerId": 7, "text": "something like @1 , a crime story", "entity": ["crime"]},
        {"senderWorkerId": 8, "text": "Have you seen @4 ?", "entity": []},
        {"senderWorkerId": 7, "text": "something like @3 please", "entity": []},
        {"senderWorkerId": 7, "text": "I like funny stories", "entity": []},
    ],
}


def write(path, *dialogues):
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(d) + "\n" for d in dialogues)
    return path


@pytest.fixture
def films():
    catalogue = film_catalogue()
    return PlainRecommender(catalogue)


def test_messages_of_seekers_with_titles_written_out(tmp_path):
    messages = list(read_redial(write(tmp_path / "d.gz", DIALOGUE)))
    assert [m.text for m in messages] == [
        "something like Fargo , a crime story",
        "something like Jumanji please",
        "I like funny stories",
    ]
    assert messages[0].mentions == (Mention("Fargo", 1996, 1, 1, 0),)
    assert messages[1].mentions[0].liked == 2


def test_a_film_is_found_by_title_and_year(films):
    known = Films(films.catalogue)
    title = films.catalogue.titles.__getitem__
    assert [title(i) for i in known.of(Mention("Sabrina", 1995, 2, 2, 2))] == ["Sabrina (1995)"]
    assert [title(i) for i in known.of(Mention("The Godfather", 1972, 2, 2, 2))] == ["Godfather, The (1972)"]
    assert known.of(Mention("Sabrina", None, 2, 2, 2)) == frozenset()
    assert known.of(Mention("Fargo", 2014, 2, 2, 2)) == frozenset()
    assert known.of(Mention("Jumanji", 2017, 2, 2, 2)) == frozenset()


def test_links_are_counted(films, tmp_path):
    report = evaluate_redial(films, write(tmp_path / "d.gz", DIALOGUE), command="x")
    figures = report.figures
    assert figures["redial_messages"] == 3
    assert figures["redial_mentions"] == 2
    assert figures["redial_mentions_in_catalogue"] == 1
    assert figures["redial_link_recall"] == 1.0
    assert figures["redial_link_precision"] == 1.0
    assert figures["redial_messages_without_mention"] == 1
    assert figures["redial_false_link_rate"] == 0.0
    assert figures["redial_kinds"] == 1
    assert figures["redial_kind_recall"] == 1.0
    assert (figures["redial_liked"], figures["redial_liked_as_example"]) == (1, 1.0)


def test_what_is_missing_or_broken_is_said(films, tmp_path):
    with pytest.raises(ConfigError, match="SIDRA_DATA_DIR"):
        find_redial(None)
    with pytest.raises(ConfigError, match="holds no redial"):
        find_redial(tmp_path)
    with pytest.raises(DataError, match="line 2"):
        list(read_redial(write(tmp_path / "d.gz", DIALOGUE, {"messages": 3})))
    other = {**DIALOGUE, "movieMentions": {"1": "Nothing Known (2020)"}}
    with pytest.raises(DataError, match="no film of ReDial"):
        evaluate_redial(films, write(tmp_path / "e.gz", other), command="x")


def test_the_real_file_reads():
    folder = os.environ.get("SIDRA_DATA_DIR")
    if not folder or not (Path(folder) / "redial" / "valid_data.jsonl.gz").is_file():
        pytest.skip("ReDial's dialogues are not here; set SIDRA_DATA_DIR to the folder of research sets")
    messages = list(islice(read_redial(find_redial(Path(folder))), 500))
    assert len(messages) == 500
    assert sum(bool(m.mentions) for m in messages) > 50
    assert not any("@" in m.text and m.mentions for m in messages)
