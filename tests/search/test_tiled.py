"""Products in low precision never change a hit: what they cannot decide is decided exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense import blocked_exact as tiled
from hardneg_plugin.search.dense import flat_index, vector_space
from hardneg_plugin.search.dense import gemm as matrix_products
from hardneg_plugin.search.dense import gemm_autotune as product_choice
from hardneg_plugin.search.dense.blocked_exact import tiled_search
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.gemm import Float32Product, Int8Product
from hardneg_plugin.search.dense.gemm_autotune import benchmark_backends, has_product
from hardneg_plugin.search.dense.search import exact_search, search_space
from hardneg_plugin.search.dense.vector_space import VectorSpace
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.threads import Threads

SIMILARITIES = ("cosine", "dot", "euclidean")
PRODUCTS = [product for product in matrix_products.PRODUCTS if has_product(product)]
BY_NAME = pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)


def random_vectors(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def same(found, expected):
    np.testing.assert_array_equal(found.rows, expected.rows)
    assert found.scores.tobytes() == expected.scores.tobytes()


def by_hand(queries, passages, k, similarity):
    """Every pair scored, sorted by score and then by row."""
    space = VectorSpace.of(queries, passages, similarity)
    rows = np.tile(np.arange(len(passages)), len(queries))
    scores = space.exact(np.repeat(np.arange(len(queries)), len(passages)), rows).reshape(len(queries), -1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    padding = ((0, 0), (0, k - order.shape[1]))
    best = np.take_along_axis(scores, order, axis=1)
    return Hits(np.pad(order, padding, constant_values=-1), np.pad(best, padding, constant_values=np.nan))


def searched(queries, passages, k, similarity, product):
    found = tiled_search(search_space(queries, passages, k, similarity), k, by=[product, Float32Product()])
    expected = by_hand(queries, passages, k, similarity)
    same(found.hits, expected)
    same(exact_search(queries, passages, k, similarity), expected)
    return found


@BY_NAME
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize(("queries", "passages", "dims", "k"), [(3, 5000, 48, 10), (200, 3000, 17, 100), (1, 7, 3, 20)])
def test_random_vectors_need_the_first_product_only(product, similarity, queries, passages, dims, k):
    found = searched(random_vectors(1, queries, dims), random_vectors(2, passages, dims), k, similarity, product)
    assert (found.product, found.again, found.unpooled) == (product.name, 0, 0)


@BY_NAME
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_more_copies_than_a_pool_holds_are_ranked_by_row(product, similarity):
    originals = random_vectors(3, 3, 24)
    passages = originals[np.arange(3000) % 3]
    found = searched(originals, passages, 5, similarity, product)
    assert found.unpooled == 3
    assert found.hits.rows[0].tolist() == [0, 3, 6, 9, 12] or similarity == "dot"


@pytest.mark.skipif(not has_product(Int8Product()), reason="this processor has no products of whole numbers")
def test_what_a_coarse_product_cannot_tell_apart_is_searched_more_precisely():
    """Most of 60,000 passages differ by less than eight bits tell, and by more than single precision needs."""
    centre = np.ones(64, np.float32)
    passages = centre + 3e-2 * random_vectors(4, 60_000, 64)
    found = searched(centre[None], passages, 10, "cosine", Int8Product())
    assert (found.again, found.unpooled) == (1, 0)


@BY_NAME
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_guess_from_a_sample_changes_nothing(product, similarity, monkeypatch):
    monkeypatch.setattr(tiled, "_TILE", 512)
    queries, passages = random_vectors(13, 40, 24), random_vectors(14, 6000, 24)
    found = searched(queries, passages, 30, similarity, product)
    assert (found.again, found.unpooled) == (0, 0)


@BY_NAME
def test_a_guess_that_was_too_high_is_noticed(product, monkeypatch):
    """The sample is one passage in eight, and the only ones near the query are in it: fewer than are asked for."""
    monkeypatch.setattr(tiled, "_TILE", 512)
    query, passages = np.eye(1, 24, dtype=np.float32), random_vectors(15, 4096, 24)
    passages[:, 0] = -100
    passages[::8][:300, 0] = 100
    found = searched(query, passages, 400, "cosine", product)
    assert found.again == 1


@st.composite
def spaces(draw):
    """Vectors as bad as they come: copies, near copies, zeros, denormals, lengths of all sizes, cancellation."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dims = draw(st.sampled_from([1, 2, 7, 33, 64]))
    count = draw(st.integers(1, 900))
    passages = rng.standard_normal((count, dims))
    kinds = draw(st.sets(st.sampled_from(["copies", "near", "zero", "denormal", "lengths", "cancel", "offset"])))
    if "offset" in kinds:
        passages += 100
    if "copies" in kinds:
        passages = passages[rng.integers(0, max(count // 5, 1), count)]
    if "near" in kinds:
        passages = passages[rng.integers(0, 3, count) % count] * (1 + rng.choice([0, 1e-7, 1e-4, 3e-3], (count, dims)))
    if "lengths" in kinds:
        passages *= 10.0 ** rng.uniform(-30, 15, (count, 1))
    queries = np.concatenate([rng.standard_normal((3, dims)), passages[:2], np.zeros((1, dims))])
    if "cancel" in kinds and dims > 1:
        passages[:, 1] = -passages[:, 0]
        queries[:, 1] = queries[:, 0]
    if "zero" in kinds:
        passages[rng.random(count) < 0.3] = 0
    if "denormal" in kinds:
        passages[rng.random(count) < 0.3] *= 1e-41
        queries[1] *= 1e-42
    return queries.astype(np.float32), passages.astype(np.float32), draw(st.sampled_from([1, 3, 50]))


def test_a_score_halfway_between_two_single_ones_is_rounded_as_everywhere():
    """Added to 1 one by one, as exact scores are, the small terms are lost; added to each other first, they count."""
    passages = np.zeros((2, 385), np.float32)
    passages[:, 0], passages[0, 1], passages[0, 8:89:8] = 1, 2.0**-24, 2.0**-54
    found = searched(np.ones((1, 385), np.float32), passages, 2, "dot", Float32Product())
    assert found.hits.scores.tolist() == [[1, 1]]


def test_threads_that_multiply_give_blas_its_threads_back():
    def numbers():
        return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]

    before = numbers()
    with Threads(products=True):
        with Threads(products=True):
            assert set(numbers()) == {1}
        assert set(numbers()) == {1}
    assert numbers() == before


@BY_NAME
@settings(max_examples=25, deadline=None)
@given(space=spaces(), similarity=st.sampled_from(SIMILARITIES))
def test_adversarial_vectors_change_nothing(product, space, similarity):
    queries, passages, k = space
    searched(queries, passages, k, similarity, product)


@settings(max_examples=25, deadline=None)
@given(space=spaces(), similarity=st.sampled_from(SIMILARITIES))
def test_compiled_scores_are_numpys_to_the_last_bit(space, similarity):
    queries, passages, _ = space
    plain = VectorSpace.of(queries, passages, similarity)
    which = np.repeat(np.arange(len(queries)), len(passages))
    rows = np.tile(np.arange(len(passages)), len(queries))
    expected = plain.exact(which, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_space, "_COMPILED_FROM", 0)
        compiled = VectorSpace.of(queries, passages, similarity)
        assert compiled.passage_lengths.tobytes() == plain.passage_lengths.tobytes()
        assert compiled.exact(which, rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dims", [1, 7, 8, 9, 127, 128, 129, 384, 1000, 1023])
def test_sums_of_any_length_are_numpys(dims, monkeypatch):
    space = VectorSpace.of(random_vectors(5, 20, dims), random_vectors(6, 20, dims), "dot")
    pairs = np.arange(20)
    expected = space.exact(pairs, pairs)
    monkeypatch.setattr(vector_space, "_COMPILED_FROM", 0)
    assert space.exact(pairs, pairs).tobytes() == expected.tobytes()


@BY_NAME
def test_a_small_memory_changes_blocks_and_nothing_else(product):
    queries, passages = random_vectors(7, 700, 32), random_vectors(8, 2500, 32)
    space = search_space(queries, passages, 20, "dot")
    with pytest.raises(ParameterError, match=r"needs at least [\d,]+ bytes, got 100,000"):
        tiled_search(space, 20, memory=100_000, by=[product])
    same(tiled_search(space, 20, memory=4_000_000, by=[product]).hits, exact_search(queries, passages, 20, "dot"))


def test_vectors_on_disk_are_searched_as_those_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_space, "_COMPILED_FROM", 0)
    monkeypatch.setattr(vector_space, "_ROWS_AT_ONCE", 300)
    queries, passages = random_vectors(9, 5, 16), random_vectors(10, 2000, 16)
    np.save(tmp_path / "passages.npy", passages)
    mapped = np.load(tmp_path / "passages.npy", mmap_mode="r")
    found = tiled_search(search_space(queries, mapped, 9, "cosine"), 9)
    same(found.hits, exact_search(queries, passages, 9, "cosine"))


@pytest.mark.parametrize(
    ("rates", "precision", "expected"),
    [
        ((100, 90, 120, 300, 800), "highest", ["int8", "bfloat16", "packed float32"]),
        ((100, 90, 120, 130, 800), "highest", ["int8", "packed float32"]),
        ((100, 110, 120, 130, 800), "medium", ["int8", "bfloat16", "float32"]),
        ((100, 110, 113, 300, 310), "highest", ["bfloat16", "torch float32"]),
        ((100, 104, 104, 300, 310), "highest", ["bfloat16", "float32"]),
        ((100, 99, 0, 0, 0), "highest", ["float32"]),
    ],
)
def test_products_are_taken_where_they_are_measured_to_be_faster(rates, precision, expected, monkeypatch):
    named = dict(zip((product.name for product in matrix_products.PRODUCTS), rates, strict=True))
    monkeypatch.setattr(product_choice, "benchmark_backends", lambda: named)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        assert [product.name for product in product_choice.gemm_backends()] == expected
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("product", [product for product in PRODUCTS if product.name != "float32"])
def test_a_product_that_is_wrong_is_not_taken(product, monkeypatch, caplog):
    right = type(product).multiply
    monkeypatch.setattr(
        type(product), "multiply", lambda self, left, right_, room=None: right(self, left, right_) + 300
    )
    assert benchmark_backends.__wrapped__()[product.name] == 0
    assert f"{product.name} products of this processor are not what they should be" in caplog.text


def test_a_torch_without_a_product_goes_without_it(monkeypatch):
    def refuse(self, left, right, room=None):
        raise RuntimeError("not implemented for this processor")

    monkeypatch.setattr(Int8Product, "multiply", refuse)
    assert benchmark_backends.__wrapped__()["int8"] == 0


@BY_NAME
def test_a_program_in_inference_mode_searches_as_any_other(product):
    queries, passages = random_vectors(13, 300, 16), random_vectors(14, 900, 16)
    with torch.inference_mode():
        assert benchmark_backends.__wrapped__()[product.name] > 0
        found = tiled_search(search_space(queries, passages, 12, "cosine"), 12, by=[product])
    same(found.hits, exact_search(queries, passages, 12, "cosine"))


@BY_NAME
@pytest.mark.parametrize("count", [1, 2, 16, 27, 55, 128])
def test_products_are_filled_however_many_processors_there_are(product, count, monkeypatch):
    monkeypatch.setattr(tiled, "processors", lambda: count)
    space = search_space(random_vectors(15, 2, 384), random_vectors(16, 2, 384), 100, "cosine")
    sizes = tiled._sizes(space, 100, product, tiled.MEMORY)
    # A thread's share of the queries that are searched for at once is no less than what its room is for.
    assert sizes.group >= sizes.queries * (count if sizes.queries > 256 else 1)
    assert sizes.queries == product.queries or count > 8


@BY_NAME
def test_nearest_takes_the_fastest_way_for_large_searches(product, monkeypatch):
    monkeypatch.setattr(flat_index, "_LARGE", 0)
    monkeypatch.setattr(flat_index, "gemm_backends", lambda: (product,))
    queries, passages = random_vectors(11, 6, 5), random_vectors(12, 900, 5)
    for installed in (None, object()):
        monkeypatch.setattr(flat_index, "find_spec", lambda _, installed=installed: installed)
        if installed is not None:
            pytest.importorskip("faiss")
        for memory in (None, 10_000_000):
            hits = nearest(search_space(queries, passages, 12, "cosine"), 12, memory=memory)
            same(hits, exact_search(queries, passages, 12, "cosine"))
