"""Ways to fine-tune the encoder: all weights, LoRA, AdaLoRA, bottleneck adapters; each merges into plain weights.

The bottleneck adapter stands beside the feed-forward block, y = FFN(x) + up(gelu(down(x))) (parallel adapter, He et al.
2022, arXiv 2110.04366). Having the block's own activation it is the same as more neurons in it, so that it merges
exactly: the intermediate layer grows by the bottleneck.
"""

import math
from pathlib import Path

import torch
from peft import AdaLoraConfig, LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedModel

from ml.configs import TextTrainConfig

# Every linear layer of the encoder's blocks, and not the pooler's.
LINEAR = r".*encoder\.layer\.\d+\.(attention\.self\.(query|key|value)|attention\.output\.dense|intermediate\.dense|output\.dense)"


class ParallelAdapter(nn.Module):
    """Takes the place of a block's output layer and adds the bottleneck's answer to the block's input."""

    def __init__(self, dense: nn.Linear, width: int, bottleneck: int):
        super().__init__()
        self.dense = dense
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.block_input: Tensor | None = None

    def forward(self, hidden: Tensor) -> Tensor:
        assert self.block_input is not None
        return self.dense(hidden) + self.up(F.gelu(self.down(self.block_input)))


def _add_adapters(encoder: PreTrainedModel, bottleneck: int) -> None:
    for layer in encoder.encoder.layer:
        adapter = ParallelAdapter(layer.output.dense, encoder.config.hidden_size, bottleneck)
        layer.output.dense = adapter

        def remember(_module: nn.Module, args: tuple, adapter: ParallelAdapter = adapter) -> None:
            adapter.block_input = args[0]

        layer.intermediate.register_forward_pre_hook(remember)


def _as_autocast(_module: nn.Module, _args: tuple, out: Tensor) -> Tensor:
    kind = out.device.type
    return out.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else out


class Adapted(nn.Module):
    """An encoder with what the method makes trainable. `inner` gives token states; `merged()` plain weights."""

    def __init__(self, base_dir: Path, config: TextTrainConfig, total_steps: int):
        super().__init__()
        self.config = config
        known = AutoConfig.from_pretrained(base_dir)
        # Dropout inside attention rules its fused kernel out, and its random numbers cost a quarter of a CPU's time.
        known.attention_probs_dropout_prob, known.hidden_dropout_prob = 0.0, config.encoder_dropout
        encoder = AutoModel.from_pretrained(
            base_dir, config=known, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False
        )
        for parameter in encoder.parameters():
            parameter.requires_grad_(config.method == "full")
        if config.method == "full":
            # 81 % of the weights, of which a step touches few rows: they stay as they are.
            encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        elif config.method == "adapter":
            _add_adapters(encoder, config.bottleneck)
        else:
            common = {"lora_alpha": config.alpha, "lora_dropout": 0.0, "target_modules": LINEAR}
            if config.method == "lora":
                peft = LoraConfig(r=config.rank, **common)
            else:
                # Schedule of Zhang et al. 2023: a tenth of the steps at full rank, the last third at the final one.
                peft = AdaLoraConfig(
                    init_r=math.ceil(config.rank * 1.5), target_r=config.rank, total_step=max(10, total_steps),
                    tinit=max(1, total_steps // 10), tfinal=max(1, total_steps // 3), deltaT=max(1, total_steps // 100), **common,
                )  # fmt: skip
            encoder = get_peft_model(encoder, peft)
            for module in encoder.modules():
                if isinstance(module, LoraLayer):
                    module.cast_input_dtype_enabled = False  # autocast does it, without a copy in fp32
        if config.gradient_checkpointing:
            self._plain(encoder).gradient_checkpointing_enable({"use_reentrant": False})
        # What flows from block to block: in bf16 under autocast, or else each layer would copy its fp32 input.
        self._plain(encoder).embeddings.register_forward_hook(_as_autocast)
        self.inner = encoder

    @staticmethod
    def _plain(encoder: nn.Module) -> PreTrainedModel:
        return encoder.get_base_model() if hasattr(encoder, "get_base_model") else encoder

    @property
    def plain(self) -> PreTrainedModel:
        """The transformers module inside, adapters included."""
        return self._plain(self.inner)

    @property
    def width(self) -> int:
        return self.plain.config.hidden_size

    def forward(self, ids: Tensor | None, mask: Tensor, embeds: Tensor | None = None) -> Tensor:
        """Token states (n, tokens, width) of ids, or of their embeddings."""
        given = {"inputs_embeds": embeds} if embeds is not None else {"input_ids": ids}
        return self.plain(attention_mask=mask, **given).last_hidden_state

    def regularisation(self) -> Tensor | float:
        """AdaLoRA's orthogonality term, weight 0.5 as in the paper's code; 0 for the others."""
        if self.config.method != "adalora":
            return 0.0
        terms = []
        for name, p in self.inner.named_parameters():
            if ("lora_A" in name or "lora_B" in name) and p.requires_grad:
                cov = p @ p.T if "lora_A" in name else p.T @ p
                terms.append(torch.linalg.matrix_norm(cov - torch.eye(len(cov), device=cov.device)))
        return 0.5 * torch.stack(terms).mean()

    def allocate(self, step: int) -> None:
        """AdaLoRA's budget, after a backward pass and before the gradients are cleared."""
        if self.config.method == "adalora":
            self.inner.base_model.update_and_allocate(step)

    def merged(self) -> PreTrainedModel:
        """The encoder as plain weights. The module is used up."""
        if self.config.method in ("lora", "adalora"):
            return self.inner.merge_and_unload()
        encoder = self.inner
        if self.config.method == "adapter":
            for layer in encoder.encoder.layer:
                adapter, wide = layer.output.dense, layer.intermediate.dense
                layer.intermediate._forward_pre_hooks.clear()
                layer.intermediate.dense = _linear(
                    torch.cat([wide.weight, adapter.down.weight]), torch.cat([wide.bias, adapter.down.bias])
                )
                layer.output.dense = _linear(
                    torch.cat([adapter.dense.weight, adapter.up.weight], 1), adapter.dense.bias + adapter.up.bias
                )
            encoder.config.intermediate_size += self.config.bottleneck
        return encoder


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    out = nn.Linear(weight.shape[1], weight.shape[0])
    out.weight.data, out.bias.data = weight.detach().clone(), bias.detach().clone()
    return out
