"""A word is about what the items are about that it is used of."""

from __future__ import annotations

import numpy as np
import torch

from recsys_core.generator.lm.words import word_content
from tests.recsys_core.generator.lm.tiny import make_world


def test_a_words_vector_is_the_mean_of_its_items_however_often_it_is_said():
    content = np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    found = word_content([[4, 4, 2], [2], []], content, 6)
    np.testing.assert_allclose(found[4], [1, 0])
    np.testing.assert_allclose(found[2], [0.5, 0.5])
    np.testing.assert_array_equal(found[[0, 1, 3, 5]], 0)


def test_words_begin_near_the_items_that_they_are_used_of():
    world = make_world()
    [tokens] = world.vocabulary.encode(["Comedy"])
    rows = world.model.input_rows().detach()
    word = rows[tokens].sum(0)
    items = torch.nn.functional.normalize(world.model.content_in(world.model.content), dim=-1).detach()
    likeness = (items @ word).numpy()
    comedies = np.array(["Comedy" in genres for genres in world.catalogue.tags("genre")])
    assert likeness[comedies].mean() > likeness[~comedies].mean() + 0.5 * likeness.std()
