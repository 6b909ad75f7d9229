"""Scripts that come with Sidra are well-formed; the runner passes an honest API and catches each mistake."""

import pytest
import yaml

from app.client import SidraClient
from eval.conversation_results import broken_cards, conversation_rows, misreadings
from eval.conversation_runner import NO_FAULTS, run_conversations
from eval.script import Script, load_script, load_scripts
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import ConfigError
from tests.eval.fake_api import FakeApi

SCRIPT = {
    "name": "genres",
    "kind": "test",
    "about": "A genre, a reason, a thumb, a filter.",
    "user": "known",
    "requires": {"fields": ["genre", "year"]},
    "turns": [
        {
            "say": "genre Drama please",
            "filter": {"all_of": [{"field": "year", "op": "range", "value": [1975, None]}]},
            "expect": {
                "cards": {"min": 5, "max": 5},
                "all": [{"field": "genre", "contains": "drama"}, {"field": "year", "at_least": 1975}],
                "steps": ["understand"],
                "cold_start": False,
            },
        },
        {"say": "why 2", "expect": {"keeps_slate": True, "speaks_of_slot": 2}},
        {
            "say": "again",
            "feedback": [{"slot": 1, "value": -1}],
            "expect": {"changed": True, "not_slots": [1], "all": [{"field": "genre", "contains": "Drama"}]},
        },
        {"say": "{repeat:500:long }", "expect": {"refused": "must"}},
    ],
}


def play(mistake="", script=SCRIPT, **options):
    catalogue, _ = synthetic(80, 10, seed=1)
    api = FakeApi(catalogue, mistake)
    with SidraClient("http://fake", transport=api.transport()) as client:
        report = run_conversations(
            client, [Script.model_validate(script)], known_user="u1", command="sidra eval conversations", **options
        )
    return api, report


def test_an_honest_api_passes_everything_and_nothing_is_left_behind():
    api, report = play(repeats=2)
    failures = [t["failed"] for c in report.detail["conversations"] for run in c["runs"] for t in run if t["failed"]]
    assert failures == []
    assert report.figures["conversations_passed"] == report.figures["conversations"] == 1
    assert report.figures["pass_power_2"] == 1.0
    assert report.figures["turns"] == 8
    assert report.figures["assertions"] == report.figures["assertions_passed"] > 40
    assert sorted(api.deleted) == sorted(api.threads)
    assert len(api.threads) == 2
    assert set(api.thumbs.values()) == {0}
    assert report.context.release == "r1"


@pytest.mark.parametrize(
    ("mistake", "kind"),
    [
        ("filter", "filter"),
        ("genre", "all"),
        ("thumbs", "not_slots"),
        ("facts", "exists"),
        ("ghost", "exists"),
        ("unique", "unique"),
        ("wrong_slot", "speaks_of_slot"),
        ("foreign_title", "grounded"),
        ("foreign_number", "grounded"),
        ("release", "release"),
        ("no_end", "stream"),
    ],
)
def test_each_mistake_is_caught_by_its_own_assertion(mistake, kind):
    _, report = play(mistake)
    assert report.figures["conversations_passed"] == 0
    assert report.figures["conversations_failed"] == 1
    assert report.detail["failures_by_kind"].get(kind, 0) > 0, report.detail["failures_by_kind"]


def test_rows_for_people_name_the_turn_and_the_reason():
    _, report = play()
    assert conversation_rows(report) == [("genres", "passed", "")]
    _, report = play("genre")
    (row,) = conversation_rows(report)
    assert row[:2] == ("genres", "failed")
    assert "'genre Drama please': " in row[2]
    assert "have genre contains drama" in row[2]


LABELLED = {
    **SCRIPT,
    "turns": [
        {
            "say": "genre Drama please",
            "expect": {"cards": {"min": 1}},
            "intent": {"want": {"genre": "Drama"}, "avoid": {"genre": "Comedy"}},
        },
        {"say": "why 2", "expect": {"keeps_slate": True}, "intent": {"act": "why", "items": [2]}},
    ],
}


def test_labels_are_scored_and_cards_held_against_them():
    _, report = play(script=LABELLED)
    figures = report.figures
    assert figures["scripts"] == 1
    assert figures["labelled_turns"] == 2
    # understood: act and Drama, then why and the card; missed: no comedy
    assert figures["intent_f1"] == pytest.approx(2 * 4 / (2 * 4 + 1))
    assert figures["intent_f1.about"] == 1.0
    assert figures["intent_f1.avoid"] == 0.0
    assert (figures["explicit_constraints_accuracy"], figures["explicit_turns"]) == (1.0, 1)
    assert figures["checked_cards"] == 5
    (worst,) = misreadings(report)
    assert worst == ("genres", "genre Drama please", "avoid genre comedy", "")
    assert figures["violations"] == len(broken_cards(report))
    assert all("not genre comedy" in card for _, _, card in broken_cards(report))


def test_cards_that_break_what_was_said_are_violations():
    _, report = play("genre", script=LABELLED)
    assert report.figures["violations"] >= 3
    assert any("genre drama" in card for _, _, card in broken_cards(report))


def test_an_api_that_tells_nothing_understood_nothing():
    _, report = play("mute", script=LABELLED)
    assert report.figures["intent_f1"] == 0.0
    assert report.figures["conversations_passed"] == 1


def test_labels_of_another_catalogue_and_faults_are_skipped():
    for label, why in (
        ({"want": {"genre": "Western"}}, "the field 'genre' has no value 'Western'"),
        ({"ranges": {"oscars": [1, None]}}, "no field 'oscars'"),
        ({"like": "Fargo"}, "no item titled 'Fargo'"),
    ):
        with pytest.raises(ConfigError, match=why):
            play(script={**SCRIPT, "turns": [{"say": "x", "expect": {"refused": "may"}, "intent": label}]})
    with pytest.raises(ConfigError, match=NO_FAULTS):
        play(script={**SCRIPT, "turns": [{"say": "x", "expect": {"degraded": True}, "fault": "down"}]})


def test_a_script_that_does_not_fit_is_skipped_with_its_reason():
    with pytest.raises(ConfigError, match="no field 'colour'"):
        play(script={**SCRIPT, "requires": {"fields": ["colour"]}})
    with pytest.raises(ConfigError, match="no item titled 'Fargo'"):
        play(script={**SCRIPT, "requires": {"titles": ["Fargo"]}})


def test_a_thumb_on_an_empty_slot_is_a_fault_of_the_script():
    broken = {**SCRIPT, "turns": [{"say": "genre Drama", "feedback": [{"slot": 1, "value": -1}]}]}
    with pytest.raises(ConfigError, match="slot 1, which is empty"):
        play(script=broken)


def test_sidras_own_scripts():
    scripts = load_scripts()
    assert len(scripts) >= 12
    assert len({s.kind for s in scripts}) >= 12
    for script in scripts:
        for turn in script.turns:
            said = turn.expect.model_dump(exclude_defaults=True)
            assert said, f"{script.name}: '{turn.say[:40]}' expects nothing"
            # what isn't labelled is what nobody can read: noise, refusals and orders to the machine
            assert turn.intent or script.kind in {"odd input", "injection"}, f"{script.name}: '{turn.say[:40]}'"
    four = next(s for s in scripts if s.name == "similar_but_funnier")
    assert [t.say for t in four.turns] == [
        "something like Fargo but funnier",
        "not that old",
        "why the second one?",
        "I've seen it, more like it",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"turns": []}, "turns"),
        ({"colour": "red"}, "colour"),
        ({"name": "Has Blanks"}, "name"),
        ({"turns": [{"say": "x", "expect": {"wording": "y"}}]}, "turn 1, expect.wording"),
        ({"turns": [{"say": "x", "expect": {"all": [{"field": "genre"}]}}]}, "needs contains"),
    ],
)
def test_broken_scripts_are_named_with_the_place(tmp_path, change, words):
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**SCRIPT, **change}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"script bad\.yaml") as caught:
        load_script(path)
    assert words in str(caught.value)


def test_loading_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="holds no"):
        load_scripts(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(SCRIPT), encoding="utf-8")
    with pytest.raises(ConfigError, match="two scripts are named 'genres'"):
        load_scripts(tmp_path)
    (tmp_path / "b.yaml").unlink()
    with pytest.raises(ConfigError, match="no script is named 'other'"):
        load_scripts(tmp_path, ("other",))
    assert [s.name for s in load_scripts(tmp_path, ("genres",))] == ["genres"]
    (tmp_path / "c.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_scripts(tmp_path)
