"""Write texts with the live version of a capability: the local model, or an OpenAI-compatible server."""

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache

from django.conf import settings

from ml import loading
from ml.generation import (
    Backend,
    Cancelled,
    Candidate,
    Generation,
    GenerationCancelled,
    GenerationError,
    ModelRef,
    Progress,
    Prompt,
    SamplingOptions,
)
from ml.openai_generator import OpenAIGenerator

__all__ = [
    "Candidate", "Generation", "GenerationCancelled", "GenerationError", "ModelRef", "Prompt", "SamplingOptions",
    "generate", "stream",
]  # fmt: skip


@lru_cache(maxsize=4)
def _server(url: str, model: str, api_key: str) -> OpenAIGenerator:
    """One client, and so one pool of connections, per server."""
    return OpenAIGenerator(url, model, api_key)


def _backend(capability: str, store_id: int | None) -> tuple[Backend, ModelRef]:
    if settings.GENERATOR_BACKEND == "openai":
        backend = _server(settings.GENERATOR_URL, settings.GENERATOR_MODEL, settings.GENERATOR_API_KEY)
        return backend, ModelRef(None, settings.GENERATOR_MODEL, "openai")
    if settings.GENERATOR_BACKEND != "local":
        raise GenerationError(f"GENERATOR_BACKEND={settings.GENERATOR_BACKEND!r}: write local or openai")
    version, engine = loading.live_generator(capability, store_id)
    return engine, ModelRef(version.pk, version.label, "local")


def generate(
    prompts: Sequence[Prompt],
    *,
    capability: str,
    store_id: int | None = None,
    n: int = 1,
    options: SamplingOptions = SamplingOptions(),
    on_progress: Progress = lambda done, total: None,
    cancelled: Cancelled = lambda: False,
) -> Generation:
    """n candidates for each prompt by the store's live version of the capability (else the house's).

    `on_progress` gets (candidates done, candidates in all). Raises GenerationError when no model can answer,
    GenerationCancelled when `cancelled()` says so between two batches.
    """
    backend, model = _backend(capability, store_id)
    started = time.monotonic()
    candidates = backend.generate(list(prompts), n, options, on_progress, cancelled)
    tokens = sum(c.tokens for row in candidates for c in row)
    return Generation(candidates, model, tokens, time.monotonic() - started)


def stream(
    prompt: Prompt, *, capability: str, store_id: int | None = None, options: SamplingOptions = SamplingOptions()
) -> Iterator[str]:
    """Pieces of one text as it is written, stop rules applied. Raises GenerationError."""
    backend, _model = _backend(capability, store_id)
    yield from backend.stream(prompt, options)
