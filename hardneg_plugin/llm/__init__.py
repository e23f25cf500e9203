"""Asking a language model: requests, prompts, answers, and the cache between them.

Nothing here knows Haystack: a model is a :class:`LLMClient`, and the components wrap a ChatGenerator as one.
"""
