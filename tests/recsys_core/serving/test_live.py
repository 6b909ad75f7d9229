"""A catalogue that changes while requests run: nothing half-way is ever seen, and nothing acknowledged is ever lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from recsys_core.catalog.changes import Add, NewItem, Restore, Retag, Withdraw
from recsys_core.catalog.filters import ItemFilter
from recsys_core.errors import DataError, ReleaseError, UnknownItemError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.releases.change_log import ChangeLog
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.live import LiveRecommender
from recsys_core.serving.plan import ServingPlan
from recsys_core.serving.recommender import Recommender
from recsys_core.tuning.promotion import Promotion, promote, roll_back

ROOT = Path(__file__).parents[3]
NEW = NewItem(
    id="n1",
    title="The Lighthouse Ledger",
    text="A 1994 thriller from Kenya.",
    attributes={"genre": ["Thriller"], "year": 1994},
)
THRILLERS = ItemFilter.model_validate({"all_of": [{"field": "genre", "op": "contains", "value": "Thriller"}]})


@pytest.fixture
def home(tiny_home, tmp_path):
    shutil.copytree(tiny_home / "releases", tmp_path / "releases")
    return tmp_path


@pytest.fixture
def live(home, tiny_recommender):
    """The tiny release, with a log of its own."""
    release = ReleaseStore(home).open()
    base = tiny_recommender
    recommender = Recommender(release, base.catalogue, base.log, base.text, base.scorer, base.store)
    return LiveRecommender(recommender)


def _ids(results):
    return [item.item_id for result in results for item in result.items]


MODELS = ("sidra", "generator", "item_cf", "popularity")


class TestWithdrawn:
    @pytest.mark.parametrize("model", MODELS)
    def test_items_come_back_from_no_model(self, live, model):
        request = GenerateRequest(history=["i1", "i2"], k=20)
        before = _ids(live.current().recommend([request], model))
        live.apply(Withdraw(items=before[:7]))
        result = live.current().recommend([request], model)[0]
        assert not set(_ids([result])) & set(before[:7])
        assert result.changes == 1
        assert result.allowed == 240 - 2 - 7
        live.apply(Restore(items=before[:7]))
        assert _ids(live.current().recommend([request], model)) == before

    def test_items_are_in_no_list_and_on_no_page(self, live):
        gone = [hit.item_id for hit in live.current().search("a comedy", k=5)]
        near = [hit.item_id for hit in live.current().similar("i3", k=5)]
        live.apply(Withdraw(items=[*gone, *near]))
        now = live.current()
        assert not {hit.item_id for hit in now.search("a comedy", k=100)} & {*gone, *near}
        assert not {hit.item_id for hit in now.similar("i3", k=300)} & {*gone, *near}
        assert not now.catalogue.offered[now.catalogue.indices(gone)].any()
        assert not THRILLERS.mask(now.catalogue)[now.catalogue.indices(gone)].any()
        for call in (now.catalogue.get, now.similar, lambda item: now.evidence(item, GenerateRequest())):
            with pytest.raises(UnknownItemError):
                call(gone[0])
        assert gone[0] not in now.catalogue

    def test_an_anchor_is_left_out_and_the_answer_says_so(self, live):
        live.apply(Withdraw(items=["i5"]))
        result = live.current().recommend([GenerateRequest(anchors=["i5", "i6"], k=5)])[0]
        plain = live.current().recommend([GenerateRequest(anchors=["i6"], k=5)])[0]
        assert _ids([result]) == _ids([plain])
        assert result.notes == ["'i5': withdrawn, so the list isn't made to resemble it"]

    def test_a_history_keeps_it_and_no_reason_names_it(self, live):
        request = GenerateRequest(history=["i1", "i2", "i3"], k=5)
        before = live.current().recommend([request])[0]
        best = before.items[0].item_id
        causes = [cause.item_id for cause in live.current().evidence(best, request).because_of]
        live.apply(Withdraw(items=["i1", "i2", "i3"]))
        assert _ids(live.current().recommend([request])) == _ids([before])
        assert causes
        assert live.current().evidence(best, request).because_of == []

    def test_everything(self, live):
        live.apply(Withdraw(items=live.current().catalogue.ids))
        result = live.current().recommend([GenerateRequest(k=5)])[0]
        assert (result.items, result.exhausted, result.allowed) == ([], True, 0)
        assert live.current().search("anything") == []


class TestReTagged:
    def test_filters_and_facts_follow(self, live):
        catalogue = live.current().catalogue
        item = next(i for i in catalogue.ids if "Thriller" not in catalogue.get(i).attributes.get("genre", []))
        live.apply(Retag(item=item, attributes={"genre": ["Thriller"], "year": None}))
        now = live.current().catalogue
        assert THRILLERS.mask(now)[now.index(item)]
        assert now.get(item).attributes.get("year") is None
        only = [i for i in now.ids if i != item]
        result = live.current().recommend([GenerateRequest(filter=THRILLERS, exclude=only)])[0]
        assert _ids([result]) == [item]
        assert item in [hit.item_id for hit in live.current().search("a film", k=240, where=THRILLERS)]

    @pytest.mark.parametrize(
        ("attributes", "sentence"),
        [({"colour": "red"}, "'colour' is no field"), ({"year": "soon"}, "give a number"), ({"genre": "x"}, "a list")],
    )
    def test_what_can_not_be_is_refused(self, live, attributes, sentence):
        with pytest.raises(DataError, match=sentence):
            live.apply(Retag(item="i1", attributes=attributes))
        assert live.status().number == 0


class TestAdded:
    def test_it_is_found_by_every_way(self, live):
        applied = live.apply(Add(items=[NEW]))
        assert (applied.number, applied.items, applied.pending) == (1, 241, 1)
        now = live.current()
        assert now.catalogue.get("n1").title == NEW.title
        assert "n1" in [hit.item_id for hit in now.search(NEW.title, k=3)]
        assert len(now.similar("n1", k=4)) == 4
        others = [i for i in now.catalogue.ids if i != "n1"]
        for model in ("sidra", "generator"):
            result = now.recommend([GenerateRequest(history=others[:3], exclude=others, k=5)], model)[0]
            assert _ids([result]) == ["n1"]
            assert np.isfinite(result.items[0].log_probability)
        assert len(now.recommend([GenerateRequest(history=["n1"], k=5)])[0].items) == 5

    def test_an_id_that_is_taken(self, live):
        for items in ([NEW.model_copy(update={"id": "i1"})], [NEW, NEW]):
            with pytest.raises(DataError, match=r"already|twice"):
                live.apply(Add(items=items))
        assert live.status().number == 0

    def test_merging_changes_no_answer(self, live, home):
        live.apply(Add(items=[NEW]))
        live.apply(Withdraw(items=["i7"]))
        live.apply(Retag(item="n1", attributes={"year": 1995}))
        live.apply(Retag(item="i9", attributes={"genre": ["Thriller"]}))
        requests = [
            GenerateRequest(history=["i1", "n1"], k=30),
            GenerateRequest(instruction="a thriller", k=30, filter=THRILLERS),
        ]
        before = live.current().recommend(requests)
        applied = live.merge()
        assert applied.release != before[0].release
        assert (applied.number, applied.pending, applied.withdrawn, applied.items) == (4, 0, 1, 240)
        after = live.current().recommend(requests)
        assert [_ids([r]) for r in after] == [_ids([r]) for r in before]
        np.testing.assert_allclose(
            [i.score for r in after for i in r.items], [i.score for r in before for i in r.items], atol=1e-5
        )
        assert ReleaseStore(home).current_id() == applied.release
        assert live.merge().release == applied.release  # nothing is left to merge
        live.apply(Add(items=[NEW.model_copy(update={"id": "n2", "title": "Glass Moon"})]))
        assert len(live.current().catalogue) == 242


class TestOtherReleases:
    def test_a_roll_back_loses_nothing(self, live, home):
        live.apply(Add(items=[NEW]))
        live.apply(Withdraw(items=["i7"]))
        live.apply(Retag(item="i9", attributes={"year": 1901}))
        live.merge()
        store = ReleaseStore(home)
        store.rollback()
        again = LiveRecommender(Recommender.open(store.open())).current()
        assert "i7" not in again.catalogue
        assert "n1" in again.catalogue
        assert again.catalogue.get("i9").attributes["year"] == 1901
        assert again.changes == 3

    def test_facts_older_than_an_import_are_the_import_s(self, live, home):
        live.apply(Retag(item="i9", attributes={"year": 1901}))
        live.apply(Withdraw(items=["i7"]))
        release = live.current().release
        log = ChangeLog.of(release)
        log.follow()
        manifest = release.manifest.model_copy(
            update={"dataset": {**release.manifest.dataset, "created": "2999-01-01T00:00:00+00:00"}}
        )
        release.manifest = manifest
        changes = log.in_force(release, live.current().catalogue)
        assert changes.retags == {}
        assert changes.withdrawn == {"i7"}


class TestTheLog:
    def test_another_process_is_followed(self, live, home):
        other = ChangeLog.of(live.current().release)
        with other.writing():
            other.append(Withdraw(items=["i3"]))
        assert "i3" not in live.current().catalogue
        live.apply(Withdraw(items=["i4"]))
        with other.writing():
            assert [entry.number for entry in other.entries] == [1, 2]

    def test_an_unfinished_line_was_never_acknowledged(self, live):
        live.apply(Withdraw(items=["i3"]))
        log = ChangeLog.of(live.current().release)
        whole = log.path.read_bytes()
        for cut in (1, len(whole) // 2, len(whole) - 1):
            log.path.write_bytes(whole + whole[:cut])
            again = LiveRecommender(live.current())
            assert again.status().number == 1
        assert again.apply(Withdraw(items=["i4"])).number == 2
        assert LiveRecommender(live.current()).status().withdrawn == 2

    def test_damage_is_an_error_that_names_the_line(self, live):
        for item in ("i3", "i4"):
            live.apply(Withdraw(items=[item]))
        path = ChangeLog.of(live.current().release).path
        good = path.read_bytes()
        path.write_bytes(good.replace(b"i3", b"i5"))
        with pytest.raises(ReleaseError, match="line 1: damaged"):
            LiveRecommender(live.current())
        path.write_bytes(good[:-10])
        with pytest.raises(ReleaseError, match="shorter"):
            live.current()

    def test_a_full_disk_changes_nothing(self, live, monkeypatch):
        live.apply(Withdraw(items=["i3"]))

        def full(handle):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("recsys_core.releases.change_log.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            live.apply(Withdraw(items=["i4"]))
        monkeypatch.undo()
        assert "i4" in live.current().catalogue
        assert live.apply(Withdraw(items=["i5"])).number == 2
        assert LiveRecommender(live.current()).status().withdrawn == 2

    @pytest.mark.parametrize(("moment", "kept"), [("before", False), ("after", True)])
    def test_killed_between_write_and_acknowledgement(self, live, moment, kept):
        """The change is there wholly or not at all, and the log goes on."""
        release = live.current().release
        script = f"""
import os
from pathlib import Path
from recsys_core.catalog.changes import Withdraw
from recsys_core.releases.change_log import ChangeLog
from recsys_core.releases.release import Release
log = ChangeLog.of(Release(Path({str(release.path)!r})))
flush = os.fsync
def killed(handle):
    if {moment!r} == "before":
        os.ftruncate(handle, os.fstat(handle).st_size - 7)
    flush(handle)
    os.kill(os.getpid(), 9)
os.fsync = killed
with log.writing():
    log.append(Withdraw(items=["i3", "i4"]))
"""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
        assert done.returncode == -9
        assert ("i3" not in live.current().catalogue) == ("i4" not in live.current().catalogue) == kept
        assert live.apply(Withdraw(items=["i8"])).number == 1 + kept
        assert LiveRecommender(live.current()).status().withdrawn == 1 + 2 * kept


class Traffic:
    """Requests from several threads, and what each began with and got."""

    def __init__(self, live: LiveRecommender, requests: int, threads: int = 4) -> None:
        self.live = live
        self.acknowledged = 0
        self.failures: list[str] = []
        self.answers: list[tuple[int, int, list[str], int]] = []
        self._left = iter(range(requests))
        self._guard = threading.Lock()
        self.threads = [threading.Thread(target=self._ask, args=(seed,)) for seed in range(threads)]
        for thread in self.threads:
            thread.start()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def _ask(self, seed: int) -> None:
        rng = random.Random(seed)
        while self._next():
            least = self.acknowledged
            history = rng.sample([f"i{n}" for n in range(1, 200)], 3)
            k = 240 if rng.random() < 0.2 else 10
            request = GenerateRequest(history=history, k=k, exclude_history=False, beam=10)
            try:
                result = self.live.current().recommend([request], rng.choice(MODELS))[0]
            except Exception as error:
                self.failures.append(repr(error))
                return
            self.answers.append((least, result.changes, _ids([result]), result.allowed))

    def _next(self) -> bool:
        with self._guard:
            return next(self._left, None) is not None


def test_a_thousand_requests_while_the_catalogue_changes(live):
    """No answer mixes states, and what was acknowledged before a request began is in its answer."""
    gone: set[str] = set()
    withdrawn_at, items_at = {0: frozenset(gone)}, {0: 240}
    rng = random.Random(9)
    number = added = 0
    traffic = Traffic(live, 1000)
    while traffic.running:
        number += 1
        if number % 40 == 20 and added < 4:
            added += 1
            what = Add(items=[NEW.model_copy(update={"id": f"n{added}"})])
        elif number % 3 == 0 and gone:
            item = rng.choice(sorted(gone))
            gone.discard(item)
            what = Restore(items=[item])
        else:
            item = rng.choice([i for i in map("i{}".format, range(1, 200)) if i not in gone])
            gone.add(item)
            what = Withdraw(items=[item])
        withdrawn_at[number], items_at[number] = frozenset(gone), 240 + added - len(gone)
        assert live.apply(what).number == number
        traffic.acknowledged = number
        if number == 60:
            live.merge(wait=False)
        threading.Event().wait(0.005)
    live.merge()
    assert not traffic.failures
    assert len(traffic.answers) == 1000
    assert len({seen for _, seen, _, _ in traffic.answers}) > 20
    for least, seen, ids, allowed in traffic.answers:
        assert seen >= least
        assert not set(ids) & withdrawn_at[seen]
        assert allowed == items_at[seen]


def test_a_new_plan_is_served_while_requests_go_on_and_changes_stay(home):
    store = ReleaseStore(home)
    release = store.open()
    live = LiveRecommender(Recommender.open(release))
    live.apply(Withdraw(items=[live.current().catalogue.ids[0]]))
    stop, failures = threading.Event(), []
    request = GenerateRequest(history=live.current().catalogue.ids[1:4], k=5)

    def ask():
        while not stop.is_set():
            try:
                assert len(live.current().recommend([request])[0].items) == 5
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    promote(release, Promotion(plan=ServingPlan(beam=3)), "test")
    live.reload()
    stop.set()
    thread.join()
    assert not failures
    assert live.current().scorer.plan.beam == 3
    assert live.status().withdrawn == 1
    roll_back(release, "test")
    live.reload()
    assert live.current().scorer.plan.beam is None
    live.close()
