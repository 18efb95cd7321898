"""From a trained review model to what runs: merge, convert to int8, and measure how both answer. No Django here."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file

from ml import metrics
from ml.aspects import ASPECTS
from ml.configs import TextTrainConfig
from ml.engines.adapting import Adapted
from ml.engines.batches import TextData, load_tokenizer
from ml.engines.convert import convert_int8
from ml.engines.heads import ReviewHeads
from ml.engines.results import HEADS, merge_into, read_result
from ml.review_model import Classifier

# Texts of several languages, lengths and moods: what the converted model must answer like the trained one.
PROBES = (
    "Great mug, keeps coffee warm for an hour.", "Broke after two days and nobody answers my mails.",
    "It is okay for the price. The lid does not close well, but delivery was fast.", "Works.",
    "Die Qualität ist hervorragend, nur der Versand hat ewig gedauert.", "Leider zu klein und die Farbe ist anders.",
    "La taille est parfaite et le tissu très agréable.", "Très déçue, arrivé cassé, emballage inexistant.",
    "Muy buena compra, llegó antes de lo previsto.", "No funciona y el vendedor no responde.",
    "质量很好，物流很快，五星好评", "用了一次就坏了，客服态度很差", "一般般，对得起这个价格", "サイズがぴったりで、とても満足しています。",
    "すぐ壊れました。残念です。", "배송이 빨라서 좋아요", "생각보다 별로예요", "Barang sesuai deskripsi, pengiriman cepat.",
    "Kecewa, barang rusak waktu sampai.", "Produto excelente, recomendo!", "Chegou com defeito e demorou muito.",
    "Отличное качество, быстрая доставка.", "Не советую, деньги на ветер.", "المنتج ممتاز والتوصيل سريع", "जल्दी खराब हो गया",
)  # fmt: skip


@torch.no_grad()
def _trained(merged: Path, heads: ReviewHeads, config: TextTrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the probes from the merged model in fp32."""
    plain = TextTrainConfig(method="full", max_tokens=config.max_tokens, batch_tokens=config.batch_tokens)
    encoder = Adapted(merged, plain, 1).eval()
    data = TextData([{"text": text} for text in PROBES], load_tokenizer(merged), config.max_tokens)
    more = np.zeros((len(PROBES), 4))
    aspects = np.zeros((len(PROBES), len(ASPECTS), 4))
    for batch in data.in_order(config.batch_tokens):
        m, a = heads(encoder(batch.ids, batch.mask), batch.mask)
        more[batch.rows], aspects[batch.rows] = m.numpy(), a.numpy()
    return more, aspects


def export(base: Path, result: Path, target: Path) -> dict[str, float]:
    """Write the converted model of a training's result into `target` (an empty folder): model.bin, tokenizer.json,
    heads.safetensors, calibration.json. Returns {"class_agreement": share of equal three-class answers,
    "aspect_agreement": share of equal aspect classes, "star_difference": greatest difference of the mean stars}."""
    base, result, target = Path(base), Path(result), Path(target)
    told = read_result(result)
    config = TextTrainConfig.from_json(told["config"])
    weights = {
        k.removeprefix(HEADS): v.float()
        for k, v in load_file(result / "weights.safetensors").items()
        if k.startswith(HEADS)
    }
    width = weights["star_out.weight"].shape[1]
    heads = ReviewHeads(width, len(ASPECTS)).eval()
    heads.load_state_dict(weights)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        merged = Path(work) / "merged"
        merge_into(base, result, merged)
        _with_pooler(merged, width)
        convert_int8(merged, target)
        shutil.copy2(merged / "tokenizer.json", target / "tokenizer.json")
        more, aspects = _trained(merged, heads, config)
    save_file({k: np.ascontiguousarray(v.numpy()) for k, v in weights.items()}, target / "heads.safetensors")
    (target / "calibration.json").write_text(
        json.dumps({"calibration": told["calibration"], "max_tokens": config.max_tokens}), encoding="utf-8"
    )
    got_more, got_aspects = Classifier(target).logits(list(PROBES))
    one, two = metrics.star_probabilities(more), metrics.star_probabilities(got_more)
    three = [metrics.sentiment_probabilities(p).argmax(1) for p in (one, two)]
    stars = np.arange(1, 6)
    return {
        "class_agreement": float((three[0] == three[1]).mean()),
        "aspect_agreement": float((aspects.argmax(-1) == got_aspects.argmax(-1)).mean()),
        "star_difference": round(float(np.abs(one @ stars - two @ stars).max()), 4),
    }


def _with_pooler(folder: Path, width: int) -> None:
    """What the converter of BERT models wants and this one has no use for: a pooler, and the kind of the positions."""
    from safetensors.torch import save_file as save_tensors

    weights = load_file(folder / "model.safetensors")
    weights.setdefault("pooler.dense.weight", torch.eye(width))
    weights.setdefault("pooler.dense.bias", torch.zeros(width))
    save_tensors({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"position_embedding_type": "absolute", "architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
