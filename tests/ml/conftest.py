"""A capability of the tests' own, with a models folder of its own beside the prepared bases."""

import pytest

from ecomai import jobs
from ml import capabilities
from ml.capabilities import Capability

ROWS = {
    part: [
        {"id": f"{part}-{i}-{label}", "language": language, "label": label, "text": f"{word} thing {i}"}
        for i in range(40)
        for label, word, language in (("good", "fine", "en"), ("bad", "broken", "en"), ("good", "gut", "de"), ("bad", "kaputt", "de"))
    ]
    for part in ("train", "valid", "test")
}  # fmt: skip
RESCORED: list = []
LABELS = {"count": 0}


def build(store):
    return {part: list(rows) for part, rows in ROWS.items()}


def new_labels(store, since=None):
    return LABELS["count"]


def rescore(store):
    job = jobs.create(store=store, kind="rescore", title="rescore", task="tests.rescore", queue="ml")
    RESCORED.append(job)
    return job


WORDS = Capability(
    "words", "Words", "tests.ml.conftest.build", trainer="tests.ml.word_engine",
    config="tests.ml.word_engine.WordConfig", options=("epochs",), methods=("lora", "full"),
    export="tests.ml.word_engine.export", agreement={"agreement": 0.99}, predict="tests.ml.word_engine.predict",
    measure="ml.measures.classes", rescore="tests.ml.conftest.rescore", new_labels="tests.ml.conftest.new_labels",
)  # fmt: skip


@pytest.fixture
def words(settings, tmp_path, monkeypatch):
    """The capability "words"; the real encoder stays where it was prepared."""
    real = settings.MODELS_DIR / settings.ENCODER
    settings.MODELS_DIR = tmp_path / "models"
    settings.MODELS_DIR.mkdir()
    (settings.MODELS_DIR / settings.ENCODER).symlink_to(real)
    (settings.MODELS_DIR / "house").symlink_to(real.parent / "house")
    RESCORED.clear()
    LABELS["count"] = 0
    monkeypatch.setitem(capabilities._known, "words", WORDS)
    return WORDS
