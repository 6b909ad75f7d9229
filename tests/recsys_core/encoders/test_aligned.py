"""Aligned vectors: what each part pulls together, what it leaves alone, and items that nobody has seen yet."""

import itertools

import numpy as np
import polars as pl
import pytest

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.encoders.aligned import AlignedConfig, AlignedEncoder, align
from recsys_core.encoders.alignment_pairs import AlignmentViews, behaviour_pairs, rare_tags, search_items, tag_pairs
from recsys_core.encoders.protocol import TrainSequences
from recsys_core.errors import BuildError, ConfigError, DataError

N_ITEMS, WIDTH = 60, 20
SMALL = AlignedConfig(width=16, hidden=8, epochs=6, batch=64, dropout=0.0, learning_rate=0.02)
ONLY_BEHAVIOUR = SMALL.model_copy(update={"category_weight": 0.0, "search_weight": 0.0, "distillation_weight": 0.0})


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small only lose by handing work from thread to thread."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def content(seed=0):
    vectors = np.random.default_rng(seed).standard_normal((N_ITEMS, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def worlds(seed=0, users=60, length=6):
    """Everybody stays in one of six worlds (item modulo 6), which the content doesn't tell."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.arange(u % 6, N_ITEMS, 6))[:length] for u in range(users)]
    return TrainSequences(np.arange(0, users * length + 1, length), np.concatenate(rows).astype(np.int64))


def inside_minus_across(vectors, world=None):
    world = np.arange(N_ITEMS) % 6 if world is None else world
    same = world[:, None] == world[None, :]
    apart = ~np.eye(N_ITEMS, dtype=bool)
    cosine = vectors @ vectors.T
    return cosine[same & apart].mean() - cosine[~same].mean()


def rank_correlation(a, b):
    upper = np.triu_indices(N_ITEMS, 1)
    ranks = [np.argsort(np.argsort((v @ v.T)[upper])) for v in (a, b)]
    return np.corrcoef(*ranks)[0, 1]


EMPTY = TrainSequences(np.array([0], dtype=np.int64), np.empty(0, dtype=np.int64))


@pytest.mark.parametrize("offsets", [True, False])
@pytest.mark.parametrize("hidden", [0, 8])
def test_items_of_the_same_histories_come_closer(offsets, hidden):
    config = ONLY_BEHAVIOUR.model_copy(update={"item_offsets": offsets, "hidden": hidden, "epochs": 20})
    before = inside_minus_across(content())
    encoder = AlignedEncoder.fit(content(), worlds(), AlignmentViews(), config)
    # a tower of 16 x 20 weights can't learn by heart which of 60 items belong together
    assert inside_minus_across(encoder.item_vectors) > before + (0.2 if offsets else 0.03)
    assert set(encoder.losses) == {"cooccurrence"}


def test_items_of_a_rare_tag_come_closer_without_any_history():
    tags = [np.arange(start, N_ITEMS, 6) for start in range(6)]
    config = SMALL.model_copy(update={"epochs": 40})
    encoder = AlignedEncoder.fit(content(), EMPTY, AlignmentViews(tags=tags), config)
    assert inside_minus_across(encoder.item_vectors) > inside_minus_across(content()) + 0.2
    assert set(encoder.losses) == {"category"}


def test_a_search_text_finds_its_item():
    queries = content(seed=9)  # words that have nothing to do with the description
    config = SMALL.model_copy(update={"epochs": 80, "item_offsets": True, "search_weight": 1.0})
    encoder = AlignedEncoder.fit(content(), EMPTY, AlignmentViews(queries=queries), config)
    found = (encoder.encode(queries) @ encoder.item_vectors.T).argsort(axis=1)[:, -5:]
    assert (found == np.arange(N_ITEMS)[:, None]).any(axis=1).mean() > 0.5
    found_before = (queries @ content().T).argsort(axis=1)[:, -5:]
    assert (found_before == np.arange(N_ITEMS)[:, None]).any(axis=1).mean() < 0.3


def test_distillation_brings_the_similarities_nearer_to_the_teachers():
    teacher = np.random.default_rng(5).standard_normal((N_ITEMS, 6)).astype(np.float32)
    taught = align(content(), worlds(), AlignmentViews(collaborative=teacher), SMALL)
    untaught = align(content(), worlds(), AlignmentViews(), SMALL)
    unit = teacher / np.linalg.norm(teacher, axis=1, keepdims=True)
    assert rank_correlation(taught, unit) > rank_correlation(untaught, unit) + 0.1


def test_items_without_a_teacher_are_not_taught_and_break_nothing():
    teacher = np.zeros((N_ITEMS, 6), dtype=np.float32)
    teacher[:2] = 1.0
    encoder = AlignedEncoder.fit(content(), worlds(), AlignmentViews(collaborative=teacher), SMALL)
    assert encoder.losses["distillation"] == 0
    np.testing.assert_allclose(np.linalg.norm(encoder.item_vectors, axis=1), 1, rtol=1e-5)


PARTS = {
    "cooccurrence": "cooccurrence_weight",
    "category": "category_weight",
    "search": "search_weight",
    "distillation": "distillation_weight",
}


@pytest.mark.parametrize("off", PARTS)
def test_switching_a_part_off_leaves_the_others_in_force(off):
    views = AlignmentViews([np.arange(5), np.arange(8, 12)], content(3), content(4))
    config = SMALL.model_copy(update={PARTS[off]: 0.0, "epochs": 1})
    assert set(AlignedEncoder.fit(content(), worlds(), views, config).losses) == set(PARTS) - {off}


def test_a_part_that_is_on_without_data_changes_nothing():
    bare = align(content(), worlds(), AlignmentViews(), ONLY_BEHAVIOUR)
    np.testing.assert_array_equal(bare, align(content(), worlds(), AlignmentViews(), SMALL))


def test_the_pairs_of_a_view_do_not_depend_on_the_other_views():
    first = next(behaviour_pairs(worlds(), 3, 32, seed=1))
    views = behaviour_pairs(worlds(), 3, 32, seed=1), tag_pairs([np.arange(4)], 8, seed=1)
    next(views[1])
    np.testing.assert_array_equal(first.left, next(views[0]).left)
    assert not np.array_equal(first.left, next(behaviour_pairs(worlds(), 3, 32, seed=2)).left)


@pytest.mark.parametrize("window", [1, 3])
def test_behaviour_pairs_are_different_items_of_one_user_within_the_window(window):
    train = TrainSequences(np.array([0, 4, 4, 5, 8]), np.array([1, 1, 2, 3, 9, 4, 5, 4], dtype=np.int64))
    allowed = set()
    for low, high in itertools.pairwise(train.offsets):
        for i, j in itertools.combinations(range(low, high), 2):
            if j - i <= window and train.items[i] != train.items[j]:
                allowed.add((train.items[i], train.items[j]))
    drawn = set()
    for pairs in itertools.islice(behaviour_pairs(train, window, 3, seed=0), 200):
        drawn |= set(zip(pairs.left, pairs.right, strict=True))
    assert drawn == allowed


def test_streams_without_a_pair_end():
    lonely = TrainSequences(np.array([0, 1, 3]), np.array([4, 2, 2], dtype=np.int64))
    assert next(behaviour_pairs(lonely, 5, 8, seed=0), None) is None
    assert next(behaviour_pairs(EMPTY, 5, 8, seed=0), None) is None
    assert next(tag_pairs([], 8, seed=0), None) is None
    assert next(search_items(np.zeros((N_ITEMS, WIDTH), np.float32), content(), 8, seed=0), None) is None


def test_tag_pairs_are_different_items_of_their_tag():
    tags = [np.array([3, 7]), np.array([1, 2, 9, 30])]
    for pairs in itertools.islice(tag_pairs(tags, 50, seed=0), 5):
        for left, right, group in zip(*pairs, strict=True):
            assert left != right
            assert {left, right} <= set(tags[group].tolist())


def test_only_rare_tags_and_strings_relate_items():
    frame = pl.DataFrame(
        {
            "id": list("abcd"),
            "title": list("abcd"),
            "attr:tag": [["all", "two"], ["all", "two"], ["all"], ["all", "one"]],
            "attr:maker": ["x", "y", "y", None],
            "attr:year": [1, 1, 2, 2],
        }
    )
    found = {tuple(rows.tolist()) for rows in rare_tags(Catalogue(frame), most_share=0.5)}
    assert found == {(0, 1), (1, 2)}


def test_cold_items_get_what_the_tower_says_of_their_content():
    torch = pytest.importorskip("torch")
    from recsys_core.encoders.aligned import centred
    from recsys_core.encoders.alignment_training import Tower

    views = AlignmentViews(collaborative=content(4))
    encoder = AlignedEncoder.fit(content(), worlds(), views, SMALL.model_copy(update={"item_offsets": False}))
    np.testing.assert_allclose(encoder.encode(content()), encoder.item_vectors, atol=1e-6)
    cold = np.concatenate([content(8)[:5], np.zeros((1, WIDTH), np.float32)])
    network = Tower(WIDTH, SMALL).eval()
    names = {"linear.weight": "linear", "linear.bias": "bias", "inner.weight": "in_weight", "inner.bias": "in_bias"}
    names["outer.weight"] = "out_weight"
    network.load_state_dict({ours: torch.from_numpy(encoder.weights[name]) for ours, name in names.items()})
    with torch.no_grad():
        expected = network(torch.from_numpy(centred(cold, encoder.weights["mean"]))).numpy()
    vectors = encoder.encode(cold)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert encoder.encode(cold[:0]).shape == (0, 16)


def test_offsets_move_the_items_that_were_chosen_and_no_others():
    train = worlds()
    used = train.items != 59
    owner = np.repeat(np.arange(60), 6)[used]
    train = TrainSequences(np.searchsorted(owner, np.arange(61)), train.items[used])
    encoder = AlignedEncoder.fit(content(), train, AlignmentViews(), ONLY_BEHAVIOUR)
    moved = np.abs(encoder.item_vectors - encoder.encode(content())).max(axis=1) > 1e-4
    assert moved[np.unique(train.items)].all()
    assert not moved[59]


def test_the_same_seed_gives_the_same_bytes_whatever_happened_before():
    torch = pytest.importorskip("torch")
    views = AlignmentViews([np.arange(5)], content(3), content(4))
    first = align(content(), worlds(), views, SMALL, seed=3)
    torch.rand(7)
    state = torch.random.get_rng_state()
    np.testing.assert_array_equal(first, align(content(), worlds(), views, SMALL, seed=3))
    assert torch.equal(state, torch.random.get_rng_state()), "the caller's random numbers changed"
    assert not np.array_equal(first, align(content(), worlds(), views, SMALL, seed=4))
    assert first.shape == (N_ITEMS, 16)
    assert first.dtype == np.float32


def test_a_file_gives_back_tower_vectors_and_settings(tmp_path):
    encoder = AlignedEncoder.fit(content(), worlds(), AlignmentViews(), SMALL)
    encoder.save(tmp_path / "aligned.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["aligned.safetensors"]
    loaded = AlignedEncoder.load(tmp_path / "aligned.safetensors")
    np.testing.assert_array_equal(loaded.item_vectors, encoder.item_vectors)
    np.testing.assert_array_equal(loaded.encode(content(8)), encoder.encode(content(8)))
    assert (loaded.config, loaded.losses) == (encoder.config, encoder.losses)
    (tmp_path / "broken").write_bytes(b"broken")
    for name in ("broken", "missing"):
        with pytest.raises(DataError, match=name):
            AlignedEncoder.load(tmp_path / name)


def spoiled(value):
    vectors = content()
    vectors[7, 2] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "views", "message"),
    [
        (spoiled(np.nan), AlignmentViews(), r"content has NaN .* 1 of 60 rows \(first: row 7\)"),
        (content(), AlignmentViews(queries=spoiled(np.inf)), "queries has NaN"),
        (content(), AlignmentViews(collaborative=spoiled(np.nan)), "collaborative has NaN"),
        (content(), AlignmentViews(collaborative=content()[:5]), "5 rows of collaborative for 60 items"),
        (content(), AlignmentViews(queries=content()[:, :4]), "differ in width"),
        (np.zeros((N_ITEMS, 0), np.float32), AlignmentViews(), "no content"),
        (np.zeros((N_ITEMS, 4), np.float32), AlignmentViews(), "no content"),
        (content()[:30], AlignmentViews(), "outside a catalogue of 30"),
    ],
)
def test_input_that_cannot_be_aligned_is_refused(vectors, views, message):
    with pytest.raises(BuildError, match=message):
        align(vectors, worlds(), views, SMALL)


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(BuildError, match="no two items are related"):
        align(content(), EMPTY, AlignmentViews(), SMALL)
    off = dict.fromkeys(PARTS.values(), 0.0)
    with pytest.raises(ConfigError, match="all four weights are 0"):
        align(content(), worlds(), AlignmentViews(), SMALL.model_copy(update=off))
    encoder = AlignedEncoder.fit(content(), worlds(), AlignmentViews(), SMALL.model_copy(update={"epochs": 1}))
    with pytest.raises(BuildError, match=r"the tower reads \(n, 20\)"):
        encoder.encode(content()[:, :3])
    with pytest.raises(BuildError, match="NaN"):
        encoder.encode(spoiled(np.nan))


def test_a_loss_that_is_not_finite_stops_the_training():
    with pytest.raises(BuildError, match="learning_rate"):
        align(content(), worlds(), AlignmentViews(), SMALL.model_copy(update={"learning_rate": 1e30, "epochs": 3}))


def test_one_user_with_repeated_items_is_enough():
    train = TrainSequences(np.array([0, 6]), np.array([3, 3, 4, 3, 9, 9], dtype=np.int64))
    vectors = align(content(), train, AlignmentViews(collaborative=content(2)), SMALL)
    assert np.isfinite(vectors).all()
