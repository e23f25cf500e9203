"""Build chat generators from a recipe's `llm` section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from hardneg_plugin.components import stage_class
from hardneg_plugin.components.chat_client import answer_parameters
from hardneg_plugin.components.first_contact import url_fault
from hardneg_plugin.components.served_model import address_fault
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.recipe.schema import LLMSection, Stage
from hardneg_plugin.validation import parameters_of

CHAT_GENERATOR = "chat_generator"
LLM = "llm"
"""As the value of a stage's chat generator: the one of the recipe's `llm` section."""
GENERATORS = (CHAT_GENERATOR, "second_generator")
"""Parameters of stages that hold a chat generator."""
_RECORDED = "hardneg_plugin.components.recorded_chat_generator.RecordedChatGenerator"
_OLLAMA = "hardneg_plugin.components.strict_ollama_chat_generator.StrictOllamaChatGenerator"
_OPENAI = "hardneg_plugin.components.strict_openai_chat_generator.StrictOpenAIChatGenerator"
# A local server needs no key; one that does says so, and the key stays in the environment.
_OPENAI_KEY = {"type": "env_var", "env_vars": ["OPENAI_API_KEY"], "strict": False}
# Servers give no more.
_MOST_LOGPROBS = 20

_SECRETS = ("api_key", "token", "secret", "password")
_ENV_VAR = "{type: env_var, env_vars: [OPENAI_API_KEY]}"


def generator_of(llm: LLMSection) -> dict[str, Any]:
    """Return the chat generator of a section as Haystack writes it."""
    if llm.generator is not None:
        return dict(llm.generator)
    if llm.recorded is not None:
        return _written(_RECORDED, path=llm.recorded, on_unknown=llm.on_unknown, model=llm.model)
    shared: dict[str, Any] = {"model": llm.model, "timeout": llm.timeout}
    # What is left at its default is not written: what was asked before it existed stays answered.
    shared |= {} if llm.max_tokens is None else {"max_tokens": llm.max_tokens}
    shared |= {} if llm.think is None else {"think": llm.think}
    shared |= {"logprobs": _MOST_LOGPROBS} if llm.logprobs else {}
    if llm.api == "openai":
        return _written(_OPENAI, api_base_url=llm.url, api_key=_OPENAI_KEY, **shared)
    return _written(_OLLAMA, url=llm.url, num_ctx=llm.num_ctx, **shared)


def _written(class_path: str, **parameters: Any) -> dict[str, Any]:
    return {"type": class_path, "init_parameters": parameters}


def with_generators(params: Mapping[str, Any], generator: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a stage's parameters with the recipe's generator wherever they say ``llm``."""
    return {
        name: generator if name in GENERATORS and value == LLM and generator is not None else value
        for name, value in params.items()
    }


def answer_identity(generator: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides over a generator's answers, without asking it: where its server stands does not.

    :param generator: ``{type, init_parameters}``.
    """
    kept = answer_parameters(generator)
    if kept["type"] == _RECORDED:
        path = Path(kept["init_parameters"]["path"])
        # A file that is missing is reported when the stage begins.
        kept["init_parameters"]["path"] = xxhash.xxh3_128_hexdigest(path.read_bytes()) if path.is_file() else str(path)
    return kept


def asks_model(stage: Stage) -> bool:
    """Tell whether a stage asks a language model."""
    parameter = parameters_of(stage_class(stage.name)).get(CHAT_GENERATOR)
    return parameter is not None and (
        parameter.default is parameter.empty or stage.params.get(CHAT_GENERATOR) is not None
    )


def generator_errors(stage: Stage, llm: object, path: str) -> list[str]:
    """Return what a stage lacks to ask a language model.

    :param stage: The stage.
    :param llm: The recipe's section; None where there is none.
    :param path: Path of the stage.
    """
    parameter = parameters_of(stage_class(stage.name)).get(CHAT_GENERATOR)
    errors = [
        error
        for name in GENERATORS
        if isinstance(given := stage.params.get(name), Mapping)
        for error in secret_errors(given, f"{path}.{name}")
    ]
    if parameter is None or llm is not None or errors:
        return errors
    if parameter.default is parameter.empty and CHAT_GENERATOR not in stage.params:
        return [f"{path}.{CHAT_GENERATOR}: missing; give it here, or give the recipe an `llm` section"]
    return [
        f"{path}.{name}: {LLM!r} is the model of the recipe's `llm` section, which is missing"
        for name in GENERATORS
        if stage.params.get(name) == LLM
    ]


def secret_errors(generator: Mapping[str, Any], path: str) -> list[str]:
    """Return where a chat generator has a key as text: it would be written into the run folder.

    :param generator: ``{type, init_parameters}``.
    :param path: Its path in the recipe.
    """
    parameters = generator.get("init_parameters")
    return [
        f"{path}.init_parameters.{name}: expected the name of an environment variable, as in {_ENV_VAR}; no key is "
        "written into a recipe"
        for name, value in (parameters.items() if isinstance(parameters, Mapping) else ())
        if str(name).endswith(_SECRETS) and isinstance(value, str)
    ]


def _address_errors(api: str, url: str | None) -> list[str]:
    if url is None:
        return []
    if api == "openai":
        fault = address_fault(url)
        return [f"llm.url: {fault}"] if fault else []
    if fault := url_fault(url):
        return [f"llm.url: {fault}"]
    if url.rstrip("/").endswith("/v1"):
        return [f"llm.url: Ollama's own API has no /v1: give {url.rstrip('/').removesuffix('/v1')}, or `api: openai`"]
    return []


def _answer_errors(llm: Mapping[str, Any]) -> list[str]:
    if llm["api"] == "ollama" and (llm["max_tokens"] or 0) >= llm["num_ctx"]:
        room = f"leaves no room for a prompt in num_ctx={llm['num_ctx']}; lower it, or raise num_ctx"
        return [f"llm.max_tokens: {llm['max_tokens']} {room}"]
    return []


def llm_errors(llm: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the values of the `llm` section; nothing is asked."""
    errors = _address_errors(llm["api"], llm["url"]) + _answer_errors(llm)
    if llm["recorded"] is not None and llm["generator"] is not None:
        errors.append("llm.recorded, llm.generator: give one of them")
    if llm["generator"] is not None and not isinstance(llm["generator"].get("type"), str):
        errors.append("llm.generator: expected {type, init_parameters}, with the path of a class as type")
    if llm["generator"] is not None:
        errors += secret_errors(llm["generator"], "llm.generator")
    if llm["budget"] is not None:
        try:
            Budget.parse(llm["budget"])
        except HardnegError as error:
            errors.append(f"llm.budget: {error}")
    return errors
