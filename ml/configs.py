"""Training configurations: frozen dataclasses, checked when made, kept as JSON on the model version."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class LoraTrainConfig:
    """Completion-only causal-LM training of a LoRA adapter.

    `max_tokens` bounds one packed sequence, `sequences_per_step` is the gradient accumulation; `learning_rate` is the
    peak after the warm-up (a share of all steps), followed by a cosine decay to a tenth.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    learning_rate: float = 4e-4
    weight_decay: float = 0.0
    warmup_share: float = 0.06
    epochs: int = 6
    sequences_per_step: int = 4
    max_tokens: int = 512
    max_grad_norm: float = 1.0
    patience: int = 2
    checkpoint_every: int = 20
    seed: int = 20261125
    extra: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= 256:
            raise ValueError(f"rank={self.rank}: 1 to 256")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate={self.learning_rate}: above 0, below 1")
        if self.epochs < 1 or self.sequences_per_step < 1 or self.max_tokens < 32:
            raise ValueError("epochs and sequences_per_step: 1 or more; max_tokens: 32 or more")

    def as_json(self) -> dict:
        """The configuration as plain JSON values."""
        return {**asdict(self), "targets": list(self.targets)}
