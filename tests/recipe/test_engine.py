"""What an engine tells a component before it runs it."""

from __future__ import annotations

from hardneg_plugin import MiningExample
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.run.local import compute_part
from hardneg_plugin.run.workspace import StageFolder


class Told(StageComponent):
    """Remembers how many examples it was told to expect."""

    expected: int | None = None

    def expect(self, examples):
        self.expected = examples

    def run(self, examples):
        return {"examples": examples}


def test_a_component_is_told_how_many_examples_all_shards_have(tmp_path):
    """Shards are as large as the recipe says, so the shard at hand tells the size of all."""
    component = Told()
    shard = [MiningExample(f"q{number}", "a query") for number in range(4)]
    compute_part(component, shard, StageFolder(tmp_path), 1, shards=3)
    assert component.expected == 12
    assert StageFolder(tmp_path).part(1).is_file()
