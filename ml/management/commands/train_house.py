"""`manage.py train_house copy|reviews`: rebuild a house version from its data, resumable after a kill."""

import json
import random
import shutil
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml import registry, sources
from ml.capabilities import Capability, capability, checked_config, load

HOUSE_SEED = 1


class Command(BaseCommand):
    help = "Train the house adapter of a capability from the data in the repository (and --extra data folders)."

    def add_arguments(self, parser) -> None:
        parser.add_argument("capability")
        parser.add_argument("--extra", type=Path, help="folder of class-A data: adcopy/ for copy, reviews/ for reviews")
        parser.add_argument("--out", type=Path, default=None, help="working folder (checkpoints); default var/training")
        parser.add_argument("--epochs", type=int, default=0, help="at most; the best one on the held-out part is kept")

    def handle(self, *args, **options) -> None:
        try:
            found = capability(options["capability"])
        except KeyError as error:
            raise CommandError(f"no capability called {options['capability']}") from error
        if found.base == "ENCODER":
            self._encoder(found, options)
        else:
            self._generator(found, options)

    def _encoder(self, found: Capability, options: dict) -> None:
        """Heads and adapter on the encoder: the data set is a function(folder) → ({part: rows}, hash)."""
        from ml.engines.teaching import taught

        if options["extra"] is None:
            raise CommandError("say with --extra where the review data lies")
        parts, digest = load(found.house_dataset)(options["extra"])
        run = options["out"] or settings.VAR_DIR / "training" / found.name
        sources.prepare(found.base_name)
        for rows in parts.values():
            random.Random(HOUSE_SEED).shuffle(rows)
        epochs = {"epochs": options["epochs"]} if options["epochs"] else {}
        teachers = [run / f"teacher-{n}" for n in range(len(found.house_teachers))]
        for folder, changes in zip(teachers, found.house_teachers, strict=True):
            if not (folder / "predictions.jsonl").exists():
                self._train(found, folder, parts, {**found.house_config, **changes, **epochs}, read="train")
        if teachers:
            parts = {**parts, "train": taught(parts["train"], teachers)}
        start = teachers[0] / "result" if teachers else None
        metrics = self._train(found, run, parts, {**found.house_config, **epochs}, read="test", start=start)
        target = registry.HOUSE / found.name
        target.mkdir(exist_ok=True)
        shutil.copy(run / "result" / "weights.safetensors", target / "weights.safetensors")
        told = json.loads((run / "result" / "result.json").read_text(encoding="utf-8"))
        counts = {f"{part}_rows": len(rows) for part, rows in parts.items()}
        text = json.dumps({**told, "data_hash": digest, **counts}, indent=1) + "\n"
        (target / "result.json").write_text(text, encoding="utf-8")
        self.stdout.write(json.dumps(metrics))

    def _train(
        self, found: Capability, run: Path, parts: dict, config: dict, *, read: str, start: Path | None = None
    ) -> dict:
        """Train one run; `read` is the part whose predictions it leaves behind."""
        from ml.engines.text_trainer import train

        run.mkdir(parents=True, exist_ok=True)
        for part, rows in parts.items():
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (run / f"{part}.jsonl").write_text(text, encoding="utf-8")
        spec = {
            "base": str(sources.hf_dir(found.base_name)), "train": "train.jsonl", "valid": "valid.jsonl",
            "test": f"{read}.jsonl", "config": checked_config(found, config), "init_from": None,
            "goes_on_from": str(start) if start else None,
        }  # fmt: skip
        (run / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        return train(run)

    def _generator(self, found: Capability, options: dict) -> None:
        from ml.configs import LoraTrainConfig
        from ml.engines.causal_lora import train
        from ml.engines.packing import PrefixExample

        module, _dot, name = found.house_dataset.rpartition(".")
        extra = options["extra"] / "semipqa_en" if options["extra"] else None
        rows, heldout, digest = getattr(import_module(module), name)(extra)
        out = options["out"] or settings.VAR_DIR / "training" / found.name
        config = LoraTrainConfig(epochs=options["epochs"] or 5)
        base = settings.GENERATOR
        sources.prepare(base)

        def examples(items):
            return [PrefixExample(i["prefix"], tuple((s, t) for s, t in i["completions"])) for i in items]

        result = train(
            sources.hf_dir(base), examples(rows), examples(heldout), out, config,
            progress=lambda event: self.stdout.write(json.dumps(event)),
        )  # fmt: skip
        target = registry.HOUSE / found.name
        for file in ("adapter_model.safetensors", "adapter_config.json"):
            shutil.copy(result.adapter_dir / file, target / file)
        metrics = {
            "base": base, "config": config.as_json(), "data_hash": digest, "train_examples": len(rows),
            "heldout_examples": len(heldout), "heldout_loss": round(result.heldout_loss, 4),
            "base_heldout_loss": round(result.base_heldout_loss, 4), "steps": result.steps, "best_epoch": result.best_epoch,
        }  # fmt: skip
        (target / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        self.stdout.write(json.dumps(metrics))
