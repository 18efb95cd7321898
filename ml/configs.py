"""Training configurations: frozen dataclasses, checked when made, kept as JSON on the model version."""

from dataclasses import asdict, dataclass, field, fields


@dataclass(frozen=True)
class LoraTrainConfig:
    """Causal-LM training of a LoRA adapter: on completions ("sft"), or on preference pairs ("dpo").

    `max_tokens` bounds one packed sequence, `sequences_per_step` is the gradient accumulation; `learning_rate` is the
    peak after the warm-up (a share of all steps), followed by a cosine decay to a tenth. DPO has a rate and epochs of its
    own: `beta` holds it near the start (Rafailov et al. 2023), `chosen_weight` is the share of the plain loss of the
    chosen texts beside it.
    """

    objective: str = "sft"
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
    beta: float = 0.1
    dpo_learning_rate: float = 1e-4
    dpo_epochs: int = 2
    pairs_per_step: int = 8
    chosen_weight: float = 0.1
    seed: int = 20261125
    extra: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.objective not in ("sft", "dpo"):
            raise ValueError(f"objective={self.objective}: sft or dpo")
        for name, low, high in (
            ("beta", 0.001, 10), ("dpo_learning_rate", 1e-8, 0.01), ("dpo_epochs", 1, 100), ("pairs_per_step", 1, 1024),
            ("chosen_weight", 0, 10),
        ):  # fmt: skip
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"{name}={value}: {low} to {high}")
        if not 1 <= self.rank <= 256:
            raise ValueError(f"rank={self.rank}: 1 to 256")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate={self.learning_rate}: above 0, below 1")
        if self.epochs < 1 or self.sequences_per_step < 1 or self.max_tokens < 32:
            raise ValueError("epochs and sequences_per_step: 1 or more; max_tokens: 32 or more")

    def as_json(self) -> dict:
        """The configuration as plain JSON values."""
        return {**asdict(self), "targets": list(self.targets)}


@dataclass(frozen=True)
class RankerConfig:
    """The Bradley-Terry ranker: `l2` is the pull of the coefficients towards zero; 0 tries several on the held-out pairs."""

    method: str = "bradley-terry"
    l2: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.l2 <= 1e6:
            raise ValueError(f"l2={self.l2}: 0 to 1000000")

    def as_json(self) -> dict:
        """The configuration as plain JSON values."""
        return asdict(self)


METHODS = ("full", "lora", "adalora", "adapter")
OBJECTIVES = ("review", "classes", "contrastive", "mlm")


@dataclass(frozen=True)
class TextTrainConfig:
    """Fine-tuning of the encoder with heads.

    `batch_tokens` bounds one forward pass with padding, `accumulate` passes make a step. `learning_rate` is that of the
    encoder's weights (or its adapter's), `head_learning_rate` the heads'; both warm up over `warmup_share` of the steps. `dropout` is the heads', `encoder_dropout` the encoder's.
    `adversarial` perturbs the word embeddings along the gradient by `epsilon` (FGM, Miyato et al. 2017; PGD with
    `pgd_steps`, Madry et al. 2018) on a share of the batches; `rdrop` weighs the symmetric KL of two passes with other
    dropout (Liang et al. 2021). `dp_noise` above 0 trains with DP-SGD (Abadi et al. 2016) by Opacus: noise multiplier,
    gradients of each example clipped to `dp_clip`. `distil` is the share of a row's loss that comes
    from what teachers said of it, where the row tells that (Hinton et al. 2015, arXiv 1503.02531).
    """

    method: str = "lora"
    objective: str = "review"
    rank: int = 32
    alpha: int = 64
    dropout: float = 0.1
    encoder_dropout: float = 0.0
    bottleneck: int = 64
    learning_rate: float = 5e-4
    head_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    schedule: str = "linear"
    warmup_share: float = 0.06
    epochs: int = 3
    max_steps: int = 0
    batch_tokens: int = 2048
    accumulate: int = 1
    max_tokens: int = 160
    precision: str = "auto"
    gradient_checkpointing: bool = False
    adversarial: str = "none"
    epsilon: float = 0.1
    pgd_steps: int = 2
    adversarial_share: float = 0.5
    rdrop: float = 0.0
    label_smoothing: float = 0.0
    class_balance: float = 0.0
    dp_noise: float = 0.0
    dp_clip: float = 1.0
    dp_delta: float = 1e-5
    max_grad_norm: float = 1.0
    evaluate_every: int = 0
    patience: int = 2
    checkpoint_seconds: float = 60.0
    mlm_share: float = 0.15
    temperature: float = 0.05
    trials: int = 0
    distil: float = 0.5
    seed: int = 20261125

    def __post_init__(self) -> None:
        for name, value, known in (
            ("method", self.method, METHODS),
            ("objective", self.objective, OBJECTIVES),
            ("schedule", self.schedule, ("linear", "cosine", "constant")),
            ("precision", self.precision, ("auto", "fp32", "bf16")),
            ("adversarial", self.adversarial, ("none", "fgm", "pgd")),
        ):
            if value not in known:
                raise ValueError(f"{name}={value}: one of {', '.join(known)}")
        for name, low, high in (
            ("rank", 1, 256), ("bottleneck", 1, 1024), ("epochs", 1, 1000), ("max_tokens", 8, 512), ("accumulate", 1, 1024),
            ("learning_rate", 1e-8, 1), ("head_learning_rate", 1e-8, 1), ("warmup_share", 0, 0.9), ("dropout", 0, 0.9), ("encoder_dropout", 0, 0.9),
            ("label_smoothing", 0, 0.5), ("class_balance", 0, 1), ("rdrop", 0, 100), ("dp_noise", 0, 100),
            ("adversarial_share", 0, 1), ("mlm_share", 0.01, 0.9), ("distil", 0, 1),
        ):  # fmt: skip
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"{name}={value}: {low} to {high}")
        if self.batch_tokens < self.max_tokens:
            raise ValueError(f"batch_tokens={self.batch_tokens}: at least max_tokens ({self.max_tokens})")
        if self.dp_noise and self.method == "adalora":
            raise ValueError("dp_noise with method=adalora: its rank budget follows gradients that are not private")
        if self.objective == "mlm" and (self.adversarial != "none" or self.rdrop):
            raise ValueError("objective=mlm with adversarial or rdrop: each pass masks other words")
        if self.dp_noise and self.objective in ("contrastive", "mlm"):
            raise ValueError(f"dp_noise with objective={self.objective}: a row's loss rests on other rows too")
        if self.dp_noise and self.class_balance:
            raise ValueError("dp_noise with class_balance: the counts of the classes are not private")
        if self.dp_noise and (self.adversarial != "none" or self.rdrop):
            raise ValueError("dp_noise with adversarial or rdrop: a second pass spends privacy that is not counted")

    def as_json(self) -> dict:
        """The configuration as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "TextTrainConfig":
        """Raises ValueError for an unknown name or a value out of range."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(unknown)}")
        return cls(**values)
