"""What people typed in ReDial's recommendation dialogues: nothing breaks the rules, and no title's year becomes a wish."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.state import SlateCard, WorkingRequest
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from recsys_core.catalog.benchmarks import DATA_DIR_VARIABLE
from recsys_core.catalog.catalogue import Catalogue
from tools.titles import TitleIndex


def said_by_seekers() -> Iterator[str]:
    """Messages of those who look for films, with titles in the place of their numbers."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    path = Path(folder) / "redial" / "valid_data.jsonl.gz" if folder else None
    if path is None or not path.is_file():
        pytest.skip(f"{DATA_DIR_VARIABLE} names no folder with redial/valid_data.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            dialogue = json.loads(line)
            names = dialogue["movieMentions"] if isinstance(dialogue["movieMentions"], dict) else {}
            for message in dialogue["messages"]:
                if message["senderWorkerId"] == dialogue["initiatorWorkerId"]:
                    yield re.sub(r"@(\d+)", lambda m, names=names: names.get(m[1]) or m[0], message["text"])


def test_every_message_is_read(films: Catalogue) -> None:
    rules = RuleUnderstanding(films, TitleIndex(films.titles, films.numbers("year")))
    slate = [SlateCard(slot=n, item_id=i, title=films.get(i).title) for n, i in enumerate(["1", "8", "2"], start=1)]
    scenes = (Scene(), Scene(slate=slate, focus="8", request=WorkingRequest(words="thriller")))
    read = 0
    for message in said_by_seekers():
        for scene in scenes:
            intent = rules.understand(message, scene)
            years = {w.low for w in intent.wishes if w.field == "year" and w.low == w.high}
            dated = {float(year) for year in re.findall(r"[A-Za-z]\S*\s+\((\d{4})\)", message)}
            assert not years & dated or re.search(r"\d{4}(?!\))", message), message
            for wish in intent.wishes:
                wish.condition(films.fields[wish.field].kind.value)
            read += 1
    assert read > 10_000
