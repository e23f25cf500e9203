"""Each library's own loader reads the export made for it; skipped where the library is not installed.

None of them is a dependency. A virtual environment beside the project's runs all of these tests: install ``pylate``,
``FlagEmbedding`` and ``tevatron`` into it without their dependencies.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hardneg_plugin.datasets.formats import write_training_rows
from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows

pytestmark = pytest.mark.integration

WORDS = ["the", "red", "blue", "green", "apple", "sky", "grass", "wine", "sea", "tea", "is", "한강", "two", "lines"]
ROWS = [
    TrainingRow(
        number,
        f"the {WORDS[number]} is",
        (f"the {WORDS[number]} two\nlines",),
        (f"한강 {WORDS[number + 1]}\u2028tea", f"the {WORDS[number + 2]}"),
        query_id=f"q{number}",
        positive_ids=(f"p{number}",),
        negative_ids=(f"n{number}", f"m{number}"),
        positive_scores=(2.0 + number,),
        negative_scores=(0.5, 0.25),
    )
    for number in range(1, 9)
]


@pytest.fixture
def export(tmp_path):
    def write(name, ending=".jsonl", **options):
        path = tmp_path / f"export{ending}"
        write_training_rows(TrainingRows.of(ROWS, "test", "rows"), path, name, **options)
        return path

    return write


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    words = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64)


SENTENCE_TRANSFORMERS = [
    ("triplet", "MultipleNegativesRankingLoss", False),
    ("n-tuple", "MultipleNegativesRankingLoss", False),
    ("n-tuple", "DistillKLDivLoss", True),
    ("labeled-pair", "ContrastiveLoss", False),
    ("labeled-pair", "CoSENTLoss", True),
]


@pytest.mark.parametrize(("name", "loss", "scores"), SENTENCE_TRANSFORMERS)
@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ""])
def test_sentence_transformers_trains_a_step(name, loss, scores, ending, export, tokenizer, tmp_path):
    from datasets import load_dataset, load_from_disk
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer import losses
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments

    path = export(name, ending, scores=scores)
    kind = {".jsonl": "json", ".parquet": "parquet"}.get(ending)
    if kind is None:
        rows = load_from_disk(str(path))
    else:
        rows = load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer.backend_tokenizer, embedding_dim=4)], device="cpu")
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=4, report_to="none", use_cpu=True
    )
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=rows, loss=getattr(losses, loss)(model))
    assert trainer.train().training_loss > 0


def test_sentence_transformers_reads_labelled_lists(export, tmp_path):
    from datasets import load_dataset
    from sentence_transformers.cross_encoder.data_collator import CrossEncoderDataCollator

    path = export("labeled-list")
    rows = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    batch = CrossEncoderDataCollator(preprocess_fn=lambda texts, **_: texts)([rows[0], rows[1]])
    assert [labels.tolist() for labels in batch["label"]] == [[1, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("loader", ["map", "transform"])
def test_pylate_distils_from_the_folder(loader, export, tmp_path):
    utils = pytest.importorskip("pylate.utils", reason="PyLate is not installed")
    from datasets import load_dataset

    folder = str(export("pylate", ""))
    cache = str(tmp_path / "cache")
    train, queries, documents = (
        load_dataset(folder, name, split="train", cache_dir=cache) for name in ("train", "queries", "documents")
    )
    processing = utils.KDProcessing(queries=queries, documents=documents, n_ways=3)
    if loader == "map":
        found = list(train.map(processing.map))
    else:
        train.set_transform(processing.transform)
        found = [train[position] for position in range(len(train))]
    assert [row["query"] for row in found] == [row.query for row in ROWS]
    assert [row["documents"] for row in found] == [[*row.positives, *row.negatives] for row in ROWS]
    assert [row["scores"] for row in found] == [[*row.positive_scores, *row.negative_scores] for row in ROWS]


@pytest.mark.parametrize("name", ["pylate-triplet", "triplet", "n-tuple"])
def test_pylate_collates_triplets_and_knows_the_query(name, export, tmp_path):
    utils = pytest.importorskip("pylate.utils", reason="PyLate is not installed")
    import torch
    from datasets import load_dataset

    path = export(name, ".parquet")
    rows = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    asked = []

    def tokenize(texts, *, is_query, **_):
        asked.append((texts, is_query))
        return {"input_ids": torch.zeros(len(texts), 1)}

    utils.ColBERTCollator(tokenize)([rows[0]])
    negatives = [[text] for text in ROWS[0].negatives[: len(rows.column_names) - 2]]
    assert asked[0] == ([ROWS[0].query], True)
    assert asked[1:] == [(texts, False) for texts in [[*ROWS[0].positives], *negatives]]


@pytest.mark.parametrize("distil", [False, True])
def test_flagembedding_reads_its_rows(distil, export, tokenizer, tmp_path):
    module = pytest.importorskip(
        "FlagEmbedding.abc.finetune.embedder.AbsDataset", reason="FlagEmbedding is not installed"
    )
    arguments = SimpleNamespace(
        train_data=[str(export("flagembedding", scores=distil))],
        shuffle_ratio=0.0,
        cache_path=str(tmp_path / "cache"),
        max_example_num_per_dataset=100,
        knowledge_distillation=distil,
        train_group_size=3,
        query_instruction_for_retrieval=None,
        passage_instruction_for_retrieval=None,
    )
    dataset = module.AbsEmbedderTrainDataset(arguments, tokenizer)
    assert len(dataset) == len(ROWS)
    for position, row in enumerate(ROWS):
        query, passages, scores = dataset[position]
        expected = dict(
            zip((*row.positives, *row.negatives), (*row.positive_scores, *row.negative_scores), strict=True)
        )
        assert (query, passages[0]) == (row.query, row.positives[0])
        assert set(passages) == set(expected)
        assert scores == ([expected[passage] for passage in passages] if distil else None)


def test_tevatron_1_tokenizes_its_rows(export, tokenizer, tmp_path):
    module = pytest.importorskip("tevatron.datasets.dataset", reason="Tevatron 0.1 is not installed")
    path = export("tevatron")
    arguments = SimpleNamespace(
        dataset_name=str(path.parent),
        dataset_language=None,
        train_path=str(path),
        dataset_split="train",
        q_max_len=64,
        p_max_len=64,
        dataset_proc_num=1,
        train_n_passages=3,
        passage_field_separator=" ",
    )
    rows = module.HFTrainDataset(tokenizer, arguments, str(tmp_path / "cache")).process()

    def tokens(texts):
        return [tokenizer.encode(text, add_special_tokens=False) for text in texts]

    assert [row["query"] for row in rows] == tokens([row.query for row in ROWS])
    assert [row["positives"] for row in rows] == [tokens(row.positives) for row in ROWS]
    assert [row["negatives"] for row in rows] == [tokens(row.negatives) for row in ROWS]


@pytest.mark.parametrize("name", ["tevatron", "tevatron-ids"])
def test_tevatron_2_groups_its_passages(name, export, tmp_path):
    module = pytest.importorskip("tevatron.retriever.dataset", reason="Tevatron 2 is not installed")
    path = export(name, "" if name == "tevatron-ids" else ".jsonl")
    by_id = path.is_dir()
    arguments = SimpleNamespace(
        dataset_name="parquet" if by_id else "json",
        dataset_config=None,
        dataset_path=str(path / "train.parquet" if by_id else path),
        dataset_split="train",
        dataset_cache_dir=str(tmp_path / "cache"),
        num_proc=1,
        corpus_name="parquet" if by_id else None,
        corpus_config=None,
        corpus_path=str(path / "corpus.parquet"),
        corpus_split="train",
        assets_path=None,
        train_group_size=3,
        query_prefix="",
        passage_prefix="",
        encode_text=True,
        encode_image=False,
        encode_video=False,
        encode_audio=False,
    )
    trainer = SimpleNamespace(state=SimpleNamespace(epoch=0), args=SimpleNamespace(seed=0))
    dataset = module.TrainDataset(arguments, trainer)
    for position, row in enumerate(ROWS):
        (query, *_), documents = dataset[position]
        assert query == row.query
        assert documents[0][0] == row.positives[0]
        assert {document[0] for document in documents[1:]} == set(row.negatives)


@pytest.mark.parametrize("name", ["ms-swift", "ms-swift-reranker"])
def test_ms_swift_loads_its_rows(name, export, monkeypatch, tmp_path):
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
    module = pytest.importorskip("swift.dataset", reason="ms-swift is not installed", exc_type=ImportError)
    rows, _ = module.load_dataset(str(export(name)))
    assert [row["messages"][-1]["content"] for row in rows] == [row.query for row in ROWS]
    for side, wanted in (("positive_messages", "positives"), ("negative_messages", "negatives")):
        found = [[messages[-1]["content"] for messages in row[side]] for row in rows]
        assert found == [[*getattr(row, wanted)] for row in ROWS]
