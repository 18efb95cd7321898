"""Who may import whom, and that the web process stays light."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOORS = {
    "views",
    "api",
    "api_lists",
    "api_storefront",
    "api_events",
    "consumers",
    "tasks",
    "admin",
    "urls",
    "store_urls",
    "api_urls",
}


def test_the_import_contracts_hold():
    done = subprocess.run(
        [f"{Path(sys.executable).parent}/lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_no_torch_in_the_web_process_nor_at_the_top_of_any_task():
    code = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup()\n"
        "import ecomai.asgi, ecomai.urls, ecomai.tasks, products.tasks, products.views, products.api, ml.encoder, ml.generator\n"
        "from django.urls import get_resolver; get_resolver().url_patterns\n"
        "heavy = {'torch', 'transformers', 'peft'} & set(sys.modules); print(heavy); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_web_process_looks_for_garbage_only_in_what_requests_leave():
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\n"
        "import gc, ecomai.asgi; print(gc.isenabled(), gc.get_freeze_count(), len(gc.get_objects()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    enabled, kept, rest = done.stdout.split()
    assert enabled == "True" and int(kept) > 100_000 and int(rest) < int(kept) / 100, done.stderr


def _is_door(name: str) -> bool:
    return name in DOORS or name.endswith(("_views", "_urls", "_admin", "_tasks"))


def test_rooms_never_import_doors():
    import ast

    broken = []
    for app in ("ecomai", "products", "ml"):
        for path in (ROOT / app).rglob("*.py"):
            if _is_door(path.stem) or "migrations" in path.parts or "management" in path.parts:
                continue
            if path.stem in ("navigation", "asgi", "celery", "apps", "settings", "logging", "__init__"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module.split(".")[-1], *(a.name for a in node.names)]
                    if node.module.split(".")[0] in ("ecomai", "products", "ml") and any(_is_door(n) for n in names):
                        broken.append(f"{path.relative_to(ROOT)}: {node.module}")
    assert broken == []
