"""For a worker process of the tests: make the tests' own capability known (`celery … -I tests.ml.words_worker`)."""

from ml import capabilities
from tests.ml.conftest import WORDS

capabilities.register(WORDS)
