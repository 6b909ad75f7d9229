"""A recommender that can be reasoned about: popularity, plus shared kinds with the instruction and the anchors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from agents.conversation import ConversationService
from agents.llm.none import NoChatModel
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.generator.protocol import GenerateRequest, GenerateResult, ScoredItem
from recsys_core.serving.evidence import Cause, Evidence
from tools.titles import plain

FILMS = [
    # id, title, year, genres, director, cast, country, language, runtime
    ("1", "Fargo (1996)", 1996, ["Crime", "Drama", "Thriller"], ["Joel Coen"], ["Frances McDormand", "Steve Buscemi"], ["United States"], ["English"], 98),
    ("2", "Godfather, The (1972)", 1972, ["Crime", "Drama"], ["Francis Ford Coppola"], ["Marlon Brando", "Al Pacino"], ["United States"], ["English"], 175),
    ("3", "Groundhog Day (1993)", 1993, ["Comedy", "Romance"], ["Harold Ramis"], ["Bill Murray", "Andie MacDowell"], ["United States"], ["English"], 101),
    ("4", "Delicatessen (1991)", 1991, ["Comedy", "Sci-Fi"], ["Jean-Pierre Jeunet"], ["Dominique Pinon"], ["France"], ["French"], 99),
    ("5", "Amelie (2001)", 2001, ["Comedy", "Romance"], ["Jean-Pierre Jeunet"], ["Audrey Tautou"], ["France"], ["French"], 122),
    ("6", "Psycho (1960)", 1960, ["Horror", "Thriller"], ["Alfred Hitchcock"], ["Anthony Perkins"], ["United States"], ["English"], 109),
    ("7", "Vertigo (1958)", 1958, ["Mystery", "Thriller"], ["Alfred Hitchcock"], ["James Stewart", "Kim Novak"], ["United States"], ["English"], 128),
    ("8", "Raising Arizona (1987)", 1987, ["Comedy", "Crime"], ["Joel Coen"], ["Nicolas Cage"], ["United States"], ["English"], 94),
    ("9", "Big Lebowski, The (1998)", 1998, ["Comedy", "Crime"], ["Joel Coen"], ["Jeff Bridges", "Steve Buscemi"], ["United States"], ["English"], 117),
    ("10", "Ladykillers, The (1955)", 1955, ["Comedy", "Crime"], ["Alexander Mackendrick"], ["Alec Guinness"], ["United Kingdom"], ["English"], 91),
    ("11", "Toy Story (1995)", 1995, ["Animation", "Children's", "Comedy"], ["John Lasseter"], ["Tom Hanks"], ["United States"], ["English"], 81),
    ("12", "Alien (1979)", 1979, ["Horror", "Sci-Fi"], ["Ridley Scott"], ["Sigourney Weaver"], ["United States", "United Kingdom"], ["English"], 117),
    ("13", "Seven Samurai (1954)", 1954, ["Action", "Drama"], ["Akira Kurosawa"], ["Toshiro Mifune"], ["Japan"], ["Japanese"], 207),
    ("14", "Life Is Beautiful (1997)", 1997, ["Comedy", "Drama", "War"], ["Roberto Benigni"], ["Roberto Benigni"], ["Italy"], ["Italian"], 116),
    ("15", "Singin' in the Rain (1952)", 1952, ["Musical", "Romance"], ["Stanley Donen"], ["Gene Kelly"], ["United States"], ["English"], 103),
    ("16", "Get Shorty (1995)", 1995, ["Comedy", "Crime"], ["Barry Sonnenfeld"], ["John Travolta"], ["United States"], ["English"], 105),
    ("17", "Some Like It Hot (1959)", 1959, ["Comedy", "Crime"], ["Billy Wilder"], ["Marilyn Monroe"], ["United States"], ["English"], 121),
    ("18", "Trainspotting (1996)", 1996, ["Drama"], ["Danny Boyle"], ["Ewan McGregor"], ["United Kingdom"], ["English"], 93),
    ("19", "Snatch (2000)", 2000, ["Comedy", "Crime"], ["Guy Ritchie"], ["Brad Pitt"], ["United Kingdom"], ["English"], 104),
    ("20", "It (1927)", 1927, ["Comedy", "Romance"], ["Clarence Badger"], ["Clara Bow"], ["United States"], ["English"], 72),
    ("21", "Sabrina (1954)", 1954, ["Comedy", "Romance"], ["Billy Wilder"], ["Audrey Hepburn"], ["United States"], ["English"], 113),
    ("22", "Sabrina (1995)", 1995, ["Comedy", "Romance"], ["Sydney Pollack"], ["Harrison Ford"], ["United States"], ["English"], 127),
    ("23", "In the Name of the Father (1993)", 1993, ["Drama"], ["Jim Sheridan"], ["Daniel Day-Lewis"], ["Ireland"], ["English"], 133),
    ("24", "2001: A Space Odyssey (1968)", 1968, ["Sci-Fi", "Mystery"], ["Stanley Kubrick"], ["Keir Dullea"], ["United Kingdom"], ["English"], 149),
]  # fmt: skip


def film_catalogue(extra: Sequence[tuple] = (), texts: dict[str, str] | None = None) -> Catalogue:
    """Two dozen films with the fields of the film data set."""
    rows = [*FILMS, *extra]
    tags = pl.List(pl.String)
    frame = pl.DataFrame(
        {
            "id": [r[0] for r in rows],
            "title": [r[1] for r in rows],
            "text": [(texts or {}).get(r[0], f"A {r[2]} film by {r[4][0]}.") for r in rows],
            "attr:year": [r[2] for r in rows],
            "attr:genre": pl.Series([r[3] for r in rows], dtype=tags),
            "attr:director": pl.Series([r[4] for r in rows], dtype=tags),
            "attr:cast": pl.Series([r[5] for r in rows], dtype=tags),
            "attr:country": pl.Series([r[6] for r in rows], dtype=tags),
            "attr:language": pl.Series([r[7] for r in rows], dtype=tags),
            "attr:runtime": [float(r[8]) for r in rows],
        }
    )
    return Catalogue(frame, item_noun="films")


class PlainRecommender:
    """Scores by popularity (file order), words of the instruction that name kinds, and kinds shared with anchors.

    Has the methods of the real one, honours filters and exclusions, and nothing else.
    """

    def __init__(self, catalogue: Catalogue, log: InteractionLog | None = None) -> None:
        self.catalogue = catalogue
        self.log = log
        self.release = SimpleNamespace(id="test-release")
        self.requests: list[GenerateRequest] = []
        field = "genre" if "genre" in catalogue.fields else next(iter(catalogue.fields))
        self.genres = [set(map(str.lower, tags)) for tags in catalogue.tags(field)]

    def recommend(self, requests: Sequence[GenerateRequest], model: str = "sidra") -> list[GenerateResult]:
        self.requests += requests
        return [self._one(request) for request in requests]

    def _one(self, request: GenerateRequest) -> GenerateResult:
        n = len(self.catalogue)
        allowed = request.filter.mask(self.catalogue).copy() if request.filter else np.ones(n, bool)
        for ids in (
            request.exclude,
            request.anchors,
            request.avoid,
            request.history if request.exclude_history else [],
        ):
            allowed[self.catalogue.indices(ids)] = False
        scores = self._scores(request)
        order = [int(i) for i in np.argsort(-scores, kind="stable") if allowed[i]][: request.k]
        items = [
            ScoredItem(
                item_id=self.catalogue.ids[i], sid=[i], log_probability=float(scores[i]) - 10, score=float(scores[i])
            )
            for i in order
        ]
        return GenerateResult(
            items=items,
            exhausted=int(allowed.sum()) < request.k,
            allowed=int(allowed.sum()),
            cold_start=not request.history and not request.anchors,
            release="test-release",
        )

    def _scores(self, request: GenerateRequest) -> np.ndarray:
        words = set(request.instruction.lower().split())
        anchors = [self.genres[self.catalogue.index(i)] for i in request.anchors]
        likes = [self.genres[self.catalogue.index(i)] for i in request.history[-5:]]
        scores = -np.arange(len(self.catalogue)) / 100
        for i, genres in enumerate(self.genres):
            scores[i] += (
                1.0 * len(genres & words)
                + sum(0.7 * len(genres & a) for a in anchors)
                + sum(0.1 * len(genres & a) for a in likes)
            )
        return scores

    def history(self, user_id: str, limit: int | None = None) -> list[str] | None:
        known = {"ann": ["6", "7"], "bob": ["13"], "u1": self.catalogue.ids[:3]}.get(user_id)
        return known[-limit:] if known and limit else known

    def search(self, text: str, k: int = 10, where: ItemFilter | None = None) -> list[SimpleNamespace]:
        wanted = set(plain(text).split())
        hits = [
            (len(wanted & set(plain(t).split())) / (len(wanted) or 1), i) for i, t in enumerate(self.catalogue.titles)
        ]
        best = sorted((h for h in hits if h[0] > 0), key=lambda h: -h[0])[:k]
        return [
            SimpleNamespace(item_id=self.catalogue.ids[i], title=self.catalogue.titles[i], similarity=s)
            for s, i in best
        ]

    def similar(self, item_id: str, k: int = 10) -> list[SimpleNamespace]:
        own = self.genres[self.catalogue.index(item_id)]
        order = sorted(range(len(self.catalogue)), key=lambda i: -len(own & self.genres[i]))
        ids = [self.catalogue.ids[i] for i in order if self.catalogue.ids[i] != item_id][:k]
        return [SimpleNamespace(item_id=i, title=self.catalogue.get(i).title, similarity=0.5) for i in ids]

    def evidence(self, item_id: str, request: GenerateRequest) -> Evidence:
        own = self.genres[self.catalogue.index(item_id)]
        causes = [
            Cause(
                item_id=i, title=self.catalogue.get(i).title, drop=0.1 * len(own & self.genres[self.catalogue.index(i)])
            )
            for i in [*request.history, *request.anchors]
            if own & self.genres[self.catalogue.index(i)]
        ]
        return Evidence(item_id=item_id, because_of=causes[:3])


@pytest.fixture(scope="session")
def films() -> Catalogue:
    return film_catalogue()


@pytest.fixture
def recommender(films: Catalogue) -> PlainRecommender:
    return PlainRecommender(films)


@pytest.fixture
async def service(recommender: PlainRecommender, tmp_path: Path):
    async with ConversationService(recommender, NoChatModel(), tmp_path) as opened:
        yield opened


class Talk:
    """A conversation in a test: say something, get the end event, with all events kept."""

    def __init__(self, service: ConversationService, user_id: str = "ann", k: int = 5) -> None:
        self.service, self.user_id, self.k = service, user_id, k
        self.thread_id: str | None = None
        self.events: list = []

    async def say(self, message: str, **more):
        self.events = [
            event
            async for event in self.service.turn(
                message=message, user_id=self.user_id, thread_id=self.thread_id, **{"k": self.k, **more}
            )
        ]
        self.thread_id = self.events[0].thread_id
        return self.events[-1]


@pytest.fixture
def talk(service: ConversationService) -> Talk:
    return Talk(service)
