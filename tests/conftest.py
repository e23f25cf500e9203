"""Fixtures shared by all tests: a cache of their own, the shared data, and a hand-written BEIR folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from hardneg_plugin.records import Corpus

# Before anything imports Haystack or the Hub: tests send nothing and fetch nothing.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

# pytest --hypothesis-profile=long
settings.register_profile("long", deadline=None)

MakeBeir = Callable[..., Path]
MakeCorpus = Callable[..., "Corpus"]

# p2 and p9 are the same text under two ids; so are k1 and k4, but for a final full stop.
TINY_PASSAGES: list[dict[str, Any]] = [
    {"_id": "p1", "text": "The Amazon is the longest river of South America.", "metadata": {"language": "en"}},
    {"_id": "p2", "text": "Honey bees dance to tell each other where flowers are.", "metadata": {"language": "en"}},
    {"_id": "p3", "text": "A river carries sand and mud to the sea.", "metadata": {"language": "en"}},
    {"_id": "p4", "title": "Bees", "text": "A hive holds one queen.", "metadata": {"language": "en"}},
    {"_id": "p5", "text": "The Nile flows north through eleven countries.", "metadata": {"language": "en"}},
    {"_id": "k1", "text": "한강은 서울을 지나 서해로 흐른다.", "metadata": {"language": "ko"}},
    {"_id": "k2", "text": "부산은 대한민국에서 두 번째로 큰 도시이다.", "metadata": {"language": "ko"}},
    {"_id": "k3", "text": "꿀벌은 춤으로 꽃의 위치를 알린다.", "metadata": {"language": "ko"}},
    {"_id": "p9", "text": "Honey bees dance to tell each other where flowers are.", "metadata": {"language": "en"}},
    {"_id": "k4", "text": "한강은 서울을 지나 서해로 흐른다", "metadata": {"language": "ko"}},
    {"_id": "a1", "text": "يجري نهر النيل من الجنوب إلى الشمال.", "metadata": {"language": "ar"}},
    {"_id": "a2", "text": "القاهرة هي عاصمة مصر وأكبر مدنها.", "metadata": {"language": "ar"}},
]
TINY_QUERIES: list[dict[str, Any]] = [
    {"_id": "q1", "text": "longest river of South America", "metadata": {"language": "en", "answers": ["Amazon"]}},
    {"_id": "q2", "text": "how do bees tell where flowers are", "metadata": {"language": "en"}},
    {"_id": "q3", "text": "한강은 어디로 흐르나", "metadata": {"language": "ko", "answers": ["서해", "서해"]}},
    {"_id": "q4", "text": "ما هي عاصمة مصر", "metadata": {"language": "ar"}},
    {"_id": "q5", "text": "which way does the Nile flow", "metadata": {"language": "en"}},
]
TINY_QRELS = {
    "train": [("q1", "p1", 1), ("q2", "p2", 1), ("q3", "k1", 1)],
    "test": [("q4", "a2", 2), ("q5", "p5", 2), ("q5", "a1", 1), ("q5", "p3", 0)],
}


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that belongs to one test; created when something is first written to it."""
    folder = tmp_path / "hardneg-cache"
    monkeypatch.setenv("HARDNEG_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data and models."""
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("HARDNEG_SHARED", default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set HARDNEG_SHARED to its folder")
    return folder


def write_beir(
    folder: Path,
    passages: Iterable[Mapping[str, Any]],
    queries: Iterable[Mapping[str, Any]],
    qrels: Mapping[str, Iterable[tuple[str, str, object]]],
) -> Path:
    """Write a folder in BEIR layout."""
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", passages), ("queries", queries)):
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")
    for split, judgements in qrels.items():
        lines = [f"{query}\t{passage}\t{grade}\n" for query, passage, grade in judgements]
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8")
    return folder


@pytest.fixture
def make_beir(tmp_path: Path) -> MakeBeir:
    """Write a BEIR folder: ``make_beir(passages=…, queries=…, qrels=…, name=…)``; the tiny one's where left out."""

    def make(
        passages: Iterable[Mapping[str, Any]] = TINY_PASSAGES,
        queries: Iterable[Mapping[str, Any]] = TINY_QUERIES,
        qrels: Mapping[str, Iterable[tuple[str, str, object]]] = TINY_QRELS,
        name: str = "beir",
    ) -> Path:
        return write_beir(tmp_path / name, passages, queries, qrels)

    return make


@pytest.fixture
def make_corpus() -> MakeCorpus:
    """Put a corpus of some texts into the cache: ``make_corpus(["text", …], ids=…)``; ids are ``d0``, ``d1``, …"""

    def make(texts: Sequence[str], ids: Sequence[str] | None = None, language: str = "en") -> Corpus:
        from hardneg_plugin.cache import staging_folder
        from hardneg_plugin.records.corpus_writer import CorpusWriter, publish_corpus

        with staging_folder("corpus") as folder:
            with CorpusWriter(folder) as writer:
                for number, text in enumerate(texts):
                    writer.add(ids[number] if ids else f"d{number}", text, "", language)
            return publish_corpus(folder, writer.key)

    return make


@pytest.fixture
def tiny_beir(make_beir: MakeBeir) -> Path:
    """Twelve passages in English, Korean and Arabic, five queries, splits ``train`` and ``test``."""
    return make_beir(name="tiny")


@pytest.fixture
def toy_judge(tmp_path):
    """Return the folder of a random cross-encoder of one layer that reads letters."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, set_seed

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    words = {word: number for number, word in enumerate([*special.values(), *"abcdefghijklmnopqrstuvwxyz0123456789"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    folder = tmp_path / "judge"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)
    set_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=64, num_labels=1, initializer_range=1.0, **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def toy_model():
    """Return a function: vectors by text, and a similarity → a SentenceTransformer."""

    def build(vectors, similarity="cosine"):
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        vocabulary = {"[UNK]": 0, **{text: number for number, text in enumerate(vectors, start=1)}}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Sequence([])
        tokenizer.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
        size = len(next(iter(vectors.values())))
        weights = torch.tensor([[0.0] * size, *vectors.values()], dtype=torch.float32)
        modules = [StaticEmbedding(tokenizer, embedding_weights=weights)]
        return SentenceTransformer(modules=modules, similarity_fn_name=similarity, device="cpu")

    return build
