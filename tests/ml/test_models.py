"""The real models: unpacking, embeddings, generation, packing, training that survives a kill, the registry."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, transaction

from ml import encoder, generator, loading, registry, sources
from ml.generation import GenerationError, Prompt, SamplingOptions, cut
from ml.models import ModelVersion
from ml.openai_generator import OpenAIGenerator

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "### facts\ntitle: Stoneware mug\nMaterial: stoneware\nVolume: 300 ml\n###"
SUFFIX = " google_rsa.headline | en | neutral | material | 30\n"
GREEDY = SamplingOptions(temperature=0, repetition_penalty=1.0, max_new_tokens=24)


@pytest.fixture
def house(db):
    """The shipped house version, live in this test's database."""
    loading.forget()
    registry.register_house()
    yield registry.live("copy")
    loading.forget()


def test_the_embeddings_are_unit_vectors_that_cross_languages():
    texts = ["Where is my order?", "我的订单在哪里？", "¿Dónde está mi pedido?", "A red ceramic mug"]
    vectors = encoder.embed(texts, kind="query")
    assert vectors.shape == (4, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert vectors[0] @ vectors[1] > 0.85 and vectors[0] @ vectors[2] > 0.88
    assert vectors[0] @ vectors[3] < vectors[0] @ vectors[1]


def test_batches_of_like_length_give_the_same_vectors_in_the_old_order():
    texts = ["short", "a much longer text about a stoneware mug that holds 300 ml " * 5, "mid length text here"] * 3
    together, alone = encoder.embed(texts, batch_tokens=64), [encoder.embed([t])[0] for t in texts]
    assert min(float(a @ b) for a, b in zip(together, alone, strict=True)) > 0.995
    assert encoder.embed([]).shape == (0, 384)


def test_the_encoder_agrees_with_its_full_precision_original():
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = sources.resolve(django_settings.ENCODER)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32)
    texts = ["passage: Stoneware mug 350 ml", "passage: 手工陶瓷杯", "passage: Leinenhemd mit Stehkragen"]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        hidden = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
    mask = batch.attention_mask[..., None]
    plain = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy()
    ours = encoder.embed([t.removeprefix("passage: ") for t in texts])
    assert (plain * ours).sum(axis=1).min() > 0.998


def test_a_changed_weight_file_is_refused(settings, tmp_path, monkeypatch):
    settings.MODELS_DIR = tmp_path
    source = sources.EMBEDDED["multilingual-e5-small"]
    broken = tmp_path / "weights.bin"
    broken.write_bytes(b"not the weights")
    monkeypatch.setattr(sources.Source, "paths", lambda self: [broken])
    with pytest.raises(sources.ModelSourceError, match=source.sha256[:20]):
        sources.prepare(source.name)
    assert not sources.is_prepared(source.name)


def test_an_unknown_model_says_what_to_do():
    with pytest.raises(sources.ModelSourceError, match="prepare_models"):
        sources.resolve("nobody/nothing")


def test_the_shared_prefix_changes_nothing_but_the_price(house):
    split = generator.generate([Prompt(PREFIX, SUFFIX)], capability="copy", options=GREEDY)
    whole = generator.generate([Prompt("", PREFIX + SUFFIX)], capability="copy", options=GREEDY)
    text = split.candidates[0][0].text
    assert text and text == whole.candidates[0][0].text and "\n" not in text
    assert "".join(generator.stream(Prompt(PREFIX, SUFFIX), capability="copy", options=GREEDY)).strip() == text
    assert split.model.version_id == house.pk and split.model.backend == "local"


def test_many_prompts_come_back_in_order_with_n_candidates_each_and_can_be_cancelled(house):
    prompts = [
        Prompt(PREFIX, SUFFIX),
        Prompt(PREFIX.replace("mug", "bowl"), SUFFIX),
        Prompt(PREFIX, SUFFIX.replace("30", "90")),
    ]
    seen = []
    hot = SamplingOptions(
        temperature=1.5, max_new_tokens=16
    )  # so that drawing nine times the same three is no accident
    found = generator.generate(
        prompts, capability="copy", n=3, options=hot, on_progress=lambda d, t: seen.append((d, t))
    )
    assert [len(row) for row in found.candidates] == [3, 3, 3] and seen[-1] == (9, 9)
    assert len({c.text for row in found.candidates for c in row}) > 3
    with pytest.raises(generator.GenerationCancelled):
        generator.generate(prompts, capability="copy", cancelled=lambda: True)


def test_a_seed_gives_the_same_texts_again_and_none_gives_others(house):
    def texts(seed):
        options = SamplingOptions(seed=seed, max_new_tokens=16, temperature=1.0)
        found = generator.generate([Prompt(PREFIX, SUFFIX)], capability="copy", n=4, options=options)
        return [c.text for c in found.candidates[0]]

    first = texts(7)
    assert texts(None) != texts(None)
    assert texts(7) == first != texts(8)
    options = SamplingOptions(seed=7, max_new_tokens=16, temperature=1.0)
    streams = {"".join(generator.stream(Prompt(PREFIX, SUFFIX), capability="copy", options=options)) for _ in range(2)}
    assert len(streams) == 1


def test_a_text_without_a_stop_is_marked_as_cut(house):
    options = SamplingOptions(max_new_tokens=2, temperature=0)
    assert (
        generator.generate([Prompt(PREFIX, SUFFIX)], capability="copy", options=options).candidates[0][0].finish
        == "length"
    )
    assert cut("one STOP two", ("STOP",)) == ("one ", True)


def test_without_a_live_version_the_error_says_what_to_do(db):
    loading.forget()
    with pytest.raises(GenerationError, match="prepare_models"):
        generator.generate([Prompt(PREFIX, SUFFIX)], capability="copy")


def test_promotion_has_one_live_version_falls_back_to_the_house_and_rolls_back(house, store, other_store):
    def made(label, store_id):
        version = registry.new_version(capability="copy", store_id=store_id, base="b", method="lora", label=label)
        registry.mark_ready(version, path=house.path, metrics={})
        return version

    first, second = made("first", store.pk), made("second", store.pk)
    assert registry.live("copy", store.pk) == house
    registry.promote(first)
    registry.promote(second, reason="better")
    assert registry.live("copy", store.pk) == second and registry.live("copy", other_store.pk) == house
    assert ModelVersion.objects.filter(store=store, status="live").count() == 1
    assert registry.roll_back("copy", store.pk) == first
    assert registry.roll_back("copy", store.pk) == house and registry.live("copy", store.pk) == house
    with pytest.raises(registry.PromotionError, match="no earlier"):
        registry.roll_back("copy", store.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.create(capability="copy", label="x", base="b", method="lora", status="live")
    broken = registry.new_version(capability="copy", store_id=store.pk, base="b", method="lora", label="broken")
    with pytest.raises(registry.PromotionError):
        registry.promote(broken)
    registry.register_house()
    assert registry.live("copy") == house


def test_a_second_roll_back_goes_further_back(house, store):
    versions = []
    for label in ("one", "two", "three"):
        version = registry.new_version(capability="copy", store_id=store.pk, base="b", method="lora", label=label)
        registry.mark_ready(version, path=house.path, metrics={})
        versions.append(registry.promote(version))
    assert registry.roll_back("copy", store.pk) == versions[1]
    assert registry.roll_back("copy", store.pk) == versions[0]


def test_an_adapter_is_not_put_on_another_base(house, settings, tmp_path):
    """The base named by its folder is another base to the registry: no adapter, then back again."""
    known = settings.GENERATOR
    settings.GENERATOR = str(sources.hf_dir(known))
    assert sources.resolve(settings.GENERATOR) == sources.hf_dir(known) and not sources.is_prepared(settings.GENERATOR)
    target = sources.ct2_dir(settings.GENERATOR)
    target.parent.mkdir()
    try:
        shutil.copytree(sources.ct2_dir(known), target, copy_function=os.link)
        registry.register_house()
        assert registry.live("copy").method == "base" and registry.live("copy").path.endswith("ct2-int8")
        settings.GENERATOR = known
        registry.register_house()
        assert registry.live("copy") == house
    finally:
        shutil.rmtree(target.parent)


def test_what_comes_with_the_app_makes_it_ready_and_what_a_store_has_to_train_is_not_waited_for(
    house, client, settings
):
    assert client.get("/readyz").json()["checks"]["models"] == "ok"
    assert registry.live("copy_ranking") is None, "nothing is shipped for it"
    ModelVersion.objects.filter(pk=house.pk).update(status="ready")
    assert client.get("/readyz").json()["checks"]["models"] == "no live version for copy"
    settings.GENERATOR_BACKEND = "openai"
    assert client.get("/readyz").json()["checks"]["models"] == "ok"
    ModelVersion.objects.filter(capability="reviews").update(status="ready")
    assert client.get("/readyz").json()["checks"]["models"] == "no live version for reviews"


@pytest.mark.slow
def test_a_kill_before_the_check_of_the_converted_house_model_is_made_good(house, settings, tmp_path):
    prepared = settings.MODELS_DIR
    settings.MODELS_DIR = tmp_path  # a folder of its own: tests beside this one use the prepared models
    for name in (settings.ENCODER, settings.GENERATOR):
        (tmp_path / name).symlink_to(prepared / name)
    shutil.copytree(prepared / "house", tmp_path / "house", copy_function=os.symlink)
    checked = registry.folder(house) / "agreement.json"
    checked.unlink()
    registry.register_house()
    found = json.loads(checked.read_text())
    assert found["logit_correlation"] > 0.95 and registry.live("copy") == house


@pytest.fixture
def openai_server(house):
    """A real HTTP server that speaks the completions protocol with the local generator behind it."""
    engine = loading.engine(registry.folder(house))
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls.append(body)
            if len(calls) == 1:
                self.send_response(503)
                self.end_headers()
                return
            if self.headers.get("Authorization") != "Bearer key":
                self.send_response(401)
                self.end_headers()
                return
            options = SamplingOptions(
                max_new_tokens=body["max_tokens"], temperature=body["temperature"], repetition_penalty=1.0
            )
            prompt = Prompt("", body["prompt"])
            self.send_response(200)
            self.end_headers()
            if body.get("stream"):
                for piece in engine.stream(prompt, options):
                    self.wfile.write(f"data: {json.dumps({'choices': [{'text': piece}]})}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")
                return
            # One choice whatever n is, as some servers do.
            [one] = engine.generate([prompt], 1, options, lambda d, t: None, lambda: False)[0]
            answer = {"choices": [{"text": one.text, "finish_reason": one.finish}]}
            self.wfile.write(json.dumps({**answer, "usage": {"completion_tokens": one.tokens}}).encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", calls
    server.shutdown()
    server.server_close()


def test_an_openai_compatible_server_answers_like_the_local_model(openai_server, house, settings):
    url, calls = openai_server
    settings.GENERATOR_BACKEND, settings.GENERATOR_URL = "openai", url
    settings.GENERATOR_MODEL, settings.GENERATOR_API_KEY = "gemma", "key"
    remote = generator.generate([Prompt(PREFIX, SUFFIX)], capability="copy", n=2, options=GREEDY)
    assert len(calls) == 3, "the 503 was not tried again, or the second candidate not asked for"
    assert [c["n"] for c in calls] == [2, 2, 1] and remote.tokens > 0
    assert remote.model.backend == "openai" and remote.model.version_id is None
    streamed = "".join(generator.stream(Prompt(PREFIX, SUFFIX), capability="copy", options=GREEDY)).strip()
    settings.GENERATOR_BACKEND = "local"
    local = generator.generate([Prompt(PREFIX, SUFFIX)], capability="copy", options=GREEDY).candidates[0][0].text
    assert [c.text for c in remote.candidates[0]] == [local, local] and streamed == local


def test_a_refusing_or_absent_server_is_a_clear_error(openai_server):
    url, _calls = openai_server
    nothing = (lambda d, t: None, lambda: False)
    with pytest.raises(GenerationError, match="401"):
        OpenAIGenerator(url, "m", "wrong", pause=0).generate([Prompt("x")], 1, GREEDY, *nothing)
    with pytest.raises(GenerationError, match="tried"):
        OpenAIGenerator("http://127.0.0.1:9", "m", pause=0).generate([Prompt("x")], 1, GREEDY, *nothing)


# --- training
@pytest.fixture(scope="module")
def base() -> Path:
    return sources.hf_dir(django_settings.GENERATOR)


def examples():
    from ml.engines.packing import PrefixExample

    return [
        PrefixExample("### facts\ntitle: Mug\n###", ((" h | en\n", "A mug"), (" h | de\n", "Ein Becher"))),
        PrefixExample("### facts\ntitle: Blue bowl\n###", ((" h | en\n", "A blue bowl for soup"),)),
    ]


def test_packed_losses_are_those_of_the_separate_sequences(base):
    import torch

    from ml.configs import LoraTrainConfig
    from ml.engines.causal_lora import CompletionModel
    from ml.engines.packing import PrefixExample

    model = CompletionModel(base, LoraTrainConfig(), dtype=torch.float32)
    model.model.eval()
    with torch.no_grad():
        together, tokens = model.loss(model.packed(examples(), None)[0])
        apart = [
            model.loss(model.packed([PrefixExample(e.prefix, (c,))], None)[0])
            for e in examples()
            for c in e.completions
        ]
    assert tokens == sum(n for _loss, n in apart)
    # bf16 autocast rounds each matrix product a little differently for another shape.
    assert float(together) == pytest.approx(sum(float(loss) for loss, _n in apart), rel=0.01)


@pytest.mark.parametrize("fast", [True, False])
def test_a_writer_is_trained_in_bf16_only_where_the_chip_multiplies_it(base, fast, tmp_path, monkeypatch):
    import torch

    from ml.configs import LoraTrainConfig
    from ml.engines import causal_dpo, causal_lora

    monkeypatch.setattr(causal_lora, "bf16_is_fast", lambda device: fast)
    model = causal_lora.CompletionModel(base, LoraTrainConfig())
    assert model.inner.lm_head.weight.dtype == (torch.bfloat16 if fast else torch.float32)
    assert causal_dpo.arguments(LoraTrainConfig(objective="dpo"), tmp_path, model.bf16).bf16 is fast
    if not fast:  # elsewhere one pass in bf16 takes minutes
        seen = []
        model.inner.lm_head.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
        with torch.no_grad():
            model.loss(model.packed(examples(), None)[0])
        assert seen == [torch.float32]


@pytest.mark.slow
def test_a_killed_training_ends_with_the_weights_of_one_that_was_never_killed(base, tmp_path):
    from safetensors.torch import load_file

    rows = [{"prefix": e.prefix, "completions": [list(c) for c in e.completions]} for e in examples()] * 3
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(json.dumps(r) for r in rows))
    script = (
        "import sys; from pathlib import Path; from ml.configs import LoraTrainConfig; from ml.engines.causal_lora import *\n"
        "torch.set_num_threads(1)\n"
        f"rows = read_examples(Path({str(data)!r}))\n"
        "config = LoraTrainConfig(rank=4, epochs=2, sequences_per_step=1, max_tokens=48, checkpoint_every=1, patience=9)\n"
        f"train(Path({str(base)!r}), rows, rows[:2], Path(sys.argv[1]), config, progress=lambda e: print(e['event'], flush=True))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(folder):
        return subprocess.Popen(
            [sys.executable, "-c", script, str(folder)], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
        )

    whole = start(tmp_path / "whole")
    whole.communicate(timeout=200)
    killed = start(tmp_path / "killed")
    steps = 0
    for line in killed.stdout:
        steps += line.strip() == "step"
        if steps == 4:
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait()
    again = start(tmp_path / "killed")
    out, _ = again.communicate(timeout=200)
    assert again.returncode == 0 and "resumed" in out
    first = load_file(tmp_path / "whole" / "adapter" / "adapter_model.safetensors")
    second = load_file(tmp_path / "killed" / "adapter" / "adapter_model.safetensors")
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)
    events = [json.loads(line)["event"] for line in (tmp_path / "killed" / "log.jsonl").read_text().splitlines()]
    assert events.count("base") == 1 and "resumed" in events
    # Other data never goes on from this checkpoint.
    data.write_text("\n".join(json.dumps(r) for r in rows[:2]))
    other, _ = start(tmp_path / "killed").communicate(timeout=200)
    assert "resumed" not in other and "base" in other


def test_the_shipped_adapter_is_small_and_has_its_card():
    folder = ROOT / "ml" / "house" / "copy"
    assert (folder / "adapter_model.safetensors").stat().st_size <= 10 * 1024 * 1024
    card = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("Gemma Terms of Use", "semiPQA", "CDLA-Sharing", "seed", "train_house"):
        assert word in card, word
    assert "Gemma" in (folder / "NOTICE").read_text(encoding="utf-8")


def test_a_kill_while_preparing_costs_one_step(settings, tmp_path):
    """What lies beside the target is not taken for the target."""
    settings.MODELS_DIR = tmp_path
    name = django_settings.ENCODER
    half = sources.hf_dir(name).with_name("hf.new")
    half.mkdir(parents=True)
    (half / "config.json").write_text("{")
    assert not sources.is_prepared(name)
    started = time.monotonic()
    sources.prepare(name)
    assert sources.is_prepared(name)
    stamp = (sources.ct2_dir(name) / "model.bin").stat().st_mtime
    sources.prepare(name)
    assert (sources.ct2_dir(name) / "model.bin").stat().st_mtime == stamp and time.monotonic() - started < 120
    shutil.rmtree(tmp_path / name)
