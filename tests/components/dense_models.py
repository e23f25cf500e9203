"""Small models and embedders for tests of dense mining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from haystack import Document, component, default_to_dict

TEXTS = [
    "longest river of South America",
    "Honey bees dance to tell each other where flowers are",
    "한강은 서울을 지나 서해로 흐른다",
    "القاهرة هي عاصمة مصر",
]


def static_model(seed: int = 0, similarity: str = "cosine", normalise: bool = True) -> Any:
    """A static model of some hundred word pieces and 16 dimensions."""
    from sentence_transformers import SentenceTransformer

    from hardneg_plugin.training.static_model import build_static_model

    model = build_static_model(TEXTS, dims=16, vocabulary=300, seed=seed)
    model = model if normalise else SentenceTransformer(modules=[model[0]])
    model.similarity_fn_name = similarity
    return model


def saved_model(folder: Path, **parameters: Any) -> str:
    """Save a static model; return its folder."""
    static_model(**parameters).save(str(folder), create_model_card=False)
    return str(folder)


def saved_cross_encoder(folder: Path, outputs: int = 1) -> str:
    """Save a random BERT of one layer that scores pairs; one token per letter."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, set_seed

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    words = [*special.values(), *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=outputs,
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@component
class LetterTextEmbedder:
    """Counts the letters a to e."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, weight=self.weight)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        return {"embedding": [float(self.weight * text.lower().count(letter)) for letter in "abcde"]}


@component
class LetterDocumentEmbedder:
    """The same for documents, in another order than they came in."""

    def __init__(self, weight: float = 1.0, skip: str = "") -> None:
        self.weight, self.skip = weight, skip

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, weight=self.weight, skip=self.skip)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        embedder = LetterTextEmbedder(self.weight)
        embedded = [
            replace(one, embedding=embedder.run(one.content or "")["embedding"])
            for one in documents
            if one.content != self.skip
        ]
        return {"documents": embedded[::-1]}
