"""Where models run: the GPU if there is one, else the processor; settings can say so outright."""

import os

from django.conf import settings


def device() -> tuple[str, str]:
    """(device, compute type) for CTranslate2: ("cuda", "int8_float16") or ("cpu", "int8")."""
    wanted = settings.INFERENCE_DEVICE
    if wanted == "auto":
        import ctranslate2

        wanted = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return ("cuda", "int8_float16") if wanted.startswith("cuda") else ("cpu", "int8")


def threads() -> int:
    """Threads of one model call: the setting, else all cores."""
    return settings.INFERENCE_THREADS or os.cpu_count() or 1
