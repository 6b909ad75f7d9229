"""Labels are checked when they are read, and mistakes are named with file, turn and field."""

import pytest
import yaml

from eval.labels import IntentLabel, accepts_bound
from eval.script import load_script, load_scripts
from recsys_core.errors import ConfigError

SCRIPT = {"name": "x", "kind": "test", "about": "x", "turns": [{"say": "hi"}, {"say": "a comedy"}]}


@pytest.mark.parametrize(
    ("label", "place"),
    [
        ({"act": "sing"}, "turn 2, intent.act"),
        ({"wants": {"genre": "Comedy"}}, "turn 2, intent.wants"),
        ({"ranges": {"year": [1990]}}, "turn 2, intent.ranges.year"),
        ({"ranges": {"year": ["about 1990", None]}}, "turn 2, intent.ranges.year"),
        ({"moves": {"year": "sideways"}}, "turn 2, intent.moves.year"),
        ({"k": 0}, "turn 2, intent.k"),
        ({"lasting": {}}, "turn 2, intent.lasting"),
        ({"task": "query"}, "turn 2, intent.task"),
    ],
)
def test_a_mistake_is_named_with_file_turn_and_field(tmp_path, label, place):
    path = tmp_path / "bad.yaml"
    turns = [SCRIPT["turns"][0], {**SCRIPT["turns"][1], "intent": label}]
    path.write_text(yaml.safe_dump({**SCRIPT, "turns": turns}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"script bad\.yaml") as caught:
        load_script(path)
    assert place in str(caught.value)


def test_an_unknown_fault_is_a_mistake(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**SCRIPT, "turns": [{"say": "x", "fault": "rude"}]}), encoding="utf-8")
    with pytest.raises(ConfigError, match="turn 1, fault"):
        load_script(path)


def test_one_value_may_stand_without_brackets_and_alternatives_are_told_apart():
    label = IntentLabel.model_validate(
        {
            "want": {"director|cast": "Woody Allen", "genre": [["Western", "War"]]},
            "seen": ["Alien", 2],
            "lasting": {"avoid": {"genre": "Horror"}},
            "moves": {"runtime": "down"},
        }
    )
    assert label.fields() == {"director", "cast", "genre", "runtime"}
    assert label.values() == {
        "director": {"Woody Allen"},
        "cast": {"Woody Allen"},
        "genre": {"Western", "War", "Horror"},
    }
    assert label.titles() == ["Alien"]


@pytest.mark.parametrize(
    ("label", "value", "met"),
    [
        ("<90", 90, True),
        ("<90", 89, True),
        ("<90", 88, False),
        ("<90", 91, False),
        ("<90", None, False),
        (">1990", 1990, True),
        (">1990", 1991, True),
        (">1990", 1992, False),
        (90.0, 90, True),
        (90.0, 89, False),
        (None, None, True),
        (None, 90, False),
    ],
)
def test_strict_bounds_leave_the_number_itself_open(label, value, met):
    assert accepts_bound(label, value) is met


def test_sidras_own_scripts_say_what_is_meant():
    scripts = load_scripts()
    turns = [turn for script in scripts for turn in script.turns]
    labelled = [turn.intent for turn in turns if turn.intent is not None]
    assert len(scripts) >= 60
    assert len(labelled) >= 0.95 * len(turns)
    assert all(1 <= len(script.turns) <= 6 for script in scripts)
    kinds = {script.kind for script in scripts}
    assert kinds >= {
        "refine", "relax", "exclude", "compare", "similar but", "critique", "explain", "undo", "switch", "small talk",
        "mixed", "too open", "nothing fits", "misspelling", "person", "lasting", "seen", "hostile", "other language",
    }  # fmt: skip
    assert {turn.fault for turn in turns} >= {"slow", "down", "malformed", "truncated", "looping"}
    assert {label.act for label in labelled} >= {"recommend", "why", "about", "compare", "undo", "reset", "help"}
    assert sum(bool(label.ranges or label.k) for label in labelled) >= 30
    # a refinement needs something to refine
    assert all(s.turns[0].intent is None or s.turns[0].intent.topic != "refine" for s in scripts)
