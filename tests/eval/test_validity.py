"""The validity check passes an honest recommender and catches each kind of fault."""

import pytest

from eval.validity import check_validity


def test_an_honest_recommender_has_no_fault(recommender):
    found = check_validity(recommender, recommender.log, requests=150, seed=1, models=("popularity", "item_cf"))
    assert found.requests == 150
    assert found.items > 500
    assert (found.invalid_items, found.short_lists, found.unsorted_lists) == (0, 0, 0), found.examples
    assert found.empty > 0  # impossible filters are among the requests
    assert found.exhausted > found.empty


@pytest.mark.parametrize(
    ("mistake", "words"), [("filter", "breaks the filter"), ("exclude", "was excluded"), ("unique", "occurs twice")]
)
def test_each_fault_is_caught(recommender, mistake, words):
    recommender.mistakes.add(mistake)
    found = check_validity(recommender, recommender.log, requests=80, seed=1, models=("popularity",))
    assert found.invalid_items > 0
    assert any(words in example for example in found.examples)


def test_an_item_that_does_not_exist_and_a_short_list_are_caught(recommender):
    original = recommender.recommend

    def faulty(requests, model):
        results = original(requests, model)
        for result in results:
            if result.items:
                result.items[0] = result.items[0].model_copy(update={"item_id": "ghost"})
                result.items = result.items[:1]
        return results

    recommender.recommend = faulty
    found = check_validity(recommender, recommender.log, requests=60, seed=1, models=("popularity",))
    assert any("does not exist" in e for e in found.examples)
    assert found.short_lists > 0


def test_unsorted_scores_are_caught(recommender):
    original = recommender.recommend

    def shuffled(requests, model):
        results = original(requests, model)
        for result in results:
            result.items.reverse()
        return results

    recommender.recommend = shuffled
    assert check_validity(recommender, recommender.log, requests=60, models=("popularity",)).unsorted_lists > 0


def test_same_seed_same_requests(recommender):
    first = check_validity(recommender, recommender.log, requests=40, seed=9, models=("popularity",))
    second = check_validity(recommender, recommender.log, requests=40, seed=9, models=("popularity",))
    assert first.model_dump(exclude={"seconds"}) == second.model_dump(exclude={"seconds"})
