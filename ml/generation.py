"""What goes into a generator and what comes out: shared by every backend."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Prompt:
    """`prefix` is shared by many prompts and computed once; prefix and suffix are tokenised apart, as in training."""

    prefix: str
    suffix: str = ""


@dataclass(frozen=True)
class SamplingOptions:
    """How to sample. temperature 0 is greedy; a seed makes a run repeatable on the same machine."""

    max_new_tokens: int = 96
    temperature: float = 0.8
    top_k: int = 50
    top_p: float = 0.95
    repetition_penalty: float = 1.05
    seed: int | None = None
    stop: tuple[str, ...] = ("\n",)


@dataclass(frozen=True)
class Candidate:
    """One sampled text, cut at the stop; `logprob` is the mean per token (nan where the backend tells none)."""

    text: str
    tokens: int
    logprob: float
    finish: Literal["stop", "length"]


@dataclass(frozen=True)
class ModelRef:
    """Which model wrote it: the registry's row (None for an outside server) and a label for people."""

    version_id: int | None
    label: str
    backend: str


@dataclass(frozen=True)
class Generation:
    """Candidates per prompt, in the prompts' order, with their provenance."""

    candidates: list[list[Candidate]]
    model: ModelRef
    tokens: int
    seconds: float


class GenerationError(Exception):
    """The generator can't answer; the text says why and what to do."""


class GenerationCancelled(Exception):
    """The caller asked to stop."""


Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class Backend(Protocol):
    """Something that writes."""

    def generate(
        self, prompts: list[Prompt], n: int, options: SamplingOptions, on_progress: Progress, cancelled: Cancelled
    ) -> list[list[Candidate]]: ...

    def stream(self, prompt: Prompt, options: SamplingOptions) -> Iterator[str]: ...


def cut(text: str, stop: tuple[str, ...]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    ends = [at for at in (text.find(s) for s in stop if s) if at >= 0]
    return (text[: min(ends)], True) if ends else (text, False)
