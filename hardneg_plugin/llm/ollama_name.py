"""Names of models, as Ollama reads them."""

from __future__ import annotations

_HOST, _NAMESPACE, _TAG = "registry.ollama.ai", "library", "latest"


def canonical_name(name: str) -> str:
    """Return what two names share if and only if Ollama takes them for the same model.

    Case does not matter. The tag ``latest``, the registry ``registry.ollama.ai`` and the namespace ``library`` need not
    be said.

    :param name: A name, such as ``SmolLM2:135M`` or ``registry.ollama.ai/library/smollm2:135m``.
    """
    path = name.strip().lower().rpartition("://")[2]
    base, _, last = path.rpartition("/")
    model, _, tag = last.partition(":")
    parts = [part for part in base.split("/") if part]
    if parts[:1] == [_HOST]:
        del parts[0]
    if parts == [_NAMESPACE]:
        del parts[0]
    return "/".join([*parts, f"{model}:{tag or _TAG}"])
