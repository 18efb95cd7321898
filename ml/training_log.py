"""Follow the log that a trainer writes: JSON lines, of which a kill may leave the last one half."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POINTS = 300
TAIL = 30


@dataclass
class Followed:
    """What the log has told so far."""

    step: int = 0
    total: int = 0
    epoch: int = 0
    loss: float | None = None
    rate: float | None = None
    seconds_left: float | None = None
    usage: dict[str, float] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0
    done: dict[str, Any] | None = None
    failed: str = ""
    cancelled: bool = False
    tail: list[str] = field(default_factory=list)

    def curve(self) -> list[list[float]]:
        """[[step, loss], …], at most POINTS of them, the last among them."""
        found = sorted(self.losses.items())
        every = max(1, -(-len(found) // POINTS))
        kept = found[::every]
        if found and kept[-1] != found[-1]:
            kept.append(found[-1])
        return [[step, loss] for step, loss in kept]

    def take(self, event: dict[str, Any]) -> None:
        """One event of the log."""
        kind = event.get("event")
        if kind in ("start", "resumed"):
            self.total = int(event.get("total") or self.total)
            # A process that begins anew takes back what an earlier one said of its end.
            self.done, self.failed, self.cancelled = None, "", False
            at = int(event.get("step") or 0)
            self.resumed += kind == "resumed"
            self.losses = {step: loss for step, loss in self.losses.items() if step <= at}
            self.epochs = [told for told in self.epochs if int(told.get("step") or 0) <= at]
            self.step = at
        elif kind == "step":
            self.step, self.total, self.epoch = int(event["step"]), int(event["total"]), int(event.get("epoch") or 0)
            self.loss = float(event["loss"])
            self.rate, self.seconds_left = event.get("rate"), event.get("seconds_left")
            self.losses[self.step] = self.loss
            names = ("cpu_percent", "memory_mb", "gpu_percent", "gpu_memory_mb", "lr")
            self.usage = {name: event[name] for name in names if event.get(name) is not None}
        elif kind == "epoch":
            self.epochs.append(
                {
                    "epoch": event.get("epoch"),
                    "step": event.get("step", self.step),
                    "metrics": event.get("metrics") or {},
                }
            )
        elif kind == "done":
            self.done, self.seconds_left = event.get("metrics") or {}, 0
        elif kind == "failed":
            self.failed = str(event.get("error") or "failed")
        elif kind == "cancelled":
            self.cancelled = True


class Follower:
    """Reads what was added to RUN/log.jsonl since the last look."""

    def __init__(self, run: Path):
        self._path = run / "log.jsonl"
        self._at = 0
        self.told = Followed()

    def look(self) -> bool:
        """Take the new whole lines; whether there were any."""
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            file.seek(self._at)
            found = file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:  # two processes' words in one line: the first was killed in the middle of it
                continue
            if isinstance(event, dict):
                self.told.take(event)
                self.told.tail = [*self.told.tail, line[:400]][-TAIL:]
        return bool(whole)
