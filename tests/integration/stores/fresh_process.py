"""Loads the pipelines of a folder in a process that has seen none of their objects; says what each finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from haystack import Pipeline
from known_stores import STORES, Place
from passages import documents, examples


def answer(yaml: Path) -> list[str]:
    """What a pipeline's miner finds for each example, or the one message of its error."""
    pipeline = Pipeline.loads(yaml.read_text("utf-8"))
    try:
        after = pipeline.run({"miner": {"examples": examples()}})["miner"]["examples"]
    except Exception as error:
        return [str(error.__cause__ or error)]
    finally:
        pipeline.close()
    return [" ".join(one.id for one in example.candidates) for example in after]


def main(folder: Path) -> None:
    """Answer for ``NAME/pipeline.yaml`` of each store."""
    said = {}
    for yaml in sorted(folder.glob("*/pipeline.yaml")):
        known = STORES[yaml.parent.name]
        if known.one_process:
            # The files belong to the process that wrote them.
            known.open(Place(yaml.parent), next(iter(known.metrics))).write_documents(documents())
        said[yaml.parent.name] = answer(yaml)
    (folder / "said.json").write_text(json.dumps(said), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
