"""What a converted version answers on given rows: the numbers that a comparison is made of."""

from collections.abc import Callable, Sequence
from pathlib import Path

Check = Callable[[], None]
_CHUNK = 512


def reviews(folder: Path, rows: Sequence[dict], check: Check = lambda: None) -> list[dict]:
    """{"stars": five probabilities, "aspects": 12 × four probabilities} a row, of {"text", "language"}."""
    from ml import classifier

    out: list[dict] = []
    for start in range(0, len(rows), _CHUNK):
        check()
        part = rows[start : start + _CHUNK]
        stars, aspects = classifier.probabilities(
            folder, [str(row["text"]) for row in part], [str(row.get("language") or "") for row in part]
        )
        out += [{"stars": s.tolist(), "aspects": a.tolist()} for s, a in zip(stars, aspects, strict=True)]
    return out


def completions(folder: Path, rows: Sequence[dict], check: Check = lambda: None) -> list[dict]:
    """{"loss": sum of -log p over the wanted tokens, "tokens", "kinds": {field: [loss, tokens]}} a row, of {"prefix",
    "completions": [[suffix, target], …]}; the field stands first in the suffix."""
    import ctranslate2
    from tokenizers import Tokenizer

    from ml import devices

    kind, compute = devices.device()
    generator = ctranslate2.Generator(str(folder), device=kind, compute_type=compute, **devices.parallel())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    start = [token] if (token := _bos(tokenizer)) else []

    def tokens(text: str) -> list[str]:
        return tokenizer.encode(text, add_special_tokens=False).tokens

    out: list[dict] = []
    for row in rows:
        check()
        prefix = [*start, *tokens(row["prefix"])]
        texts, sizes = [], []
        for suffix, target in row["completions"]:
            wanted = tokens(target + "\n")
            texts.append([*prefix, *tokens(suffix), *wanted])
            sizes.append(len(wanted))
        # One by one: CTranslate2 takes wrong masks for texts of unequal length in a model with a sliding window.
        scored = generator.score_batch(texts, max_batch_size=1)
        told: dict = {"loss": 0.0, "tokens": 0, "kinds": {}}
        for (suffix, _target), size, result in zip(row["completions"], sizes, scored, strict=True):
            loss = -sum(result.log_probs[-size:])
            field = suffix.strip().split(" ", 1)[0]
            one = told["kinds"].setdefault(field, [0.0, 0])
            one[0] += loss
            one[1] += size
            told["loss"] += loss
            told["tokens"] += size
        out.append(told)
    return out


def _bos(tokenizer) -> str:
    return "<bos>" if tokenizer.token_to_id("<bos>") is not None else ""
