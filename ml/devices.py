"""Where models run: the GPU if there is one, else the processor; settings can say so outright."""

import os
from pathlib import Path

from django.conf import settings


def wide_vectors() -> None:
    """Let CTranslate2 use AVX-512 where the chip is new enough not to slow down for it (VNNI, since Cascade Lake): by
    itself it stays at AVX2 on Intel's chips, which costs a quarter of the encoder's speed. To be called before
    CTranslate2 computes; a value that is set already stands."""
    cpu = Path("/proc/cpuinfo")
    if cpu.exists() and "avx512_vnni" in cpu.read_text(encoding="utf-8", errors="replace"):
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")


def device() -> tuple[str, str]:
    """(device, compute type) for CTranslate2: ("cuda", "int8_float16") or ("cpu", "int8")."""
    wanted = settings.INFERENCE_DEVICE
    if wanted == "auto":
        import ctranslate2

        wanted = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return ("cuda", "int8_float16") if wanted.startswith("cuda") else ("cpu", "int8")


def threads() -> int:
    """Cores that the models may use: the setting, else all of them."""
    return settings.INFERENCE_THREADS or os.cpu_count() or 1


def parallel() -> dict[str, int]:
    """How a CTranslate2 model shares the cores. On a processor each core runs batches of its own with shared weights:
    models of this size lose more by splitting one batch over the cores than they win (benchmarks/models.py)."""
    if device()[0] == "cuda":
        return {"inter_threads": 1, "intra_threads": threads()}
    return {"inter_threads": threads(), "intra_threads": 1}
