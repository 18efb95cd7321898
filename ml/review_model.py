"""The converted review model: token states from CTranslate2, the heads of ml/engines/heads.py in numpy. Free of Django."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from safetensors.numpy import load_file
from threadpoolctl import ThreadpoolController

from ml import metrics
from ml.aspects import ASPECTS
from ml.batching import batches

PREFIX = "passage: "
OVERLAP = 24  # tokens that two windows of a long text share
MOST_WINDOWS = 12  # of one text: the first and the last ones, so that its cost is bounded
SPANS = 3  # pieces of evidence shown for an aspect
Array = np.ndarray


@dataclass(frozen=True)
class AspectJudgement:
    """polarity -1, 0, 1; calibrated probability that the text is about the aspect; character spans that speak for it."""

    polarity: int
    probability: float
    spans: list[tuple[int, int]]


@dataclass(frozen=True)
class ReviewJudgement:
    """Calibrated probabilities of 1 to 5 stars, their mean, the sentiment (-1, 0, 1) with its probability, the aspects
    the text is about, and how unsure the model is: 0 sure … 1 knows nothing."""

    stars: tuple[float, ...]
    expected: float
    sentiment: int
    confidence: float
    aspects: dict[str, AspectJudgement]
    uncertainty: float


_ALONE = Lock()  # two runs in one process would share the cores, and restore each other's number of threads


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


@dataclass
class _Window:
    """A stretch of one text's tokens, its weight in the text's answer, and where its tokens stand in the text."""

    text: int
    ids: list[int]
    offsets: list[tuple[int, int]]
    weight: float

    @cached_property
    def spans(self) -> Array:
        """The offsets as (tokens, 2)."""
        return np.array(self.offsets)


class Classifier:
    """One converted review model in memory."""

    def __init__(self, folder: Path, *, device: str = "cpu", compute_type: str = "int8", **threads: int):
        import ctranslate2
        from tokenizers import Tokenizer

        self._cpu = ctranslate2.Device.cpu
        self._encoder = ctranslate2.Encoder(str(folder), device=device, compute_type=compute_type, **threads)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._heads = load_file(folder / "heads.safetensors")
        told = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
        self._calibration = told["calibration"]
        self._window = max(32, told["max_tokens"])
        h = self._heads
        gaps = np.log1p(np.exp(h["thresholds.gaps"]))
        self._thresholds = np.concatenate([h["thresholds.first"], h["thresholds.first"] + np.cumsum(gaps)])
        self._queries = np.concatenate([h["star_query.weight"], h["queries.weight"]])

    # --- texts → windows
    def _windows(self, texts: Sequence[str]) -> list[_Window]:
        out = []
        start = self._tokenizer.encode(PREFIX.strip()).ids[:-1]  # <s> passage:
        for number, encoded in enumerate(self._tokenizer.encode_batch([PREFIX + text for text in texts])):
            ids, offsets = encoded.ids, encoded.offsets
            if len(ids) <= self._window:
                out.append(_Window(number, ids, offsets, 1.0))
                continue
            room = self._window - len(start) - 1
            body, at = ids[len(start) : -1], offsets[len(start) : -1]
            starts = list(range(0, max(1, len(body) - OVERLAP), room - OVERLAP))
            if len(starts) > MOST_WINDOWS:
                starts = starts[: MOST_WINDOWS // 2] + starts[-(MOST_WINDOWS // 2) :]
            for s in starts:
                part = body[s : s + room]
                # People end with their verdict: the last window counts as much as all before it.
                weight = 1.0 if s == starts[-1] else 1 / (len(starts) - 1)
                out.append(
                    _Window(
                        number, [*start, *part, ids[-1]], [*[(0, 0)] * len(start), *at[s : s + room], (0, 0)], weight
                    )
                )
        return out

    # --- heads
    def _star_logits(self, about: Array, states: Array, mask: Array) -> Array:
        """(n, 4) from what the star's query found (n, width)."""
        from scipy.special import erf

        h = self._heads
        mean = np.matmul(mask[:, None], states)[:, 0] / mask.sum(1, keepdims=True)
        hidden = np.concatenate([mean, about], 1) @ h["star_hidden.weight"].T + h["star_hidden.bias"]
        score = (0.5 * hidden * (1 + erf(hidden / 2**0.5))) @ h["star_out.weight"].T + h["star_out.bias"]
        return score - self._thresholds

    def _aspect_logits(self, about: Array) -> Array:
        """(n, aspects, 4) from what the aspects' queries found (n, aspects, width)."""
        h = self._heads
        return (about.transpose(1, 0, 2) @ h["classes.weight"]).transpose(1, 0, 2) + h["classes.bias"]

    def _found(self, states: Array, mask: Array) -> tuple[Array, Array]:
        """((n, 1 + aspects, width) what each query finds, (n, 1 + aspects, tokens) where it looks): the star's first."""
        scores = states @ self._queries.T + (1 - mask[..., None]) * -1e4
        attention = metrics.softmax(scores.transpose(0, 2, 1))
        return attention @ states, attention

    def _forward(self, windows: list[_Window], spans: bool) -> list[tuple[Array, Array, Array | None]]:
        """Per window: star logits (4,), aspect logits (aspects, 4), and how much each token speaks for each aspect's
        likeliest polarity against its absence (aspects, tokens)."""
        hidden = self._encoder.forward_batch([w.ids for w in windows]).last_hidden_state
        if hidden.device != "cpu":
            hidden = hidden.to_device(self._cpu)
        states = np.array(hidden, dtype=np.float32)
        mask = np.zeros(states.shape[:2], np.float32)
        for row, window in enumerate(windows):
            mask[row, : len(window.ids)] = 1
        about, attention = self._found(states, mask)
        more, aspects = self._star_logits(about[:, 0], states, mask), self._aspect_logits(about[:, 1:])
        said: list[Array | None] = [None] * len(windows)
        if spans:
            weight = self._heads["classes.weight"]
            polarity = aspects[..., 1:].argmax(-1) + 1
            for row in range(len(windows)):
                direction = weight[np.arange(len(ASPECTS)), :, polarity[row]] - weight[..., 0]
                said[row] = attention[row, 1:] * (direction @ states[row].T)
        return list(zip(more, aspects, said, strict=True))

    def _run(
        self, texts: Sequence[str], spans: bool, on_progress: Callable[[int], None] | None, batch_tokens: int = 256
    ) -> tuple[list[_Window], list[tuple[Array, Array, Array | None]]]:
        windows = self._windows(texts)
        out: list = [None] * len(windows)

        def run(rows: list[int]) -> list[int]:
            for row, found in zip(rows, self._forward([windows[i] for i in rows], spans), strict=True):
                out[row] = found
            return rows

        done = 0
        # Batches beside each other share the cores: with more, numpy's threads wait for each other, a third of the time.
        share = max(1, (os.cpu_count() or 1) // self._encoder.num_encoders)
        with _ALONE, _blas().limit(limits=share), ThreadPoolExecutor(self._encoder.num_encoders) as pool:
            parts = batches([len(w.ids) for w in windows], batch_tokens)
            for future in as_completed([pool.submit(run, rows) for rows in parts]):
                done += len(future.result())
                if on_progress:
                    on_progress(done * len(texts) // len(windows))
        return windows, out

    def _joined(self, count: int, windows: list[_Window], found: list) -> tuple[Array, Array]:
        """Windows → texts: stars by the weighted mean of the logits; of each aspect the window surest to be about it."""
        more, weight = np.zeros((count, 4)), np.zeros((count, 1))
        aspects = np.zeros((count, len(ASPECTS), 4))
        aspects[..., 0] = np.inf
        for window, (m, a, _said) in zip(windows, found, strict=True):
            more[window.text] += window.weight * m
            weight[window.text] += window.weight
            a = a - a[:, 1:].max(1, keepdims=True)
            surer = a[:, 0] < aspects[window.text, :, 0]
            aspects[window.text][surer] = a[surer]
        return more / weight, aspects

    def logits(self, texts: Sequence[str]) -> tuple[Array, Array]:
        """((n, 4), (n, aspects, 4)) logits, not calibrated."""
        windows, found = self._run(texts, False, None)
        return self._joined(len(texts), windows, found)

    def _calibrated(self, more: Array, aspects: Array, languages: Sequence[str]) -> tuple[Array, Array]:
        def of(kind: str) -> Array:
            known = self._calibration.get(kind, {})
            return np.array([known.get(language, known.get("*", 1.0)) for language in languages])

        stars = metrics.star_probabilities(more / of("stars")[:, None])
        return stars / stars.sum(1, keepdims=True), metrics.softmax(aspects / of("aspects")[:, None, None])

    def probabilities(self, texts: Sequence[str], languages: Sequence[str]) -> tuple[Array, Array]:
        """((n, 5) stars, (n, aspects, 4) absent, negative, neutral, positive), calibrated."""
        return self._calibrated(*self.logits(texts), languages)

    def judge(
        self, texts: Sequence[str], languages: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> list[ReviewJudgement]:
        """Judgements with evidence, in the texts' order. `on_progress` gets the number of texts done, about."""
        if not texts:
            return []
        windows, found = self._run(texts, True, on_progress)
        stars, aspects = self._calibrated(*self._joined(len(texts), windows, found), languages)
        of_text: list[list[int]] = [[] for _ in texts]
        for at, window in enumerate(windows):
            of_text[window.text].append(at)
        three = metrics.sentiment_probabilities(stars)
        out = []
        for i, text in enumerate(texts):
            sentiment = int(three[i].argmax()) - 1
            present = 1 - aspects[i, :, 0]
            judged = {}
            for a, name in enumerate(ASPECTS):
                if present[a] > 0.5:
                    polarity = int(aspects[i, a, 1:].argmax()) - 1
                    judged[name] = AspectJudgement(
                        polarity, round(float(present[a]), 4), self._spans(text, a, of_text[i], windows, found)
                    )
            entropy = float(-(three[i] * np.log(np.maximum(three[i], 1e-9))).sum() / np.log(3))
            doubt = float((1 - np.abs(2 * present - 1)).max())
            out.append(ReviewJudgement(
                tuple(round(float(p), 4) for p in stars[i]), round(float(stars[i] @ np.arange(1, 6)), 3), sentiment,
                round(float(three[i].max()), 4), judged, round(min(1.0, 0.6 * entropy + 0.4 * doubt), 4),
            ))  # fmt: skip
        return out

    @staticmethod
    def _spans(text: str, aspect: int, rows: list[int], windows: list[_Window], found: list) -> list[tuple[int, int]]:
        """The words whose tokens say most for the aspect, as character spans; neighbours are joined."""
        shift, spoken = len(PREFIX), []
        for row in rows:
            start, end = windows[row].spans.T
            values = found[row][2][aspect][: len(start)]
            spoken.append((windows[row], np.where((end > start) & (start >= shift), values, 0.0)))
        top = max(float(values.max(initial=0.0)) for _window, values in spoken)
        if top <= 0:
            return []
        said: dict[tuple[int, int], float] = {}
        for window, values in spoken:
            for at in np.flatnonzero(values >= 0.3 * top):
                start, end = window.offsets[at]
                span = (start - shift, end - shift)
                said[span] = max(float(values[at]), said.get(span, 0.0))
        chosen = sorted(said.items())
        joined: list[list] = []
        for (start, end), value in chosen:
            start += len(text[start:end]) - len(text[start:end].lstrip())
            if joined and start - joined[-1][1] <= 1:
                joined[-1][1], joined[-1][2] = end, joined[-1][2] + value
            elif end > start:
                joined.append([start, end, value])
        best = sorted(joined, key=lambda j: -j[2])[:SPANS]
        return sorted(_whole_words(text, start, end) for start, end, _value in best)


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A span grown to whole words where words are set apart; scripts without spaces keep it."""
    if text[start:end].isascii() or any(c.isalpha() and ord(c) < 0x2E80 for c in text[start:end]):
        while start > 0 and text[start - 1].isalnum():
            start -= 1
        while end < len(text) and text[end].isalnum():
            end += 1
    return start, end
