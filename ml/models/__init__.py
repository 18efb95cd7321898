"""Versions of models, the data and runs they came from, how they compare, and who did what with them."""

from ml.models.audit import AuditEntry
from ml.models.comparing import Comparison, Promotion
from ml.models.training import DatasetSnapshot, RetrainSchedule, TrainingRun
from ml.models.versions import ModelVersion

__all__ = [
    "AuditEntry",
    "Comparison",
    "DatasetSnapshot",
    "ModelVersion",
    "Promotion",
    "RetrainSchedule",
    "TrainingRun",
]
