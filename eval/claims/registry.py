"""The claims by name, what each needs from a comparison, and how they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from eval.claims import capsid, dream, sigma, tiger
from eval.claims.claim import Claim
from eval.comparison.run import ComparisonDetail
from recsys_core.errors import ConfigError
from recsys_core.metrics import Interval

FALLBACK = ("popularity",)
"""A comparison has at least one row; the cheapest, where a claim needs none of the ordinary ones."""


@dataclass(frozen=True)
class Needs:
    """What a comparison must hold.

    Attributes:
        run: tests the claim, ``run(detail, seed=...)``.
        models: ordinary rows.
        ablations: rows of variants.
        cold: whether items must have been added after training.
    """

    run: Callable[..., Claim]
    models: tuple[str, ...] = ()
    ablations: tuple[str, ...] = ()
    cold: bool = False

    def met_by(self, detail: ComparisonDetail) -> bool:
        """Whether a comparison holds all of it."""
        held = {entry.model for entry in detail.entries}
        return held >= {*self.models, *self.ablations} and (detail.cold is not None or not self.cold)


CLAIMS: dict[str, Needs] = {
    "sigma": Needs(sigma.run, models=sigma.ROWS),
    "tiger": Needs(tiger.run, models=tiger.ROWS),
    "capsid": Needs(capsid.run, ablations=capsid.ROWS),
    "dream": Needs(dream.run, cold=True),
}
"""Name on the command line to claim."""


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are no claims.

    Raises:
        ConfigError: lists those there are.
    """
    unknown = [name for name in names if name not in CLAIMS]
    if unknown:
        raise ConfigError(f"there is no claim {unknown[0]!r}; choose among {', '.join(CLAIMS)}")


def needed(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """What all named claims need together: rows, rows of variants, and whether items must be added."""
    chosen = [CLAIMS[name] for name in names]
    models = tuple(dict.fromkeys(m for c in chosen for m in c.models))
    ablations = tuple(dict.fromkeys(m for c in chosen for m in c.ablations))
    return models or FALLBACK, ablations, any(c.cold for c in chosen)


def flat_figures(claims: Sequence[Claim]) -> dict[str, float]:
    """``CLAIM.measure`` with ``.lo`` and ``.hi``, and how many claims have each verdict."""
    flat: dict[str, float] = {
        "claims": len(claims),
        "claims.confirmed": sum(c.verdict == "confirmed" for c in claims),
        "claims.contradicted": sum(c.verdict == "contradicted" for c in claims),
    }
    for claim in claims:
        for name, interval in claim.measured.items():
            key = f"{claim.name}.{name}"
            flat |= {key: interval.value, f"{key}.lo": interval.low, f"{key}.hi": interval.high}
    return flat


def table(claims: Sequence[Claim]) -> Table:
    """One line a finding, under the verdict of its claim."""
    shown = Table("claim", "statement", "measured", box=None, header_style="bold", padding=(0, 2, 0, 0))
    shown.add_column("difference", justify="right")
    shown.add_column("verdict")
    for claim in claims:
        shown.add_row(claim.name, claim.statement, claim.context.dataset, "", claim.verdict, style="bold")
        for finding in claim.findings:
            shown.add_row("", finding.statement, finding.measure, _told(finding.difference), finding.verdict)
    return shown


def _told(interval: Interval) -> str:
    return f"{interval.value:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
