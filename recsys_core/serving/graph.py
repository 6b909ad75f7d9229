"""Settings of an HNSW graph (Malkov and Yashunin, 2018)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.durable import digest


class Graph(BaseModel):
    """Settings of Chroma's HNSW graph that need a new graph or a new handle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_neighbors: int = Field(default=32, ge=2, le=256)
    """Edges of a node; another number needs the graph built anew."""
    ef_construction: int = Field(default=200, ge=2, le=2000)
    """Candidates looked at when a node is put in; another number needs the graph built anew."""
    ef_search: int = Field(default=512, ge=1, le=5000)
    """Candidates kept while searching; Chroma stores another number at once, and applies it when it is opened anew."""

    def shape(self) -> str:
        """Names what the graph was built with; the same for graphs that differ in ``ef_search`` alone."""
        return digest(self.max_neighbors, self.ef_construction)[:12]
