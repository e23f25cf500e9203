"""All errors that hardneg raises on purpose.

A message names what was wrong, where (file, line, key or row), what was expected and what came::

    HardnegError
    ├── ParameterError    a parameter of a component or function (also a ValueError)
    │   └── ModelError    a model that does not exist or cannot be loaded
    ├── RecipeError       a recipe, an override, or a stage's parameters in it
    ├── DatasetError      input data: missing file, broken line, unknown id
    ├── RecordError       examples, candidates or columns that do not fit together
    ├── CacheError        a damaged or missing entry of the cache
    ├── WorkspaceError    a run folder that holds something else
    ├── StorageError      a file or folder that cannot be written (also an OSError)
    ├── TrainingError     a schedule or a model that cannot be trained as asked
    ├── EvaluationError   metrics, runs and judgements that do not fit together
    ├── RetrievalError    a retriever or a document store that cannot be asked, or answers with nothing
    └── LLMError          a language model that cannot be asked as wanted
        └── BudgetError   what a run may spend on a language model is spent

The command line prints any of them as one line and exits with 1; everything else is a bug and shows its traceback.
"""

from __future__ import annotations


class HardnegError(Exception):
    """Base of all errors raised on purpose."""


class ParameterError(HardnegError, ValueError):
    """A parameter has a value that cannot work."""


class ModelError(ParameterError):
    """A model does not exist or cannot be loaded."""


class RecipeError(HardnegError):
    """A recipe cannot be run as written."""


class DatasetError(HardnegError):
    """Input data is missing or broken."""


class RecordError(HardnegError):
    """Examples, candidates or columns do not fit together."""


class CacheError(HardnegError):
    """A cache entry is missing or damaged."""


class WorkspaceError(HardnegError):
    """A run folder holds something else than what was asked for."""


class StorageError(HardnegError, OSError):
    """A file or folder cannot be written: no space, no permission, no such place, or something else is there."""


class TrainingError(HardnegError):
    """A model cannot be trained as asked."""


class EvaluationError(HardnegError):
    """Metrics, runs and judgements do not fit together."""


class RetrievalError(HardnegError):
    """A retriever or a document store cannot be asked, or answers with nothing."""


class LLMError(HardnegError):
    """A language model cannot be asked as wanted: not running, not pulled, not allowed, or not answering."""


class BudgetError(LLMError):
    """The budget of a run for a language model is used up; answers so far are kept."""
