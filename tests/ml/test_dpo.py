"""DPO of the generator's adapter: the loss, its direction, resuming, the run's protocol; and for real on the house's own."""

import json
import math

import pytest

from ml import sources
from ml.configs import LoraTrainConfig

PREFIX = "### facts\ntitle: {}\n###"
COLOURS = ("Red", "Blue", "Green", "White", "Black", "Brown", "Pink", "Grey")
PAIRS = [
    {"prefix": PREFIX.format(f"{colour} {kind}"), "suffix": " h | en\n", "chosen": f"A {colour} {kind}", "rejected": f"Buy now: {kind}"}
    for colour in COLOURS
    for kind in ("mug", "bowl", "jug")
]  # fmt: skip
SMALL = LoraTrainConfig(
    objective="dpo",
    rank=4,
    alpha=8,
    dpo_epochs=2,
    pairs_per_step=4,
    dpo_learning_rate=2e-3,
    checkpoint_every=2,
    patience=9,
)


VOCABULARY = 259  # bytes and three marks


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A Gemma of two narrow layers with random weights, which reads bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    marks = ["<pad>", "<eos>", "<bos>"]
    letters = [*marks, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    told = Tokenizer(models.BPE({letter: at for at, letter in enumerate(letters)}, []))
    told.pre_tokenizer, told.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        decoders.ByteLevel(),
    )
    names = {**dict(zip(("pad_token", "eos_token", "bos_token"), marks, strict=True)), "unk_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=told, **names).save_pretrained(folder)
    torch.manual_seed(1)
    made = Gemma3TextConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, sliding_window=512, layer_types=["sliding_attention", "full_attention"],
        pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    Gemma3ForCausalLM(made).save_pretrained(folder)
    return folder


def pairs(rows=PAIRS):
    from ml.engines.causal_dpo import PreferencePair

    return [PreferencePair(**row) for row in rows]


def test_it_prefers_the_chosen_texts_and_a_killed_run_ends_like_a_whole_one(tiny, tmp_path):
    import torch
    from safetensors.torch import load_file

    from ml.engines import causal_dpo

    torch.set_num_threads(1)
    events: list[dict] = []
    train, held = pairs(PAIRS[3:]), pairs(PAIRS[:3])
    whole = causal_dpo.train(tiny, train, held, tmp_path / "whole", SMALL, progress=events.append)
    assert [e["event"] for e in events if e["event"] != "step"] == ["base", "epoch", "epoch"]
    steps = [e for e in events if e["event"] == "step"]
    assert len(steps) == whole.steps == steps[0]["total"] == 2 * math.ceil(len(train) / 4)
    # The policy is its own reference at the start: -log sigmoid(0), and part of the plain loss beside it.
    plain = events[0]["heldout_loss"] - math.log(2)
    assert plain == pytest.approx(SMALL.chosen_weight * math.log(VOCABULARY), rel=0.1)
    assert whole.start["reward_accuracy"] == 0.5 and whole.end["reward_accuracy"] == 1 and whole.end["margin"] > 0.1

    class Killed(Exception):
        pass

    def die(event: dict) -> None:
        if event["event"] == "step" and event["step"] == 5:
            raise Killed

    with pytest.raises(Killed):
        causal_dpo.train(tiny, train, held, tmp_path / "killed", SMALL, progress=die)
    (tmp_path / "killed" / "trainer" / "checkpoint-5").mkdir()  # one that a kill left half
    events.clear()
    again = causal_dpo.train(tiny, train, held, tmp_path / "killed", SMALL, progress=events.append)
    assert events[0]["event"] == "resumed" and events[0]["step"] == 4
    assert [e["step"] for e in events if e["event"] == "step"] == list(range(5, whole.steps + 1))
    first, second = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "killed")
    )
    assert first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)
    assert again.end == whole.end and not any(".ref." in name for name in first)
    # Other data never goes on from there; it may be stopped at any step.
    events.clear()
    with pytest.raises(causal_dpo.TrainingCancelled):
        causal_dpo.train(
            tiny, train[1:], held, tmp_path / "killed", SMALL, progress=events.append,
            cancelled=lambda: any(e["event"] == "step" for e in events),
        )  # fmt: skip
    assert [e["event"] for e in events] == ["base", "step"]


def test_the_log_probabilities_are_those_of_each_text_by_itself(tiny):
    import torch

    from ml.engines import causal_dpo
    from ml.engines.causal_lora import CompletionModel

    model = CompletionModel(tiny, SMALL, dtype=torch.float32)
    (found,) = causal_dpo.log_probabilities(model, pairs(PAIRS[:1])).tolist()
    row = PAIRS[0]
    for at, text in ((0, row["chosen"]), (2, row["rejected"])):
        start = [model.tokenizer.bos_token_id, *model.tokenize(row["prefix"]), *model.tokenize(row["suffix"])]
        wanted = model.tokenize(text + "\n")
        ids = torch.tensor([[*start, *wanted]])
        with torch.no_grad():
            told = model.inner(input_ids=ids).logits[0].log_softmax(-1)
        own = sum(float(told[len(start) + i - 1, token]) for i, token in enumerate(wanted))
        assert found[at] == pytest.approx(own, rel=0.01) and found[at + 1] == len(wanted)
    told = causal_dpo.measures(
        torch.tensor([[-2.0, 2, -9, 3], [-6, 2, -2, 1]]), torch.tensor([[-3.0, 2, -9, 3], [-6, 2, -2, 1]])
    )
    assert told == {"accuracy": 0.5, "reward_accuracy": 0.75, "margin": 0.5}


def test_too_few_pairs_and_wrong_settings_are_told(tiny, tmp_path):
    from ml.engines import causal_dpo

    with pytest.raises(ValueError, match="there are 19 and 1"):
        causal_dpo.train(tiny, pairs(PAIRS[:19]), pairs(PAIRS[:1]), tmp_path, SMALL)
    with pytest.raises(ValueError, match="objective=best"):
        LoraTrainConfig(objective="best")
    with pytest.raises(ValueError, match="beta=0"):
        LoraTrainConfig(beta=0)


def test_pairs_are_read_from_the_rows_of_a_snapshot(tmp_path):
    from ml.engines.causal_dpo import PreferencePair, read_pairs

    row = {
        "prefix": "x",
        "completions": [["s", "t"]],
        "pairs": [{"suffix": "s", "chosen": "a", "rejected": "b\u2028c", "weight": 1}],
    }
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in (row, {"prefix": "y", "completions": []})))
    assert read_pairs(path) == [PreferencePair("x", "s", "a", "b\u2028c")]


@pytest.mark.training
@pytest.mark.timeout(3000)
@pytest.mark.django_db
def test_the_house_adapter_learns_from_two_hundred_pairs(tmp_path, settings, capsys):
    """End to end on a processor, as a run of the protocol, killed on the way: the hand-written text of a product over what
    the house adapter itself wrote to the same order (see benchmarks/preferences.py)."""
    import os
    import signal
    import subprocess
    import sys
    import time

    import numpy as np

    from benchmarks import preferences as bench
    from ml import registry
    from ml.engines import causal_dpo, causal_run
    from ml.engines.causal_lora import CompletionModel

    version = next(v for v in registry.register_house() if v.capability == "copy")
    init_from = settings.MODELS_DIR / version.trained
    rows = bench.house_pairs(registry.folder(version), ("train", "heldout"))
    base, run = sources.hf_dir(settings.GENERATOR), tmp_path / "run"
    run.mkdir()
    parts = {"train": [r for r in rows if r["split"] == "train"], "valid": [r for r in rows if r["split"] == "heldout"]}
    for name, part in parts.items():
        (run / f"{name}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part))
    config = LoraTrainConfig(objective="dpo", checkpoint_every=10)
    spec = {
        "base": str(base), "train": "train.jsonl", "valid": "valid.jsonl", "config": config.as_json(), "threads": 2,
        "init_from": str(init_from),
    }  # fmt: skip
    (run / "spec.json").write_text(json.dumps(spec))

    def events(kind: str = "") -> list[dict]:
        lines = (run / "log.jsonl").read_text().splitlines() if (run / "log.jsonl").exists() else []
        return [e for e in map(json.loads, lines) if kind in ("", e["event"])]

    line = [sys.executable, "-m", "ml.engines.causal_run", str(run)]
    first = subprocess.Popen(line, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not any(e["step"] > 12 for e in events("step")):
        time.sleep(1)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL and not events("done")
    done = subprocess.run(line, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert events("resumed")[0]["step"] == 10 and events("done")[0]["metrics"]["reward_accuracy"] > 0.5

    trained, held = (causal_dpo.read_pairs(run / f"{name}.jsonl") for name in parts)
    assert len(trained) >= bench.LEAST_TRAIN and len(held) >= 40
    model, scores = CompletionModel(base, config), []
    for adapter in (init_from, run / "result"):
        model.start_from(adapter)
        scores.append(causal_dpo.log_probabilities(model, held).numpy())
    before, after = (bench.accuracy(s) for s in scores)
    groups = np.array([row["id"] for row in parts["valid"] for _pair in row["pairs"]])
    with capsys.disabled():
        print(
            f"\nDPO on {len(trained)} pairs, {len(held)} held out: accuracy {before.mean():.3f} → {after.mean():.3f}, "
            f"gain {bench.spread(after - before, groups)}; implicit reward {bench.moved(*scores).mean():.3f} "
            f"{bench.spread(bench.moved(*scores), groups)}"
        )
    assert after.mean() > before.mean() and bench.spread(bench.moved(*scores), groups)[0] > 0.5
    target = tmp_path / "converted"
    target.mkdir()
    assert causal_run.export(base, run / "result", target)["logit_correlation"] > 0.95


def own_rows(store) -> dict[str, list[dict]]:
    """The store's rows of the real data set alone."""
    from products import copy_dataset

    return {part: [r for r in rows if r["id"].startswith("p")] for part, rows in copy_dataset.for_store(store).items()}


@pytest.mark.training
@pytest.mark.django_db(transaction=True)
def test_what_a_store_decided_trains_a_version_that_is_measured_by_its_preferences(
    tiny, store, settings, tmp_path, monkeypatch
):
    """The loop of the copy capability with the objective DPO, with a tiny writer."""
    from dataclasses import replace

    from ml import capabilities, promotion, snapshots, tasks, training
    from ml.models import Comparison
    from products.models import AdAsset, CopyRequest
    from tests.factories import make_product

    settings.MODELS_DIR, settings.GENERATOR = tmp_path / "models", str(tiny)
    settings.MODELS_DIR.mkdir()
    found = replace(capabilities.capability("copy"), dataset="tests.ml.test_dpo.own_rows", agreement={})
    monkeypatch.setitem(capabilities._known, "copy", found)
    sent: list = []
    monkeypatch.setattr("ml.tasks.send", sent.append)
    for colour in COLOURS:
        for kind in ("mug", "bowl", "jug", "vase", "tray"):
            product = make_product(store, f"{colour} {kind}", price=None)
            request = CopyRequest.objects.create(
                store=store, product=product, channels=["meta"], locale="en", tone="neutral"
            )
            for at, (text, status) in enumerate(
                ((f"A {colour} {kind}", "approved"), (f"Buy now: {kind}!", "rejected"))
            ):
                AdAsset.objects.create(
                    store=store, request=request, product=product, field="meta.headline", locale="en", tone="neutral",
                    angle="feature", position=at, text=text, machine_text=text, status=status, model_label="m", inputs_hash="0",
                )  # fmt: skip

    def trained(**config) -> training.TrainingRun:
        settings_ = {"rank": 4, "alpha": 8, "dpo_learning_rate": 2e-3, "learning_rate": 2e-3, "epochs": 1, **config}
        run = training.start(capability_name="copy", store=store, config=settings_, by=None, start_from=start)
        tasks.train(run.job_id)
        run.refresh_from_db()
        assert run.status == "done", run.error
        for job in [job for job in sent if job.task == "ml.tasks.compare"]:
            sent.remove(job)
            tasks.compare(job.pk)
        return run

    start = "base"
    first = trained(objective="sft")
    tasks.promote(promotion.request(version=first.version, by=None).job_id)
    start = "live"
    run = trained(objective="dpo")
    assert run.parent == first.version and run.metrics["start_reward_accuracy"] == 0.5 < run.metrics["reward_accuracy"]
    assert run.total == run.step > 4 and run.epochs[0]["metrics"]["dpo_loss"] > 0 and run.curve
    told = Comparison.objects.get(candidate=run.version)
    assert told.status == "done", told.error
    scores = {s["metric"]: s for s in told.scores if s["kind"] == "all"}
    pairs = sum(len(row["pairs"]) for row in snapshots.rows(run.snapshot, "test"))
    assert scores["preference_accuracy"]["main"] and scores["preference_accuracy"]["n"] == pairs > 0
    assert scores["preference_gain"]["live"] == 0.5 < scores["preference_gain"]["candidate"]
    assert scores["valid"]["gated"] and scores["violations"]["gated"] and not scores["loss"]["gated"]
    assert scores["valid"]["n"] == scores["violations"]["n"] == run.snapshot.counts["test"]["rows"]
