"""The log of a training run: a JSON line an event, and TensorBoard (Weights & Biases too when its key is set)."""

import json
import os
import resource
import time
from pathlib import Path
from typing import Any

import psutil
import torch


class RunLog:
    """Appends to RUN/log.jsonl. Step events are thinned to one a second; the last of an epoch is told by "epoch"."""

    def __init__(self, run: Path, quiet: bool = False):
        self.run, self.quiet = run, quiet
        self._last = 0.0
        self._board: Any = None
        self._wandb: Any = None
        self._process = psutil.Process()
        self._process.cpu_percent()

    def _writers(self) -> None:
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.run / "tensorboard"))
            if os.environ.get("WANDB_API_KEY"):
                try:
                    import wandb

                    self._wandb = wandb.init(project="ecomai", name=self.run.name, resume="allow")
                except ImportError:
                    self.tell("warning", message="WANDB_API_KEY is set, but the package wandb is not installed")

    def tell(self, event: str, **fields: Any) -> None:
        """One event, always written."""
        if self.quiet:
            return
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"event": event, "at": round(time.time(), 2), **fields}) + "\n")
        if metrics := fields.get("metrics"):
            self._writers()
            step = fields.get("step", 0)
            for name, value in metrics.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"held-out/{name}", value, step)
            if self._wandb:
                self._wandb.log(metrics, step=step)
            self._board.flush()

    def step(self, **fields: Any) -> None:
        """A step's loss and speed with the machine's load."""
        if self.quiet:
            return
        self._writers()
        self._board.add_scalar("train/loss", fields["loss"], fields["step"])
        self._board.add_scalar("train/lr", fields["lr"], fields["step"])
        if time.monotonic() - self._last < 1 and fields["step"] != fields["total"]:
            return
        self._last = time.monotonic()
        used = {
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "cpu_percent": self._process.cpu_percent(),
        }
        if torch.cuda.is_available():
            used |= {"gpu_memory_mb": torch.cuda.max_memory_allocated() >> 20, "gpu_percent": torch.cuda.utilization()}
        self.tell("step", **fields, **used)
