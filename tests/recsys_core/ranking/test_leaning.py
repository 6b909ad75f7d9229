"""Profiles in the ranking: where they lean, and where they must not."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.ranking.leaning import NO_LEANING, Leaning, ProfileMix, conditioned, leanings, profile_words
from recsys_core.serving.recommender import Recommender

ABOUT = "documentary from Kenya"


def listed(recommender: Recommender, request: GenerateRequest) -> list[tuple[str, float]]:
    return [(item.item_id, item.score) for item in recommender.recommend([request])[0].items]


@pytest.fixture
def history(tiny_recommender: Recommender) -> list[str]:
    log = tiny_recommender.log
    return tiny_recommender.history(log.users[int(np.argmax(np.diff(log.offsets)))]) or []


def test_a_description_alone_is_the_instruction(tiny_recommender: Recommender) -> None:
    told = listed(tiny_recommender, conditioned(GenerateRequest(k=10), about=ABOUT))
    assert told == listed(tiny_recommender, GenerateRequest(k=10, instruction=ABOUT))
    assert told != listed(tiny_recommender, GenerateRequest(k=10))


def test_a_profile_written_from_the_history_has_no_weight_until_one_is_given(
    tiny_recommender: Recommender, history: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = GenerateRequest(history=history, k=10), GenerateRequest(history=history[-2:], k=10)
    plain = listed(tiny_recommender, short)
    assert listed(tiny_recommender, conditioned(short, profile=ABOUT)) == plain
    serving = tiny_recommender.scorer.serving
    heavy = serving.model_copy(update={"profile": ProfileMix(written=0.1)})
    monkeypatch.setattr(tiny_recommender.scorer, "serving", heavy)
    assert len(history) > ProfileMix().upto
    assert listed(tiny_recommender, conditioned(long, profile=ABOUT)) == listed(tiny_recommender, long)
    assert listed(tiny_recommender, conditioned(short, profile=ABOUT)) != plain


def test_own_words_lean_at_any_length_and_toward_what_they_say(
    tiny_recommender: Recommender, history: list[str]
) -> None:
    plain = GenerateRequest(history=history, k=40)
    genres = dict(zip(tiny_recommender.catalogue.ids, tiny_recommender.catalogue.tags("genre"), strict=True))

    def documentaries(request: GenerateRequest) -> int:
        return sum("Documentary" in genres[item] for item, _ in listed(tiny_recommender, request))

    assert documentaries(conditioned(plain, about="documentary films")) > documentaries(plain)


@pytest.mark.parametrize("more", [{"instruction": "a drama"}, {"task": Task.long_tail}])
def test_a_wish_outranks_a_profile(tiny_recommender: Recommender, history: list[str], more: dict[str, object]) -> None:
    request = GenerateRequest(history=history[-2:], k=10).model_copy(update=more)
    both = conditioned(request, profile=ABOUT, about=ABOUT)
    assert listed(tiny_recommender, both) == listed(tiny_recommender, request)
    assert profile_words(both)[1] == NO_LEANING


def test_an_empty_profile_changes_nothing_and_an_exact_search_agrees(
    tiny_recommender: Recommender, history: list[str]
) -> None:
    request = GenerateRequest(history=history[-2:], k=5)
    assert listed(tiny_recommender, conditioned(request, profile="  \n ")) == listed(tiny_recommender, request)
    leaning = conditioned(request, about=ABOUT)
    exact = listed(tiny_recommender, leaning.model_copy(update={"search": "exact"}))
    wide = listed(tiny_recommender, leaning.model_copy(update={"beam": 200}))
    assert [item for item, _ in exact] == [item for item, _ in wide]


def test_weights_follow_who_said_it(tiny_recommender: Recommender) -> None:
    mix, fits = ProfileMix(written=0.1, stated=0.4, upto=2), tiny_recommender.scorer.fits
    told = [Leaning(ABOUT, "profile"), Leaning(ABOUT, "about"), Leaning(ABOUT, "profile"), NO_LEANING]
    histories = [np.arange(n) for n in (2, 9, 3, 0)]
    written, stated, none, nothing = leanings(told, histories, fits, mix)
    assert none is None
    assert nothing is None
    assert written is not None
    assert stated is not None
    assert np.allclose(stated, 4 * written, atol=1e-4)
