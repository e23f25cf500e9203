"""What training costs beside the trainer of sentence-transformers alone: steps per second, and the scores at the end.

Usage: ``HARDNEG_SHARED=… python benchmarks/speed/training.py [static] [transformer]``. Both train on the same table
(MS MARCO queries, their passages, one BM25 negative each) with the same batch size, learning rate, warm-up and number
of steps, in turn, in one process; figures are medians of the rounds, each of which has its own seed. ``static`` is a
pretrained static model for three epochs, measured from the second on (the first splits the texts); ``transformer`` has
MiniLM's shape (6 layers, 384 dimensions) and random weights: what is measured is time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import datasets
from limits import GIGA, bandwidth, product_rates
from pages import write_section

if TYPE_CHECKING:
    from hardneg_plugin.evaluation import SeedScores

HEAD = """# Training beside the trainer of sentence-transformers

`python benchmarks/speed/training.py`: steps per second, medians; the median of the ratios within a round and their
range. The limit (and our share of it): a static model's if the optimiser's numbers were moved at the rate of reading
from memory, a transformer's if its products (as torch counts them) went at the best rate of float32, and nothing else
were done. Final scores of the static model on `test`: means over the rounds, each with a seed of its own, and their
range; ours less the trainer's with its 95 % interval, and the p-value of a paired randomisation test over the queries
(each the mean of its rounds). A section without a column is older than it.
"""
WARMUP = 0.1
Times = list[float]


def training_table(shared: Path) -> datasets.Dataset:
    """Return rows of anchor, positive and one BM25 negative, from the training split."""
    from hardneg_plugin import BM25NegativeMiner, KnownPositiveFilter, NegativeSampler, TripletBuilder
    from hardneg_plugin.datasets import ExampleShards, load_dataset

    spec = f"beir:{shared / 'data' / 'msmarco'}"
    examples = [one for shard in ExampleShards(load_dataset(spec), "train") for one in shard]
    for stage in (BM25NegativeMiner(corpus=spec, top_k=30), KnownPositiveFilter(), NegativeSampler(num_negatives=1)):
        examples = stage.run(examples=examples)["examples"]
    table = TripletBuilder(shape="triplet").run(examples=examples)["triplets"]
    return table.filter(lambda row: row["negative"] is not None)


def ours(table: datasets.Dataset, base: Path, out: Path, size: dict[str, Any], seed: int) -> Times:
    """Train with hardneg; return when each step ended."""
    from hardneg_plugin.training import train

    ends: Times = []
    train(
        table, base_model=str(base), output_dir=out, save_steps=0, warmup=WARMUP, seed=seed,
        progress=lambda done, total: ends.append(time.perf_counter()), **size,
    )  # fmt: skip
    return ends


def theirs(table: datasets.Dataset, base: Path, out: Path, size: dict[str, Any], seed: int) -> Times:
    """Train with the trainer of sentence-transformers alone; return when each step ended."""
    import sentence_transformers as st
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import PrinterCallback, TrainerCallback

    from hardneg_plugin.training import planned_steps

    ends: Times = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    model = st.SentenceTransformer(str(base))
    if "max_length" in size:
        model.max_seq_length = size["max_length"]
    steps = planned_steps(len(table), size["batch_size"], size.get("epochs", 1), max_steps=size.get("max_steps"))
    arguments = st.SentenceTransformerTrainingArguments(
        output_dir=str(out), max_steps=steps, per_device_train_batch_size=size["batch_size"],
        learning_rate=size["learning_rate"], warmup_steps=round(steps * WARMUP), save_strategy="no", report_to="none",
        disable_tqdm=True, seed=seed, batch_sampler="no_duplicates", dataloader_pin_memory=False,
        logging_steps=max(1, steps // 50),
    )  # fmt: skip
    trainer = st.SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=table, loss=MultipleNegativesRankingLoss(model), callbacks=[Clock()]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.save_pretrained(str(out / "model"), create_model_card=False)
    return ends


def scores_over(models: Mapping[int, Path], shared: Path) -> SeedScores:
    """Return what models score on the test split, one for each seed."""
    from hardneg_plugin.datasets import load_dataset
    from hardneg_plugin.evaluation import aggregate_seeds, evaluate_retriever, model_retriever

    data = load_dataset(f"beir:{shared / 'data' / 'msmarco'}")
    queries, qrels = data.queries("test"), data.qrels("test")
    return aggregate_seeds(
        {
            seed: evaluate_retriever(model_retriever(model, data.corpus), queries, qrels, data.corpus.ids).scores
            for seed, model in models.items()
        }
    )


def score_lines(folder: Path, rounds: int, shared: Path) -> list[str]:
    """Return the table of final scores of both trainings."""
    from hardneg_plugin.evaluation.significance import compare as compare_systems

    found = {
        who: scores_over({number: folder / f"{who}-{number}" / "model" for number in range(rounds)}, shared)
        for who in ("theirs", "ours")
    }
    differences = compare_systems({who: seeds.per_query for who, seeds in found.items()}, "theirs")
    lines = ["", "| metric | trainer alone | ours | difference | p |", "|---|---|---|---|---|"]
    for one in differences:
        means = [
            f"{spread.mean:.4f} ({spread.minimum:.4f}–{spread.maximum:.4f})"
            for spread in (found[who].spread[one.metric] for who in ("theirs", "ours"))
        ]
        difference = f"{one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f})"
        lines.append(f"| {one.metric} | {' | '.join(means)} | {difference} | {one.p:.2f} |")
    return lines


def mini_bert(shared: Path, folder: Path) -> Path:
    """Write a transformer of MiniLM's shape with random weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel, set_seed

    set_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(str(shared / "models" / "mbert-tokenizer"))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    word = Transformer(str(folder / "bert"), max_seq_length=128)
    SentenceTransformer(modules=[word, Pooling(384)]).save_pretrained(str(folder / "mini"))
    return folder / "mini"


def compare(
    table: datasets.Dataset, base: Path, folder: Path, size: dict[str, Any], *, rounds: int, skip: int
) -> dict[str, list[float]]:
    """Return the steps per second of each round, ours and theirs in turn, steps up to ``skip`` left out."""
    speeds: dict[str, list[float]] = {"ours": [], "theirs": []}
    trainings: dict[str, Callable[..., Times]] = {"ours": ours, "theirs": theirs}
    for number in range(rounds):
        for name in sorted(trainings, reverse=bool(number % 2)):
            ends = trainings[name](table, base, folder / f"{name}-{number}", size, number)
            speeds[name].append((len(ends) - skip) / (ends[-1] - ends[skip - 1]))
            print(f"round {number + 1}: {name} {speeds[name][-1]:.3f} steps/s", flush=True)
    return speeds


def most_static_steps(base: Path) -> float:
    """Return the steps per second of a static model if the optimiser's numbers were moved, and nothing else done.

    AdamW reads each weight, its gradient and both moments, and writes all but the gradient.
    """
    import sentence_transformers as st

    weights = sum(parameter.numel() for parameter in st.SentenceTransformer(str(base)).parameters())
    return bandwidth() / (7 * 4 * weights)


def most_transformer_steps(table: datasets.Dataset, base: Path, folder: Path, size: dict[str, Any]) -> float:
    """Return the steps per second of a transformer if its products went at the best rate, and nothing else were done.

    torch counts the operations of the trainer's steps, forward and backward.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        steps = len(theirs(table, base, folder / "counted", size, 0))
    return product_rates(384)["float32"] * GIGA * steps / counter.get_total_flops()


def lines(name: str, speeds: dict[str, list[float]], limit: float) -> list[str]:
    """Return a row of the table."""
    own, alone = median(speeds["ours"]), median(speeds["theirs"])
    ratios = [mine / other for mine, other in zip(speeds["ours"], speeds["theirs"], strict=True)]
    cells = f"{alone:.2f} | {own:.2f} | {median(ratios):.2f} | {min(ratios):.2f}–{max(ratios):.2f}"
    return [f"| {name} | {cells} | {limit:.2f} ({own / limit:.0%}) |"]


def main() -> None:
    """Measure; write this machine's section of ``results/speed_training.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=["static", "transformer"], help="static, transformer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shared", type=Path, default=os.environ.get("HARDNEG_SHARED"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results" / "speed_training.md")
    options = parser.parse_args()
    if options.shared is None:
        parser.error("give --shared or HARDNEG_SHARED: the folder with data/msmarco and models/")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    table = training_table(options.shared)
    text = [
        "| model | trainer alone | ours | ours / alone | range | limit |",
        "|---|---|---|---|---|---|",
    ]
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "static" in options.kinds:
            size = {"batch_size": 256, "epochs": 3, "learning_rate": 1e-3}
            base = options.shared / "models" / "potion-base-4m"
            skip = -(-len(table) // size["batch_size"])
            text += lines(
                "static, from the second epoch",
                compare(table, base, folder / "static", size, rounds=options.rounds, skip=skip),
                most_static_steps(base),
            )
            notes += score_lines(folder / "static", options.rounds, options.shared)
        if "transformer" in options.kinds:
            size = {"batch_size": 16, "max_steps": 10, "learning_rate": 2e-5, "max_length": 128}
            base = mini_bert(options.shared, folder)
            text += lines(
                "transformer of MiniLM's shape",
                compare(table, base, folder / "transformer", size, rounds=options.rounds, skip=2),
                most_transformer_steps(table, base, folder, size),
            )
    measured = "\n".join([*text, *notes])
    print(measured)
    write_section(options.out, HEAD, measured)


if __name__ == "__main__":
    main()
