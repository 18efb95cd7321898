"""Any OpenAI-compatible server (vLLM, llama.cpp, Ollama …) as generator: `POST /v1/completions`."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx

from ml.generation import (
    Cancelled,
    Candidate,
    GenerationCancelled,
    GenerationError,
    Progress,
    Prompt,
    SamplingOptions,
    cut,
)

TRIES = 4
RETRY_ON = {429, 500, 502, 503, 504}


class OpenAIGenerator:
    """A client of one server and one model. top_k and repetition_penalty aren't sent: the protocol has neither, and
    some servers refuse what they don't know."""

    def __init__(self, url: str, model: str, api_key: str = "", *, timeout: float = 120.0, pause: float = 0.5):
        if not url or not model:
            raise GenerationError("GENERATOR_BACKEND=openai needs GENERATOR_URL and GENERATOR_MODEL")
        base = url.rstrip("/")
        self._url = f"{base}/completions" if base.endswith("/v1") else f"{base}/v1/completions"
        self._model = model
        self._pause = pause
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(timeout, connect=10.0))

    def _body(self, prompt: Prompt, options: SamplingOptions, **more) -> dict:
        body = {
            "model": self._model,
            "prompt": prompt.prefix + prompt.suffix,
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "stop": list(options.stop),
            **more,
        }
        if options.seed is not None:
            body["seed"] = options.seed
        return body

    def _post(self, body: dict) -> dict:
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self._pause * 2 ** (attempt - 1))
            try:
                response = self._client.post(self._url, json=body)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if response.status_code in RETRY_ON:
                problem = f"answered {response.status_code}"
                continue
            if response.is_error:
                raise GenerationError(f"{self._url} answered {response.status_code}: {response.text[:300]}")
            try:
                return response.json()
            except ValueError as error:
                raise GenerationError(f"{self._url} answered something that is not JSON") from error
        raise GenerationError(f"{self._url} {problem}; tried {TRIES} times")

    def generate(
        self, prompts: list[Prompt], n: int, options: SamplingOptions, on_progress: Progress, cancelled: Cancelled
    ) -> list[list[Candidate]]:
        """n candidates a prompt. Raises GenerationError, GenerationCancelled."""
        out = []
        for done, prompt in enumerate(prompts, 1):
            if cancelled():
                raise GenerationCancelled
            out.append(self._candidates(prompt, n, options))
            on_progress(done * n, len(prompts) * n)
        return out

    def _candidates(self, prompt: Prompt, n: int, options: SamplingOptions) -> list[Candidate]:
        """n candidates; a server that gives fewer than it was asked for (Ollama gives one) is asked again."""
        row: list[Candidate] = []
        while len(row) < n:
            seed = None if options.seed is None else options.seed + len(row)
            answer = self._post(self._body(prompt, replace(options, seed=seed), n=n - len(row)))
            try:
                choices = answer["choices"]
                each = (answer.get("usage") or {}).get("completion_tokens", 0) // len(choices)
                row += [self._candidate(choice, each, options) for choice in choices]
            except (KeyError, TypeError, ZeroDivisionError) as error:
                raise GenerationError(f"{self._url}: an answer without choices") from error
        return row[:n]

    @staticmethod
    def _candidate(choice: dict, tokens: int, options: SamplingOptions) -> Candidate:
        text, stopped = cut(choice["text"], options.stop)
        finish = "stop" if stopped or choice.get("finish_reason") != "length" else "length"
        scores = [s for s in ((choice.get("logprobs") or {}).get("token_logprobs") or []) if s is not None]
        return Candidate(text.strip(), len(scores) or tokens, sum(scores) / len(scores) if scores else math.nan, finish)

    def stream(self, prompt: Prompt, options: SamplingOptions) -> Iterator[str]:
        """Pieces of text by server-sent events. Raises GenerationError."""
        try:
            with self._client.stream("POST", self._url, json=self._body(prompt, options, stream=True)) as response:
                if response.is_error:
                    raise GenerationError(f"{self._url} answered {response.status_code}")
                for line in response.iter_lines():
                    data = line.removeprefix("data:").strip()
                    if not line.startswith("data:") or data == "[DONE]":
                        continue
                    if piece := json.loads(data)["choices"][0].get("text"):
                        yield piece
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
            raise GenerationError(f"{self._url}: {type(error).__name__}: {error}") from error
