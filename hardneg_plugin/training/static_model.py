"""A static embedding model from scratch: no download, any script, minutes on one processor core.

A text's vector is the mean of its word pieces' vectors (a bag of pieces), as in fastText and model2vec. The pieces
are learnt from the corpus, and their first vectors are random directions as long as the piece's inverse document
frequency. The mean of such vectors is a random projection of the text's tf-idf vector, whose cosines it keeps
(Johnson and Lindenstrauss; Kanerva's random indexing), so that even the untrained model matches words, and training
starts from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hardneg_plugin.cache import build_entry, fingerprint
from hardneg_plugin.errors import ParameterError, TrainingError
from hardneg_plugin.search.load_failure import load_failure

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

STATIC_DIMS = 512
VOCABULARY = 16_000
_UNKNOWN = "[UNK]"
_TEXTS_PER_BATCH = 1024
_TOKENIZER, _LENGTHS = "tokenizer.json", "lengths.npy"
# Raise it with every change of how pieces are learnt: what lies in the cache was learnt by these rules.
_RULES = 1


def build_static_model(
    texts: Iterable[str],
    *,
    dims: int = STATIC_DIMS,
    vocabulary: int | str = VOCABULARY,
    max_length: int | None = None,
    seed: int = 42,
) -> SentenceTransformer:
    """Build an untrained static embedding model whose word pieces are learnt from texts.

    :param texts: Texts of the corpus; iterated twice, so no generator. With an attribute ``key`` that stands for their
        content, what is learnt from them is kept in the cache.
    :param dims: Dimensions of the embeddings.
    :param vocabulary: Number of word pieces to learn (every character is one, whatever their number), or the folder or
        hub id of a tokenizer whose pieces are taken: for languages that the corpus does not hold.
    :param max_length: Number of word pieces after which a text is cut; ``None`` reads all of it.
    :param seed: Seed of the first vectors.
    :returns: A model of one ``StaticEmbedding`` and a ``Normalize`` module, on the CPU or the GPU as
        sentence-transformers chooses.
    :raises ParameterError: If a number is too small, or ``texts`` is a generator or holds no word.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    if dims < 1 or (isinstance(vocabulary, int) and vocabulary < 2):
        msg = f"static_dims must be at least 1 and vocabulary at least 2, got {dims} and {vocabulary}"
        raise ParameterError(msg)
    check_repeatable(texts)
    tokenizer, lengths = _learnt(texts, vocabulary)
    vectors = np.random.default_rng(seed).standard_normal((len(lengths), dims), dtype=np.float32)
    weights = torch.from_numpy(vectors * lengths[:, None])
    if max_length is not None:
        tokenizer.enable_truncation(max_length)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights), Normalize()])


def _learnt(texts: Iterable[str], vocabulary: int | str) -> tuple[Tokenizer, npt.NDArray[np.float32]]:
    """Return the tokenizer and the length of each piece's vector; kept in the cache where the texts have a ``key``."""
    from tokenizers import Tokenizer

    key = getattr(texts, "key", None)
    given = load_tokenizer(vocabulary) if isinstance(vocabulary, str) else None
    if key is None:
        tokenizer = given or learn_tokenizer(texts, int(vocabulary))
        return tokenizer, inverse_document_frequencies(tokenizer, texts)

    def learn(folder: Path) -> None:
        tokenizer = given or learn_tokenizer(texts, int(vocabulary))
        np.save(folder / _LENGTHS, inverse_document_frequencies(tokenizer, texts))
        tokenizer.save(str(folder / _TOKENIZER))

    pieces = vocabulary if given is None else given.to_str()
    folder = build_entry("tokenizers", fingerprint([_RULES, key, pieces]), learn)
    return Tokenizer.from_file(str(folder / _TOKENIZER)), np.load(folder / _LENGTHS)


def load_tokenizer(name: str) -> Tokenizer:
    """Load the word pieces of a tokenizer; no code from its repository is ever run.

    :param name: Folder or hub id of a tokenizer with a ``tokenizer.json``.
    :raises TrainingError: If there is none.
    """
    from transformers import AutoTokenizer

    folder = Path(name).expanduser()
    try:
        loaded = AutoTokenizer.from_pretrained(
            str(folder) if folder.is_dir() else name, local_files_only=folder.is_dir()
        )
        tokenizer: Tokenizer = loaded.backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        reason = load_failure(error)
        msg = f"vocabulary: no tokenizer can be loaded from {name!r}: {reason}"
        raise TrainingError(msg) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def check_repeatable(texts: Iterable[str]) -> None:
    """Check that texts can be read more than once.

    :raises ParameterError: If they are an iterator, or one text instead of many.
    """
    if isinstance(texts, str | Iterator):
        msg = f"corpus_texts is read more than once: give a list or a dataset column, not {type(texts).__name__}"
        raise ParameterError(msg)


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn word pieces with byte-pair encoding (Sennrich et al. 2016), the same for the same texts in the same order.

    Texts are NFKC-normalised and lower-cased, their marks kept (they are vowels in many scripts), and split into runs
    of word characters and runs of punctuation. The first piece of a word carries a mark (``▁``), so that it is another
    one than the same letters further on. Han characters are pieces one by one: a clause without spaces would become one
    piece, which no question shares. In other scripts without spaces the merges find the frequent strings.

    :param texts: Texts to learn from.
    :param vocabulary: Number of pieces; every character is one, whatever their number.
    :raises ParameterError: If the texts hold no word.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    # Neither a prefix for inner pieces nor a limit for the alphabet: the trainer numbers such pieces, and drops such
    # characters, in the order of a hash table, another one in every process.
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    one_by_one = pre_tokenizers.Split(Regex(r"\p{Han}"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Metaspace(), one_by_one]
    )
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=[_UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() < 2:
        msg = "corpus_texts: no text holds a word to learn pieces from"
        raise ParameterError(msg)
    return tokenizer


def inverse_document_frequencies(tokenizer: Tokenizer, texts: Iterable[str]) -> npt.NDArray[np.float32]:
    """Return ``ln(1 + N / n)`` of each piece, with N texts of which n hold it (a piece in none counts as in one).

    :param tokenizer: Tokenizer with a vocabulary of V pieces.
    :param texts: The N texts.
    :returns: Shape ``(V,)``.
    """
    holding = np.zeros(tokenizer.get_vocab_size(), np.int64)
    count = 0
    for chunk in _chunks(texts):
        count += len(chunk)
        for encoding in tokenizer.encode_batch(chunk, add_special_tokens=False):
            holding[np.unique(np.asarray(encoding.ids, np.int64))] += 1
    return np.log1p(count / np.maximum(holding, 1)).astype(np.float32)


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(texts)
    while chunk := list(islice(remaining, _TEXTS_PER_BATCH)):
        yield chunk
