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
    """{"loss": sum of -log p over the wanted tokens, "tokens", "kinds": {field: [loss, tokens]}, "pairs": [[log p of the
    chosen text, its tokens, log p of the rejected one, its tokens], …]} a row, of {"prefix", "completions": [[suffix,
    target], …], "pairs": [{"suffix", "chosen", "rejected"}, …]}; the field stands first in the suffix."""
    import ctranslate2
    from tokenizers import Tokenizer

    from ml import devices

    kind, compute = devices.device()
    generator = ctranslate2.Generator(str(folder), device=kind, compute_type=compute, **devices.parallel())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    start = [token] if (token := _bos(tokenizer)) else []

    def tokens(text: str) -> list[str]:
        return tokenizer.encode(text, add_special_tokens=False).tokens

    def scores(prefix: list[str], wanted: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """(log p, tokens) of each (suffix, target)."""
        ends = [tokens(target + "\n") for _suffix, target in wanted]
        texts = [[*prefix, *tokens(suffix), *end] for (suffix, _target), end in zip(wanted, ends, strict=True)]
        # One by one: CTranslate2 takes wrong masks for texts of unequal length in a model with a sliding window.
        scored = generator.score_batch(texts, max_batch_size=1) if texts else []
        return [(sum(told.log_probs[-len(end) :]), len(end)) for told, end in zip(scored, ends, strict=True)]

    out: list[dict] = []
    for row in rows:
        check()
        prefix = [*start, *tokens(row["prefix"])]
        told: dict = {"loss": 0.0, "tokens": 0, "kinds": {}, "pairs": []}
        for (suffix, _target), (found, size) in zip(
            row["completions"], scores(prefix, row["completions"]), strict=True
        ):
            field = suffix.strip().split(" ", 1)[0]
            one = told["kinds"].setdefault(field, [0.0, 0])
            one[0] -= found
            one[1] += size
            told["loss"] -= found
            told["tokens"] += size
        pairs = row.get("pairs", ())
        both = scores(prefix, [(p["suffix"], p[side]) for p in pairs for side in ("chosen", "rejected")])
        told["pairs"] = [[*both[at], *both[at + 1]] for at in range(0, len(both), 2)]
        out.append(told)
    return out


def ranking(folder: Path, rows: Sequence[dict], check: Check = lambda: None) -> list[dict]:
    """{"margins": score of the chosen text minus that of the rejected one, a pair} a row, of {"about", "pairs":
    [{"chosen", "rejected", "limit"}, …]}."""
    from ml import ranker

    found = ranker.load(folder)
    out: list[dict] = []
    for row in rows:
        check()
        texts = [p[side] for p in row["pairs"] for side in ("chosen", "rejected")]
        limits = [p["limit"] for p in row["pairs"] for _side in ("chosen", "rejected")]
        got = found.scores(row["about"], texts, limits)
        out.append({"margins": (got[::2] - got[1::2]).tolist()})
    return out


def no_ranking(rows: Sequence[dict]) -> list[dict]:
    """What `ranking` says where nothing ranks: no text is better than another."""
    return [{"margins": [0.0] * len(row["pairs"])} for row in rows]


def _bos(tokenizer) -> str:
    return "<bos>" if tokenizer.token_to_id("<bos>") is not None else ""
