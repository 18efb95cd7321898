"""`python -m benchmarks foundation|copy|reviews|reviews_scale|review_import|training`: run the measurements, print them, write benchmarks/results/<name>.json."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import django

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores and memory, without the host's name."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        kib = int(Path("/proc/meminfo").read_text().split()[1])
    except OSError:
        return f"{model}, {os.cpu_count()} cores"
    return f"{model}, {os.cpu_count()} cores, {round(kib / 2**20)} GiB"


def commit() -> str:
    """The commit that was measured, with + when the tree had changes."""
    git = ["git", "-C", str(Path(__file__).parent)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
    dirty = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True).stdout.strip()
    return head + ("+" if dirty else "")


def main(name: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomai.settings")
    django.setup()
    if name == "foundation":
        from benchmarks import catalogue, models

        figures = {**catalogue.run(), **models.run()}
    elif name == "copy":
        from benchmarks import copy

        figures = copy.run()
    elif name == "reviews_scale":
        from benchmarks import reviews_scale

        figures = reviews_scale.run()
    elif name == "reviews":
        from benchmarks import reviews

        figures = reviews.run()
    elif name == "review_import":
        from benchmarks import review_import

        figures = review_import.run()
    elif name == "training":
        from benchmarks import training

        figures = training.run()
    elif name == "off_topic":
        from benchmarks import off_topic

        figures = off_topic.run()
    elif name == "api":
        from benchmarks import api

        figures = api.run()
    elif name == "experiments":
        from benchmarks import experiments

        figures = experiments.run()
    elif name == "preferences":
        from benchmarks import preferences

        figures = preferences.run()
    else:
        raise SystemExit(
            "usage: python -m benchmarks foundation|copy|preferences|reviews|reviews_scale|review_import|training|off_topic|experiments|api"
        )
    result = {
        "commit": commit(),
        "machine": machine(),
        "command": {
            "foundation": "make bench",
            "copy": "make bench-copy",
            "preferences": "make bench-preferences",
            "reviews": "make bench-reviews",
            "review_import": "make bench-review-import",
            "training": "make bench-train",
            "experiments": "make bench-experiments",
            "api": "make bench-api",
            "off_topic": "make bench-offtopic",
        }.get(name, f"python -m benchmarks {name}"),
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{name}.json"
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.rename(target)
    print(json.dumps(figures, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
