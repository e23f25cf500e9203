"""Check the server of a recipe's language model: what it is, its model, and one timed question."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from haystack.dataclasses import ChatMessage

from hardneg_plugin.errors import HardnegError
from hardneg_plugin.llm.failures import failure_of
from hardneg_plugin.recipe.chat_generator import generator_of
from hardneg_plugin.recipe.schema import LLMSection
from hardneg_plugin.run.doctor import Check

_QUESTION, _MOST_TOKENS, _MOST_SECONDS = "Is water wet? Say yes or no.", 8, 60.0
_FACT_SECONDS = 5.0
_START = "start the server, or give its address: --set llm.url=..."


def server_checks(llm: LLMSection) -> Iterator[Check]:
    """Yield whether the language model of a recipe can be asked, what its server tells, and how fast it answers.

    :param llm: The section; a recording, or a generator of any other kind, is not asked.
    """
    if llm.recorded is not None:
        yield Check("llm", "ok", f"answers are read from {llm.recorded}; no server is asked")
        return
    if llm.generator is not None:
        detail = f"a generator of the recipe's own ({llm.generator.get('type')}), which is not asked here"
        yield Check("llm", "warning", detail, "`hardneg judge-check` asks it")
        return
    try:
        generator = _generator(llm)
        generator.warm_up()
    except HardnegError as error:
        yield Check("llm server", "missing", str(error), _START)
        return
    yield Check("llm server", "ok", _told(generator, llm))
    if not _is_listed(generator, llm):
        detail = f"the server does not list {llm.model!r}; it may answer by another one"
        yield Check("llm model", "warning", detail, "give a name that /v1/models shows: --set llm.model=...")
    yield _timed_question(generator, llm)


def _generator(llm: LLMSection) -> Any:
    """Return the client of the server, which waits a bounded time."""
    from hardneg_plugin.components import StrictOllamaChatGenerator, StrictOpenAIChatGenerator

    class_ = StrictOpenAIChatGenerator if llm.api == "openai" else StrictOllamaChatGenerator
    written = generator_of(llm)
    parameters = {**written["init_parameters"], "timeout": min(llm.timeout, _MOST_SECONDS), "logprobs": 0}
    return class_.from_dict({**written, "init_parameters": parameters})


def _is_listed(generator: Any, llm: LLMSection) -> bool:
    return llm.api == "ollama" or bool(generator.identity()["served"])


def _told(generator: Any, llm: LLMSection) -> str:
    """Return what the server says of itself, in words; what it does not say is left out."""
    root = generator.where.rstrip("/").removesuffix("/v1")
    facts = _ollama_facts(generator, root, llm) if llm.api == "ollama" else _openai_facts(generator, root)
    told = [f"{name} {value}" for name, value in facts.items() if value not in (None, "")]
    return ", ".join([f"{generator.where} answers", f"model {llm.model}", *told])


def _ollama_facts(generator: Any, root: str, llm: LLMSection) -> dict[str, Any]:
    # How many it answers at a time, it tells nobody.
    return {
        "version": _asked(f"{root}/api/version").get("version"),
        "context of the model": generator.model_context,
        "num_ctx": llm.num_ctx,
        "parallel slots": "not told (OLLAMA_NUM_PARALLEL)",
    }


def _openai_facts(generator: Any, root: str) -> dict[str, Any]:
    # llama.cpp tells of itself at /props, vLLM at /version.
    props = _asked(f"{root}/props")
    settings = props.get("default_generation_settings")
    context = settings.get("n_ctx") if isinstance(settings, Mapping) else None
    return {
        "version": props.get("build_info") or _asked(f"{root}/version").get("version"),
        "context": context or generator.model_context or "not told",
        "parallel slots": props.get("total_slots") or "not told",
    }


def _asked(url: str) -> Mapping[str, Any]:
    """Return what a page of the server says; empty without such a page."""
    import httpx

    try:
        answer = httpx.get(url, timeout=_FACT_SECONDS)
        found = answer.json() if answer.status_code == httpx.codes.OK else {}
    except (httpx.HTTPError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _timed_question(generator: Any, llm: LLMSection) -> Check:
    started = time.perf_counter()
    try:
        asked = generator.run([ChatMessage.from_user(_QUESTION)], generation_kwargs={"num_predict": _MOST_TOKENS})
    except Exception as error:
        # Clients raise what their libraries meet; one place knows what each means.
        failure = failure_of(error)
        words = f" ({failure.words})" if failure.words else ""
        return Check("llm answer", "missing", f"{failure.reason}{words}", failure.remedy or _START)
    seconds = time.perf_counter() - started
    usage = asked["replies"][0].meta["usage"]
    counted = f"{usage['prompt_tokens']} tokens read, {usage['completion_tokens']} written"
    return Check("llm answer", "ok", f"one question to {llm.model} took {seconds:.2f} s ({counted})")
