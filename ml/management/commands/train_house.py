"""`manage.py train_house copy`: rebuild a house adapter from its data, resumable after a kill."""

import json
import shutil
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml import registry, sources
from ml.capabilities import capability


class Command(BaseCommand):
    help = "Train the house adapter of a capability from the data in the repository (and --extra data folders)."

    def add_arguments(self, parser) -> None:
        parser.add_argument("capability")
        parser.add_argument("--extra", type=Path, help="folder with semipqa_en/ (class-A data beside the repository)")
        parser.add_argument("--out", type=Path, default=None, help="working folder (checkpoints); default var/training")
        parser.add_argument("--epochs", type=int, default=5, help="at most; the best one on the held-out part is kept")

    def handle(self, *args, **options) -> None:
        from ml.configs import LoraTrainConfig
        from ml.engines.causal_lora import train
        from ml.engines.packing import PrefixExample

        try:
            found = capability(options["capability"])
        except KeyError as error:
            raise CommandError(f"no capability called {options['capability']}") from error
        module, _dot, name = found.house_dataset.rpartition(".")
        extra = options["extra"] / "semipqa_en" if options["extra"] else None
        rows, heldout, digest = getattr(import_module(module), name)(extra)
        out = options["out"] or settings.VAR_DIR / "training" / found.name
        config = LoraTrainConfig(epochs=options["epochs"])
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
