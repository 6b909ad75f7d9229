"""`sidra import` and `sidra build`: from files to a data set, from a data set to a release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import Bar, Failed, JsonFlag, emit, say

if TYPE_CHECKING:
    from app.settings import Settings
    from recsys_core.releases.release import Release

Home = Annotated[Path | None, typer.Option(help="Folder of data sets and releases.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command("import")(import_)
    cli.command("build")(build)


def import_(
    items: Annotated[Path | None, typer.Option(help="Items: CSV, TSV, Parquet or JSON Lines.")] = None,
    interactions: Annotated[Path | None, typer.Option(help="Interactions: CSV, TSV, Parquet or JSON Lines.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="TOML file that says which column is what.")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="key=column on top of that, as id=sku; repeat.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set; default the folder of --items.")] = None,
    noun: Annotated[str | None, typer.Option(help='What an item is called in the plural ("books").')] = None,
    max_bad_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of rows that may be refused.")] = 0.05,
    benchmark: Annotated[
        str | None, typer.Option(help="A research set of the data folder instead: scientific, beauty or sports.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the research sets; default SIDRA_DATA_DIR.")] = None,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Import a catalogue and its interactions; without --items or --benchmark, MovieLens-100K with film facts.

    Refused rows are listed with row number and reason; too many of them and nothing is imported.
    """
    from app.settings import load_settings

    settings = load_settings(home=home)
    if (items is None) != (interactions is None):
        raise typer.BadParameter("--items and --interactions go together")
    if benchmark is not None and items is not None:
        raise typer.BadParameter("--benchmark brings its own files; leave --items and --interactions out")
    if benchmark is not None:
        from app.commands.benchmark_data import import_benchmark

        folder = data_dir or settings.data_dir
        report = import_benchmark(settings.home / "datasets", benchmark, folder, name=name, noun=noun)
    elif items is None or interactions is None:
        report = import_films(settings, quiet=json_)
    else:
        from recsys_core.catalog.importer import ColumnMapping, import_dataset

        columns = ColumnMapping.load(mapping) if mapping is not None else ColumnMapping()
        columns = columns.with_flags([*(map_ or []), *([f"item_noun={noun}"] if noun else [])])
        chosen = name or items.absolute().parent.name
        report = import_dataset(items, interactions, columns, settings.home / "datasets", chosen, max_bad_share)
    if json_:
        emit(report.model_dump(mode="json"))
        return
    tell_import(report)
    say(f"Next: sidra build --dataset {report.info.name}")


def build(
    dataset: Annotated[str | None, typer.Option(help="Name of an imported data set.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of build settings.")] = None,
    with_lm: Annotated[
        bool, typer.Option("--with-lm", help="Train the language model, too (up to ten minutes more on MovieLens).")
    ] = False,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Build a release: vectors, semantic IDs with a quality report, index, generator, collection.

    A build that was killed goes on at its last finished stage; the new release becomes current in one step. With
    --with-lm, stages that the newest release of the data set has finished under the same settings are taken over.
    """
    from app.settings import load_settings

    settings = load_settings(home=home, dataset=dataset)
    folder = settings.home / "datasets" / settings.dataset
    if not (folder / "dataset.json").is_file():
        raise Failed(f"no data set {settings.dataset!r} in {folder.parent}; make it with `sidra import`")
    release = build_dataset(settings, folder, config, with_lm=with_lm)
    if json_:
        emit({"figures": release.manifest.metrics, "release": release.manifest.model_dump(mode="json")})
    else:
        say(f"Release {release.id} is current.")


def import_films(settings: Settings, quiet: bool = False) -> Any:
    """Import MovieLens-100K with film facts."""
    from recsys_core.catalog.movielens import import_movielens

    tell = (lambda sentence: None) if quiet else (lambda sentence: say(f"  {sentence}"))
    return import_movielens(settings.home / "datasets", settings.cache_dir, tell)


def tell_import(report: Any) -> None:
    """What came in and what was refused."""
    info = report.info
    say(f"  {info.items:,} {info.item_noun}, {info.interactions:,} interactions of {info.users:,} users: {report.path}")
    for note in report.notes:
        say(f"  {note}")
    for reason, count in report.reasons.items():
        say(f"  refused {count}: {reason}")
    if report.rejects_path is not None and info.rejected:
        say(f"  every refused row: {report.rejects_path}")


def build_dataset(settings: Settings, folder: Path, config: Path | None = None, *, with_lm: bool = False) -> Release:
    """Build a release of a data set folder and make it current."""
    from recsys_core.releases.build import build_release
    from recsys_core.releases.store import ReleaseStore

    with Bar() as bar:

        def report(event: Any) -> None:
            done = 0 if event.fraction is None else round(100 * event.fraction)
            bar(f"{event.stage} (already done)" if event.kind == "skipped" else event.stage, done, 100)

        chosen = _build_config(settings, config, with_lm)
        # whoever adds a language model to a release needn't wait for the rest of it once more
        return build_release(folder, ReleaseStore(settings.home), chosen, report, reuse=chosen.lm is not None)


def _build_config(settings: Settings, path: Path | None, with_lm: bool = False) -> Any:
    import tomllib

    from pydantic import ValidationError

    from recsys_core.generator.lm.config import LmBuild
    from recsys_core.releases.build import BuildConfig

    config = BuildConfig()
    try:
        if path is not None:
            config = BuildConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failed(f"{path} isn't a TOML file ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise Failed(f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    if with_lm and config.lm is None:
        config = config.model_copy(update={"lm": LmBuild()})
    if config.text.cache_dir is not None:
        return config
    # encoding is most of a build's time where descriptions are long; the same texts are found again by content
    return config.model_copy(update={"text": config.text.model_copy(update={"cache_dir": settings.cache_dir / "text"})})
