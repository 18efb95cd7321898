"""`python -m tests`: the lint, then both test runs (asynchronous and browser tests can't share a process). Real trainings,
minutes of them, run by `make test-slow`."""

import os
import shutil
import subprocess
import sys

BIN = os.path.dirname(sys.executable)
LINT_ENV = {
    "SECRET_KEY": "lint-only-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789",
    "SITE_URL": "https://shop.example",
    "ALLOWED_HOSTS": "shop.example",
}


def step(title: str, *command: str, env: dict[str, str] | None = None) -> int:
    print(f"\n== {title}", flush=True)
    return subprocess.run(command, env={**os.environ, **(env or {})}).returncode


def beside(most: int) -> list[str]:
    """Test processes beside each other, one a core; a file's tests share one. Files come in their order: those of many
    tests first would leave the longest, which hold one or two, to the end."""
    return ["-n", str(min(most, os.cpu_count() or 1)), "--dist", "loadfile", "--no-loadscope-reorder"]


def main() -> int:
    python = sys.executable
    codes = [
        step("ruff", f"{BIN}/ruff", "check", "."),
        step("import contracts", f"{BIN}/lint-imports", "--no-cache"),
        step("deployment check", python, "manage.py", "check", "--deploy", "--fail-level", "WARNING", env=LINT_ENV),
        step("migrations", python, "manage.py", "makemigrations", "--check", "--dry-run"),
        step("models", python, "-m", "tests.prepare"),
        step("tests", python, "-m", "pytest", "-m", "not browser and not training", "-q", "--durations=8", *beside(4)),
    ]
    if shutil.which("chromium") or shutil.which("google-chrome"):
        codes.append(step("browser tests", python, "-m", "pytest", "-m", "browser", "-q", "--durations=5", *beside(2)))
    else:
        print("\nNo chromium here, so the browser tests did not run. Debian, Ubuntu: apt-get install chromium")
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
