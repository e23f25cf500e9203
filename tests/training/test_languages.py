"""What an epoch takes of each language, and which of them share a batch."""

from __future__ import annotations

import logging
import math
from collections import Counter

import datasets
import pytest
from tiny_trainings import TEXTS, coloured_things

from hardneg_plugin.errors import ParameterError, RecordError, TrainingError
from hardneg_plugin.training.assembly import assemble_trainer
from hardneg_plugin.training.batches import NoDuplicatesBatchSampler
from hardneg_plugin.training.columns import TextKeys, find_columns, read_keys
from hardneg_plugin.training.folder import TrainingFolder
from hardneg_plugin.training.languages import LanguageBatches, LanguageShares, language_quotas, share_languages
from hardneg_plugin.training.settings import TrainingSettings, plan_training


def table(**rows: int) -> datasets.Dataset:
    """Rows of distinct texts, so many of each language, one language after the other."""
    languages = [language for language, number in rows.items() for _ in range(number)]
    numbers = range(len(languages))
    return datasets.Dataset.from_dict(
        {
            "anchor": [f"query {number}" for number in numbers],
            "positive": [f"passage {number}" for number in numbers],
            "language": languages,
        }
    )


def keys_of(dataset: datasets.Dataset) -> TextKeys:
    return read_keys(dataset, find_columns(dataset))


def epochs_of(dataset, exponent, together, batch_size, epochs=1, seed=1) -> list[list[list[int]]]:
    shares = share_languages(dataset, exponent, together)
    assert shares is not None
    batches = LanguageBatches(keys_of(dataset), shares, batch_size, seed)
    packed = []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        packed.append(list(batches))
        assert len(packed[-1]) == len(batches) == shares.batches_per_epoch(batch_size)
    return packed


def drawn(epoch: list[list[int]]) -> Counter[int]:
    return Counter(row for batch in epoch for row in batch)


def plan(dataset, **settings):
    return plan_training(dataset, TrainingSettings(**({"base_model": "a/model"} | settings)))


@pytest.mark.parametrize(
    ("counts", "exponent", "quotas"),
    [
        ([90, 10], 0, [50, 50]),
        ([90, 10], 1, [90, 10]),
        ([81, 9], 0.5, [68, 22]),  # 90 x 9 / 12 = 67.5 and 22.5: the first of equal remainders is rounded up
        # 29 x 4, 3 and 2 ninths = 12.9, 9.7 and 6.4.
        ([16, 9, 4], 0.5, [13, 10, 6]),
        ([5, 3, 2], 0, [4, 3, 3]),
        ([1, 10_000], 1, [1, 10_000]),
        ([7], 0.3, [7]),
    ],
)
def test_an_epoch_is_shared_by_a_power_of_the_rows(counts, exponent, quotas):
    assert language_quotas(counts, exponent) == quotas
    assert sum(quotas) == sum(counts)


def test_an_exponent_of_nought_draws_all_languages_alike():
    for epoch in epochs_of(table(ko=90, te=10), 0, "mixed", 10, epochs=3):
        times = drawn(epoch)
        # 50 of 90 rows once each, and each of the other 10 rows five times.
        assert sorted(times[row] for row in range(90)) == [0] * 40 + [1] * 50
        assert [times[row] for row in range(90, 100)] == [5] * 10
        assert [len(batch) for batch in epoch] == [10] * 10


def test_a_row_is_never_twice_in_a_batch():
    # Five batches of 20 rows, in each of which every row of the smaller language has to be.
    dataset = table(ko=90, te=10)
    for seed in range(20):
        for epoch in epochs_of(dataset, 0, "mixed", 20, seed=seed):
            assert [len(set(batch)) for batch in epoch] == [20] * 5


def test_no_row_is_drawn_again_before_the_others_of_its_language_were():
    passes = epochs_of(table(ko=90, te=10), 0, "mixed", 10, epochs=9)
    times = Counter()
    for epoch in passes:
        times += drawn(epoch)
        of_korean = [times[row] for row in range(90)]
        assert max(of_korean) - min(of_korean) <= 1
    # Nine epochs of 50 rows are five passes over 90.
    assert of_korean == [5] * 90


def test_an_exponent_of_one_takes_every_row_once():
    for epoch in epochs_of(table(ko=30, te=7), 1.0, "mixed", 8, epochs=2):
        assert drawn(epoch) == Counter(range(37))


@pytest.mark.parametrize(
    ("rows", "exponent", "batch_size", "sizes"),
    [
        ({"ko": 90, "te": 10}, None, 32, {"ko": [30, 30, 30], "te": [10]}),
        ({"ko": 33, "te": 33}, None, 32, {"ko": [16, 17], "te": [16, 17]}),
        # No more than the ten rows that there are in a batch.
        ({"ko": 90, "te": 10}, 0, 25, {"ko": [25, 25], "te": [10, 10, 10, 10, 10]}),
    ],
)
def test_batches_of_one_language(rows, exponent, batch_size, sizes):
    dataset = table(**rows)
    for epoch in epochs_of(dataset, exponent, "same", batch_size, epochs=3):
        found: dict[str, list[int]] = {}
        for batch in epoch:
            (language,) = {dataset["language"][row] for row in batch}
            found.setdefault(language, []).append(len(batch))
            assert len(set(batch)) == len(batch)
        assert {language: sorted(lengths) for language, lengths in found.items()} == sizes


def test_languages_take_turns():
    (epoch,) = epochs_of(table(ko=100, te=100), None, "same", 5)
    languages = [batch[0] < 100 for batch in epoch]
    assert languages not in (sorted(languages), sorted(languages, reverse=True))


@pytest.mark.parametrize("together", ["mixed", "same"])
def test_rows_of_a_query_and_a_row_drawn_twice_are_kept_apart(together):
    # Every query has two positives, and each of them is a negative of the next query.
    passages = [f"p{row}" for row in range(60)]
    dataset = datasets.Dataset.from_dict(
        {
            "anchor": [f"q{row // 2}" for row in range(60)],
            "positive": passages,
            "negatives": [[passages[(row + 2) % 60]] if row % 3 else [] for row in range(60)],
            "language": ["ar"] * 48 + ["bn"] * 12,
        }
    )
    for epoch in epochs_of(dataset, 0, together, 3, epochs=4):
        assert sum(map(len, epoch)) == 60
        for batch in epoch:
            for one in batch:
                own = {dataset["anchor"][one], dataset["positive"][one]}
                others = batch.copy()
                others.remove(one)
                texts = {dataset["anchor"][row] for row in others} | {dataset["positive"][row] for row in others}
                assert own.isdisjoint(texts.union(*(dataset["negatives"][row] for row in others)))


def test_batches_depend_on_seed_and_epoch_only():
    dataset = table(ko=90, te=10)
    first, again = (epochs_of(dataset, 0.3, "same", 8, epochs=2, seed=5) for _ in range(2))
    assert first == again
    assert first[0] != first[1]
    assert first != epochs_of(dataset, 0.3, "same", 8, epochs=2, seed=6)


def test_a_resumed_epoch_needs_no_earlier_one():
    dataset = table(ko=90, te=10)
    batches = LanguageBatches(keys_of(dataset), share_languages(dataset, 0.3, "mixed"), 8, seed=1)
    batches.set_epoch(3)
    assert list(batches) == epochs_of(dataset, 0.3, "mixed", 8, epochs=4)[3]


def test_a_query_with_more_rows_than_its_language_has_batches_is_told_of_once(caplog):
    dataset = datasets.Dataset.from_dict(
        {"anchor": ["q"] * 4 + list("abcd"), "positive": list("efghijkl"), "language": ["ko"] * 4 + ["te"] * 4}
    )
    with caplog.at_level(logging.WARNING):
        (first, second) = epochs_of(dataset, None, "same", 2, epochs=2)
    assert drawn(first) == drawn(second) == Counter(range(8))
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "2 of 8 rows that an epoch draws share a batch with a row of the same query or passage"
    ]


def test_the_steps_are_those_of_the_batches():
    dataset = table(ko=33, te=33)
    assert plan(dataset, batch_size=32, epochs=2).steps == 2 * math.ceil(66 / 32)
    assert plan(dataset, batch_size=32, epochs=2, language_exponent=0.3).steps == 6
    assert plan(dataset, batch_size=32, epochs=2, batch_languages="same").steps == 8
    accumulated = plan(dataset, batch_size=32, batch_languages="same", arguments={"gradient_accumulation_steps": 3})
    assert accumulated.steps == 2
    assert plan(dataset, batch_languages="same", max_steps=5).steps == 5


def test_languages_are_recorded_only_where_they_matter():
    dataset, other = table(ko=6, te=6), table(ko=5, te=7)
    before = plan(dataset).record
    assert plan(dataset.remove_columns("language")).record == plan(other).record == before
    assert plan(dataset).languages is None
    same = plan(dataset, batch_languages="same").record
    drawn_by_power = plan(dataset, language_exponent=0).record
    assert same.keys() - before.keys() == drawn_by_power.keys() - before.keys() == {"languages"}
    assert (before["batch_languages"], same["batch_languages"]) == ("mixed", "same")
    assert (before["language_exponent"], drawn_by_power["language_exponent"]) == (None, 0)
    assert drawn_by_power["languages"] == same["languages"]
    assert plan(other, batch_languages="same").record["languages"] != same["languages"]


@pytest.mark.parametrize("setting", [{"language_exponent": 1}, {"batch_languages": "same"}])
def test_rows_without_a_language_are_counted(setting):
    dataset = table(ko=3, te=1)
    holes = dataset.remove_columns("language").add_column("language", ["ko", None, " ", "te"])
    with pytest.raises(RecordError, match="2 of 4 rows have none, row 1 first"):
        plan(holes, **setting)
    with pytest.raises(RecordError, match="training table of 4 rows has no column 'language'"):
        plan(dataset.remove_columns("language"), **setting)
    with pytest.raises(RecordError, match="'language' of the training table must hold texts"):
        plan(dataset.remove_columns("language").add_column("language", [1, 2, 3, 4]), **setting)
    assert plan(holes).steps == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"language_exponent": 1.5}, "language_exponent must be None or a number from 0 to 1, got 1.5"),
        ({"language_exponent": float("nan")}, "got nan"),
        ({"language_exponent": True}, "got True"),
        ({"batch_languages": "one"}, "batch_languages must be one of mixed, same, got 'one'"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(ParameterError, match=message):
        plan(table(ko=2), **settings)


def test_a_language_that_would_meet_itself_is_refused():
    with pytest.raises(TrainingError, match=r"an epoch of 4 batches has each row of language 'te' up to 25 times"):
        plan(table(ko=98, te=2), language_exponent=0, batch_size=25)
    assert plan(table(ko=90, te=10), language_exponent=0, batch_size=20).steps == 5


def test_a_row_alone_in_its_batch_needs_a_negative():
    lonely = table(ko=8, te=1)
    with pytest.raises(TrainingError, match=r"language 'te' has batches of one row .* row 8 has no negative"):
        plan(lonely, batch_languages="same", batch_size=4)
    assert plan(lonely.add_column("negative", ["n"] * 9), batch_languages="same", batch_size=4).steps == 3


@pytest.mark.parametrize("settings", [{}, {"language_exponent": 0, "batch_languages": "same"}])
def test_the_trainer_takes_the_announced_steps(tmp_path, settings):
    dataset = coloured_things().add_column("language", ["ko"] * 14 + ["te"] * 4)
    static = {"base_model": "static", "corpus_texts": TEXTS, "static_dims": 8, "vocabulary": 200}
    asked = TrainingSettings(**static, epochs=2, batch_size=6, learning_rate=1e-2, save_steps=0, **settings)
    planned = plan_training(dataset, asked)
    # Nine rows each: two batches of Korean, and three of Telugu with at most four rows.
    assert planned.steps == (10 if settings else 6)
    trainer = assemble_trainer(dataset, asked, planned, TrainingFolder(tmp_path), lambda done, total: None)
    assert type(trainer.get_batch_sampler()) is (LanguageBatches if settings else NoDuplicatesBatchSampler)
    trainer.train()
    assert (trainer.state.global_step, trainer.state.epoch) == (planned.steps, 2.0)


def test_shares_of_two_tables_are_told_apart_by_their_languages():
    assert share_languages(table(ko=2, te=1), None, "mixed") is None
    shares = share_languages(table(te=1, ko=2), None, "same")
    assert isinstance(shares, LanguageShares)
    assert (shares.names, [rows.tolist() for rows in shares.rows], shares.quotas) == (
        ("ko", "te"),
        [[1, 2], [0]],
        (2, 1),
    )
