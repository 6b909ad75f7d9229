"""Which code a kept row depends on."""

import ast
from pathlib import Path

import eval.comparison
import recsys_core
from eval.comparison import kept
from eval.comparison.contenders import BASELINES, SERVED


def imported(folder: Path) -> set[str]:
    """Modules of the core that the files of a folder import."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recsys_core."):
                found.add(node.module.removeprefix("recsys_core."))
    return found


def test_all_that_baselines_import_is_hashed_for_their_rows():
    core = Path(recsys_core.__path__[0])
    known = {name.removesuffix(".py").replace("/", ".") for name in kept.BASELINE_CODE} | {"errors", "durable"}
    for module in imported(core / "baselines"):
        assert any(module == name or module.startswith(f"{name}.") for name in known), module
    assert all((core / name).exists() for name in kept.BASELINE_CODE)
    comparison = Path(eval.comparison.__path__[0])
    assert all((comparison / name).exists() for name in (*kept.COMPARISON_CODE, *kept.OWN_CODE))


def test_a_change_of_the_generator_spares_the_rows_of_baselines(tmp_path, monkeypatch):
    core, comparison = tmp_path / "core", tmp_path / "comparison"
    for name in kept.BASELINE_CODE:
        file = core / name if name.endswith(".py") else core / name / "x.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    (core / "generator" / "losses.py").write_text("one")
    comparison.mkdir()
    for name in (*kept.COMPARISON_CODE, *kept.OWN_CODE):
        (comparison / name).write_text("one")
    monkeypatch.setattr(recsys_core, "__path__", [str(core)])
    monkeypatch.setattr(eval.comparison, "__path__", [str(comparison)])

    def hashes():
        kept._hash_of.cache_clear()
        return {model: kept.code_hash(model) for model in (*SERVED, *BASELINES)}

    before = hashes()
    (core / "generator" / "losses.py").write_text("two")
    after = hashes()
    changed = {model for model in before if before[model] != after[model]}
    assert changed == {*SERVED, "lm"}
    (comparison / "contenders.py").write_text("two")
    assert all(hashes()[model] != after[model] for model in after)
    (core / "baselines" / "x.py").write_text("two")
    assert all(hashes()[model] != after[model] for model in BASELINES)
    kept._hash_of.cache_clear()
