"""The generator on this machine: CTranslate2, batch sampling, the shared prefix computed once."""

import json
import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ml.devices import device, parallel
from ml.generation import (
    Cancelled,
    Candidate,
    GenerationCancelled,
    Progress,
    Prompt,
    SamplingOptions,
    cut,
)

BATCH_SEQUENCES = 48
MAX_SEED = 2**31


class LocalGenerator:
    """One converted model in memory."""

    def __init__(self, folder: Path):
        import ctranslate2
        from tokenizers import Tokenizer

        self._ct2 = ctranslate2
        self._folder = str(folder)
        self._load()
        known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._bos = [known["bos_token"]] if known.get("bos_token") else []
        self._eos = known["eos_token"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._newline = self._tokenizer.encode("\n", add_special_tokens=False).tokens[0]
        # One random state per model: sampling calls take turns.
        self._lock = threading.Lock()

    def _load(self) -> None:
        where, compute = device()
        self._generator = None  # the old one's memory first
        shared = parallel()
        self._generator = self._ct2.Generator(self._folder, device=where, compute_type=compute, **shared)
        self._replicas = shared["inter_threads"]
        self._drawn = False

    def _seed(self, options: SamplingOptions, rounds: int = 0) -> None:
        """CTranslate2 reads its seed once, when a replica draws for the first time, so that a seed after that means
        loading the model again (about a second). All replicas then start alike, and each gets one part of the round:
        which one gets which does not matter. Without a seed the start is random, whatever was set before."""
        if options.temperature <= 0:
            return
        if options.seed is not None and self._drawn:
            self._load()
        if not self._drawn:
            seed = random.SystemRandom().randrange(MAX_SEED) if options.seed is None else options.seed + rounds * 7919
            self._ct2.set_random_seed(seed % MAX_SEED)
        self._drawn = True

    def _tokens(self, text: str) -> list[str]:
        return self._tokenizer.encode(text, add_special_tokens=False).tokens if text else []

    def _ends(self, options: SamplingOptions) -> list[str]:
        return [self._eos, self._newline] if "\n" in options.stop else [self._eos]

    def _sampling(self, options: SamplingOptions) -> dict:
        greedy = options.temperature <= 0
        return {
            "sampling_topk": 1 if greedy else options.top_k,
            "sampling_topp": 1.0 if greedy else options.top_p,
            "sampling_temperature": 1.0 if greedy else options.temperature,
            "repetition_penalty": options.repetition_penalty,
        }

    def _candidate(self, ids: list[int], score: float, options: SamplingOptions) -> Candidate:
        text, stopped = cut(self._tokenizer.decode(ids), options.stop)
        ended = stopped or len(ids) < options.max_new_tokens
        return Candidate(text.strip(), len(ids), score, "stop" if ended else "length")

    def generate(
        self, prompts: list[Prompt], n: int, options: SamplingOptions, on_progress: Progress, cancelled: Cancelled
    ) -> list[list[Candidate]]:
        """n candidates a prompt, in the prompts' order. Raises GenerationCancelled between two batches."""
        out: list[list[Candidate]] = [[] for _ in prompts]
        by_prefix: dict[str, list[int]] = defaultdict(list)
        for i, prompt in enumerate(prompts):
            by_prefix[prompt.prefix].append(i)
        most = max(1, BATCH_SEQUENCES // n) * self._replicas
        greedy = options.temperature <= 0  # all candidates would be the same one
        done = rounds = 0
        with self._lock:
            for prefix, indexes in by_prefix.items():
                static = [*self._bos, *self._tokens(prefix)]
                # Prompts of like length together: less padding, more of the prompt forwarded at once.
                suffixes = {i: self._tokens(prompts[i].suffix) for i in indexes}
                indexes = sorted(indexes, key=lambda i: len(suffixes[i]))
                for start in range(0, len(indexes), most):
                    if cancelled():
                        raise GenerationCancelled
                    rows = indexes[start : start + most]
                    # A prompt that is all prefix must leave one token to start from.
                    shared = static if all(suffixes[i] for i in rows) else static[:-1]
                    self._seed(options, rounds)
                    rounds += 1
                    results = self._generator.generate_batch(
                        [suffixes[i] or static[-1:] for i in rows] if shared is not static
                        else [suffixes[i] for i in rows],
                        static_prompt=shared or None,
                        max_length=options.max_new_tokens,
                        num_hypotheses=1 if greedy else n,
                        # Kept between calls the states of all prompts ever seen would fill the memory.
                        cache_static_prompt=False,
                        include_prompt_in_result=False,
                        return_scores=True,
                        # One part a replica.
                        max_batch_size=-(-len(rows) // self._replicas),
                        end_token=self._ends(options),
                        **self._sampling(options),
                    )  # fmt: skip
                    for i, result in zip(rows, results, strict=True):
                        out[i] = [
                            self._candidate(ids, score, options)
                            for ids, score in zip(result.sequences_ids, result.scores, strict=True)
                        ] * (n if greedy else 1)
                    done += len(rows) * n
                    on_progress(done, len(prompts) * n)
        return out

    def stream(self, prompt: Prompt, options: SamplingOptions) -> Iterator[str]:
        """Pieces of text as they are written; together they are the text up to the stop."""
        start = [*self._bos, *self._tokens(prompt.prefix), *self._tokens(prompt.suffix)]
        ids: list[int] = []
        sent = ""
        with self._lock:
            self._seed(options)
            steps = self._generator.generate_tokens(
                start, max_length=options.max_new_tokens, end_token=self._ends(options), **self._sampling(options)
            )
            for step in steps:
                if step.is_last and step.token in self._ends(options):
                    break
                ids.append(step.token_id)
                text, stopped = cut(self._tokenizer.decode(ids), options.stop)
                # A character whose bytes are not all there yet, or the beginning of a stop string, waits.
                safe = text if stopped else text.rstrip("\ufffd")
                if not stopped:
                    held = max((k for s in options.stop for k in range(1, len(s)) if safe.endswith(s[:k])), default=0)
                    safe = safe[: len(safe) - held] if held else safe
                if len(safe) > len(sent):
                    yield safe[len(sent) :]
                    sent = safe
                if stopped:
                    break
            text, _stopped = cut(self._tokenizer.decode(ids), options.stop)
            if len(text) > len(sent):
                yield text[len(sent) :]
