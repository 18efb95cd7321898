"""What the chip computes fast. No Django here."""

import torch


def bf16_is_fast(device: torch.device) -> bool:
    """Whether the chip multiplies bfloat16 itself; where it doesn't, torch does so by detours that cost many times what
    float32 costs."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
