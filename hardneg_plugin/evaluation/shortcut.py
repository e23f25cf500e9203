"""Test whether a classifier can recognise generated passages by style alone, without the query.

A bi-encoder that is trained with negatives of one style learns to push that style away, which says nothing about
relevance. If a classifier that sees no query and no order of words tells them from the passages of the corpus, so can
the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.text import Analyzer
from hardneg_plugin.text.normalise import fold_characters
from hardneg_plugin.text.scripts import WORDS

THRESHOLD = 0.8
FEWEST_TEXTS = 50
MOST_TEXTS = 5_000
_TELLING = 10
_RESAMPLES = 1_000
_FEWEST_TEXTS_OF_A_TERM = 5
_LEVELS = (2.5, 97.5)

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Shortcut:
    """Result of the test: accuracy of telling generated passages and corpus passages apart.

    :param auc: Probability that the classifier takes a generated passage rather than one of the corpus for generated:
        0.5 is chance, 1 means that the style gives every one away.
    :param interval: 95 % bootstrap interval of ``auc`` over groups.
    :param texts: Passages of each kind that were compared.
    :param most_telling: Words that speak most for a generated passage, the most telling first.
    """

    auc: float
    interval: tuple[float, float]
    texts: int
    most_telling: tuple[str, ...]

    def warning(self, threshold: float = THRESHOLD) -> str:
        """Return what to be told when training with such negatives; empty where ``auc`` is at most the threshold."""
        if self.auc <= threshold:
            return ""
        words = ", ".join(self.most_telling)
        return (
            f"a bag of words tells generated passages from the corpus's with AUC {self.auc:.2f} "
            f"(chance: 0.50, threshold: {threshold:.2f}): a model trained with them may learn their style rather than "
            f"relevance; cap them per query (quotas of the NegativeSampler). Most telling words: {words}"
        )


def shortcut_auc(
    generated: Sequence[str],
    corpus: Sequence[str],
    *,
    generated_groups: Sequence[str] | None = None,
    corpus_groups: Sequence[str] | None = None,
    seed: int = 0,
    folds: int = 5,
) -> Shortcut:
    """Measure how well a bag of words tells generated passages from passages of the corpus.

    Logistic regression over the terms of the :class:`Analyzer` (binary, weighted by rarity, of unit length, so that
    the length of a passage tells little) on as many texts of each kind, at most 5,000; scored out of fold. The result
    does not depend on the order of the texts.

    :param generated: Generated passages, at least 50.
    :param corpus: Passages of the corpus, at least 50; positives and mined negatives of the same queries are best, as
        then the topic tells nothing.
    :param generated_groups: For each generated passage what it belongs to, mostly its query's id; one group is never
        trained on and scored at once. None makes each text its own group.
    :param corpus_groups: The same for the passages of the corpus.
    :param seed: Seed of the sample, the folds and the interval.
    :param folds: Number of folds, from 2.
    :raises EvaluationError: If there are too few texts or groups, or the groups are not as many as the texts.
    """
    texts, groups, labels = _sample(generated, corpus, generated_groups, corpus_groups, seed)
    if folds < 2:
        msg = f"folds must be at least 2, got {folds}"
        raise EvaluationError(msg)
    fold = np.array([_digest(f"{seed}:fold:{group}") % folds for group in groups], dtype=np.int64)
    _check_folds(fold, labels, folds)
    scores = np.zeros(len(texts))
    for number in range(folds):
        held_out = fold == number
        model = _fit([texts[row] for row in np.flatnonzero(~held_out)], labels[~held_out])
        scores[held_out] = model.scores([texts[row] for row in np.flatnonzero(held_out)])
    return Shortcut(
        auc=auc(scores, labels),
        interval=_interval(scores, labels, groups, seed),
        texts=int(labels.sum()),
        most_telling=_fit(texts, labels).most_telling(texts),
    )


def _sample(
    generated: Sequence[str],
    corpus: Sequence[str],
    generated_groups: Sequence[str] | None,
    corpus_groups: Sequence[str] | None,
    seed: int,
) -> tuple[list[str], list[str], Bools]:
    """Return as many texts of each kind, their groups, and whether each is generated; in order of a hash."""
    kinds = (("generated", generated, generated_groups), ("corpus", corpus, corpus_groups))
    pairs = {}
    for kind, texts, groups in kinds:
        if groups is not None and len(groups) != len(texts):
            msg = f"{kind}_groups: expected one for each of the {len(texts)} texts, came {len(groups)}"
            raise EvaluationError(msg)
        pairs[kind] = sorted(zip(texts, texts if groups is None else groups, strict=True), key=_by_hash(seed))
    size = min(MOST_TEXTS, *map(len, pairs.values()))
    if size < FEWEST_TEXTS:
        msg = f"the shortcut check needs {FEWEST_TEXTS} texts of each kind, came {len(generated)} and {len(corpus)}"
        raise EvaluationError(msg)
    chosen = [*pairs["generated"][:size], *pairs["corpus"][:size]]
    return [text for text, _ in chosen], [group for _, group in chosen], np.arange(2 * size) < size


def _by_hash(seed: int) -> Callable[[tuple[str, str]], tuple[int, tuple[str, str]]]:
    return lambda pair: (_digest(f"{seed}:{pair[1]}:{pair[0]}"), pair)


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def _check_folds(fold: NDArray[np.int64], labels: Bools, folds: int) -> None:
    for number in range(folds):
        if len(set(labels[fold == number].tolist())) < 2:
            msg = f"fold {number + 1} of {folds} lacks texts of a kind: too few groups; give fewer folds or more texts"
            raise EvaluationError(msg)


@dataclass(frozen=True)
class _Model:
    vectorizer: Any
    classifier: Any

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        features = self.vectorizer.transform(texts)
        return np.asarray(self.classifier.decision_function(features), dtype=np.float64)

    def most_telling(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Return the words, as the texts have them most often, whose terms speak most for a generated passage."""
        weights = self.classifier.coef_[0]
        terms = self.vectorizer.get_feature_names_out()
        words = Counter(word for text in texts for word in WORDS.findall(fold_characters(text)))
        best = sorted(range(len(terms)), key=lambda column: (-weights[column], terms[column]))
        # Both prefixes of a word are terms: the first few times ten columns hold ten words.
        named = dict.fromkeys(_word_of(terms[column], words) for column in best[: 5 * _TELLING] if weights[column] > 0)
        return tuple(named)[:_TELLING]


def _fit(texts: Sequence[str], labels: Bools) -> _Model:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    analyzer = Analyzer()
    vectorizer = TfidfVectorizer(
        analyzer=lambda text: analyzer.tokenize([text])[0], binary=True, min_df=_FEWEST_TEXTS_OF_A_TERM
    )
    features = vectorizer.fit_transform(texts)
    classifier = LogisticRegression(C=10.0, solver="liblinear", random_state=0)
    return _Model(vectorizer, classifier.fit(features, labels))


def _word_of(term: str, words: Counter[str]) -> str:
    """Return the most frequent word that begins with a term; the term itself where none does."""
    own = [(-count, word) for word, count in words.items() if word.startswith(term)]
    return min(own)[1] if own else term


def auc(scores: NDArray[np.float64], labels: Bools, weights: NDArray[np.float64] | None = None) -> float:
    """Return the probability that one that is labelled scores above one that is not, ties counting half.

    :param scores: Shape ``(n,)``.
    :param labels: Which are labelled, shape ``(n,)``; some of each.
    :param weights: Weight of each; None weighs all alike.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    values, position = np.unique(scores, return_inverse=True)
    above = np.bincount(position[labels], weights[labels], minlength=len(values))
    below = np.bincount(position[~labels], weights[~labels], minlength=len(values))
    right = float(above @ (np.cumsum(below) - below / 2))
    return right / float(above.sum() * below.sum())


def _interval(scores: NDArray[np.float64], labels: Bools, groups: Sequence[str], seed: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of the AUC when groups are drawn again with replacement."""
    _, group = np.unique(np.array(groups), return_inverse=True)
    draw = np.random.default_rng(seed)
    size = int(group.max()) + 1
    aucs = []
    for _ in range(_RESAMPLES):
        weights = np.bincount(draw.integers(size, size=size), minlength=size).astype(np.float64)[group]
        if weights[labels].any() and weights[~labels].any():
            aucs.append(auc(scores, labels, weights))
    low, high = np.percentile(aucs, _LEVELS)
    return float(low), float(high)
