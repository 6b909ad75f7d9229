"""Measurements kept on disk: what was measured once isn't measured again, by any method, seed or resumed study.

Quality, work and cost of a configuration are the same each time (:mod:`.served_system`), so sharing them between
methods that are compared changes nothing but the time that a comparison takes.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from recsys_core.durable import write_atomic
from recsys_core.tuning.measurement import MeasuredSystem, Measurement, SplitName
from recsys_core.tuning.space import Config, Space


class Cache:
    """Measurements of one fingerprint.

    Args:
        folder: of all caches.
        system: measures what isn't there.
    """

    def __init__(self, folder: Path, system: MeasuredSystem) -> None:
        self.system = system
        self.space: Space = system.space
        self.folder = folder / system.fingerprint()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hits = 0
        self._held: dict[str, Measurement] = {}

    def measure(self, config: Config, split: SplitName) -> Measurement:
        """A measurement that was kept, or a new one. Those that failed aren't kept: the next try may go through."""
        name = f"{split}-{self.space.key(config)}.json"
        if name in self._held:
            self.hits += 1
            return self._held[name]
        path = self.folder / name
        if path.exists():
            try:
                self._held[name] = Measurement.model_validate_json(path.read_bytes())
                self.hits += 1
                return self._held[name]
            except (ValidationError, ValueError):
                path.unlink(missing_ok=True)  # cut off in writing by an older system; measured anew
        measured = self.system.measure(config, split)
        if not measured.failure:
            write_atomic(path, measured.model_dump_json().encode())
            self._held[name] = measured
        return measured
