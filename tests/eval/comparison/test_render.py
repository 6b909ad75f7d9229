"""The Markdown table: everything needed to take it again, and nothing of the machine's folders."""

from __future__ import annotations

import io

from rich.console import Console

from eval.cold_items import ColdReport, ColdResult
from eval.comparison.render import markdown, table
from eval.comparison.tasks import TaskResult
from eval.figures import Report, make_context
from recsys_core.metrics import Interval
from tests.eval.comparison.tiny import detail_of, entry

SOME = Interval(0.25, 0.2, 0.3)


def report_of(detail, **context):
    made = make_context(seed=7, **context)
    return Report(context=made.model_copy(update={"commit": "abc1234567"}), detail=detail.model_dump(mode="json"))


def full():
    detail = detail_of(entry("sidra", [1, 2, 0, 3] * 5), entry("sasrec", [0, 2, 0, 12] * 5))
    detail.tasks = {
        "category": TaskResult(
            cases=50,
            told=SOME,
            silent=SOME,
            filtered=SOME,
            following=Interval(0.9, 0.8, 1.0),
            following_unseen=None,
            following_silent=SOME,
        )
    }
    way = ColdResult(recall=SOME, ndcg=SOME, warm_recall=0.1, warm_loss=0.013, leaves=44)
    detail.cold = ColdReport(
        cold_items=9, cold_users=8, warm_users=70, warm_recall={"hybrid": 0.1}, results={"paths_selected": way}
    )
    return detail


def test_it_names_the_command_commit_seed_and_every_row():
    text = markdown(report_of(full(), command="sidra eval offline --dataset tiny"))
    for part in ("`sidra eval offline --dataset tiny`", "commit abc1234567", "seed 7", "20 users", "40 items"):
        assert part in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| s")]
    assert rows == ["sidra", "sasrec"]
    assert "1.50 M | 2.0 |" in text


def test_a_difference_is_the_row_less_the_first_one():
    text = markdown(report_of(full(), command="x"))
    line = next(line for line in text.splitlines() if line.startswith("| sasrec"))
    assert " -0.5000 [-" in line
    assert "+0.5000" not in line
    first = next(line for line in text.splitlines() if line.startswith("| sidra"))
    assert first.split("|")[6].strip() == ""


def test_variants_stand_in_a_table_of_their_own_against_the_generator():
    generator, pure = entry("generator", [1, 2, 0, 3] * 5), entry("pure_sids", [0, 2, 0, 3] * 5)
    detail = detail_of(entry("sidra", [1, 1, 0, 1] * 5), generator)
    apart = detail_of(generator, pure).differences
    detail = detail.model_copy(
        update={
            "entries": [*detail.entries, pure],
            "variants": ["pure_sids"],
            "differences": detail.differences | apart,
        }
    )
    report = report_of(detail, command="x")
    main, varied = markdown(report).split("## One thing changed")
    assert "pure_sids" not in main
    line = next(line for line in varied.splitlines() if line.startswith("| pure_sids"))
    recall = [cell.strip() for cell in line.split("|")][4]
    assert recall.startswith("-0.2500 [-")
    shown = io.StringIO()
    Console(file=shown, width=200).print(table(report))
    assert "-0.2500 [-" in next(line for line in shown.getvalue().splitlines() if "pure_sids" in line)


def test_figures_in_the_table_are_those_of_the_rows():
    text = markdown(report_of(full(), command="x"))
    line = next(line for line in text.splitlines() if line.startswith("| sidra"))
    assert "| .7500 |" in line
    assert "[." in line


def test_tasks_and_added_items_have_their_sections_only_when_measured():
    text = markdown(report_of(full(), command="x"))
    assert "| category | 50 | .2500 [.200, .300] |" in text
    assert "| paths_selected | .2500 [.200, .300] |" in text
    assert "+1.3 % | 44 |" in text
    bare = markdown(report_of(detail_of(entry("popularity", [1, 0])), command="x"))
    assert "##" not in bare
    assert "paths" not in bare


def test_folders_of_the_command_line_are_cut_off(monkeypatch):
    words = ["/srv/someone/bin/sidra", "eval", "offline", "--data-dir=/srv/someone/sets", "--home", "/srv/someone/h"]
    monkeypatch.setattr("sys.argv", words)
    text = markdown(report_of(full()))
    assert "someone" not in text
    assert "`sidra eval offline --data-dir=sets --home h`" in text


def test_the_terminal_table_has_the_same_rows():
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table(report_of(full(), command="x")))
    text = console.export_text()
    assert "sidra" in text
    assert "sasrec" in text
    assert "-0.5000" in text
