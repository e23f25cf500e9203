"""Training of retrieval models with sentence-transformers; importing this loads neither torch nor transformers."""

from hardneg_plugin.training.base_model import load_base_model
from hardneg_plugin.training.result import LossPoint, TrainingResult
from hardneg_plugin.training.schedule import planned_steps
from hardneg_plugin.training.train import train

__all__ = ["LossPoint", "TrainingResult", "load_base_model", "planned_steps", "train"]
