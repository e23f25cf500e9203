"""Prompts: YAML files of a system and a user template, a JSON schema of the answer, and a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.llm.fence import escape_untrusted_text
from hardneg_plugin.llm.request import LLMReply, LLMRequest, Message
from hardneg_plugin.llm.schema import bounded

_FOLDER = Path(__file__).parent / "prompts"
_KEYS = ("version", "system", "user", "schema")
# A prompt is not HTML: escaping would only cost tokens. Texts that are filled in pass `escape_untrusted_text`.
_JINJA = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)


class PromptPassage(NamedTuple):
    """A passage as a prompt numbers it.

    :param id: Number from 1.
    :param text: Its text, which becomes data when it is filled in.
    """

    id: int
    text: str


class Prompt:
    """A prompt.

    :param name: Name or path it was loaded by.
    :param system: Template of the system message: what all requests share.
    :param user: Template of the user message.
    :param schema: JSON schema of the answer; None asks for plain text.
    :param version: Version of the file.
    :raises ParameterError: If a template cannot be read.
    """

    def __init__(self, name: str, system: str, user: str, schema: Mapping[str, Any] | None, version: int) -> None:
        self.name, self.system, self.user, self.schema, self.version = name, system, user, schema, version
        try:
            self._templates = [_JINJA.from_string(text) for text in (system, user)]
            self.variables = frozenset().union(*(_variables(text) for text in (system, user)))
        except TemplateError as error:
            msg = f"prompt {name}: not a Jinja template: {error}"
            raise ParameterError(msg) from error

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that depend on the whole prompt."""
        return fingerprint([self.system, self.user, self.schema, self.version])

    def check_variables(self, known: set[str], needed: set[str]) -> None:
        """Check that the templates use what they are given.

        :param known: Variables that may be used.
        :param needed: Those that must be.
        :raises ParameterError: If one is unknown or a needed one is missing.
        """
        unknown, missing = self.variables - known, needed - self.variables
        if unknown or missing:
            msg = (
                f"prompt {self.name}: expected the variables {', '.join(sorted(needed))}, and at most "
                f"{', '.join(sorted(known))}; got {', '.join(sorted(self.variables)) or 'none'}"
            )
            raise ParameterError(msg)

    def request(
        self,
        variables: Mapping[str, Any],
        *,
        max_tokens: int,
        about: Mapping[str, Any],
        count: int | None = None,
        reader: Callable[[LLMReply], str] | None = None,
    ) -> LLMRequest:
        """Return the request with all variables filled in, every text of them as data.

        :param variables: Name → text, number, or list of :class:`Shown`.
        :param max_tokens: Most tokens of the answer.
        :param about: What is asked about.
        :param count: Passages that are shown, or asked for: bounds of the schema; None leaves it as it is.
        :param reader: Returns why an answer is of no use, empty where it is of use.
        :raises ParameterError: If a variable is missing.
        """
        values = {name: _as_data(value) for name, value in variables.items()}
        try:
            system, user = (template.render(values).strip() for template in self._templates)
        except TemplateError as error:
            msg = f"prompt {self.name}: {error}"
            raise ParameterError(msg) from error
        messages = tuple(Message(role, text) for role, text in (("system", system), ("user", user)) if text)
        schema = self.schema if self.schema is None or count is None else bounded(self.schema, count)
        return LLMRequest(messages, schema, max_tokens, about, reader)


def _as_data(value: Any) -> Any:
    if isinstance(value, str):
        return escape_untrusted_text(value)
    if isinstance(value, list):
        return [PromptPassage(item.id, escape_untrusted_text(item.text)) for item in value]
    return value


def _variables(template: str) -> set[str]:
    return meta.find_undeclared_variables(_JINJA.parse(template))


def shipped_prompts() -> list[str]:
    """Return the names of the prompts that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_prompt(prompt: str) -> Prompt:
    """Return a prompt.

    :param prompt: Name of one that comes with the package, or path of a YAML file with ``version``, ``system``,
        ``user`` (Jinja templates) and ``schema``.
    :raises ParameterError: If there is none, or the file is no prompt.
    """
    if prompt in shipped_prompts():
        return _read(_FOLDER / f"{prompt}.yaml", prompt)
    path = Path(prompt).expanduser()
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return _parsed(path, str(path))
    msg = f"prompt {prompt!r}: expected the path of a YAML file, or one of {', '.join(shipped_prompts())}"
    raise ParameterError(msg)


@lru_cache(maxsize=32)
def _read(path: Path, name: str) -> Prompt:
    return _parsed(path, name)


def _parsed(path: Path, name: str) -> Prompt:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"prompt {path}: cannot be read as YAML: {error}"
        raise ParameterError(msg) from error
    if not isinstance(content, dict) or set(content) != set(_KEYS):
        got = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        msg = f"prompt {path}: expected the keys {', '.join(_KEYS)}; got {got}"
        raise ParameterError(msg)
    wrong = [key for key in ("system", "user") if not isinstance(content[key], str)]
    wrong += [] if content["schema"] is None or isinstance(content["schema"], dict) else ["schema"]
    wrong += [] if isinstance(content["version"], int) else ["version"]
    if wrong:
        msg = f"prompt {path}: {', '.join(wrong)}: expected texts, a whole number as version, a mapping as schema"
        raise ParameterError(msg)
    return Prompt(name, **content)
