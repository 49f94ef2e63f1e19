"""Studies: the open questions of spike-aware memories, each as a function with seeds, numbers and a plot."""

from longspike._studies.memory_span import MemorySpan, SpanSettings, memory_span
from longspike._studies.rank import RankSettings, RankStudy, study_rank
from longspike._studies.record import StudyRecord
from longspike._studies.retention import RetentionSettings, RetentionStudy, study_retention
from longspike._studies.retention_task import RetentionTask, TickBatch
from longspike._studies.transitions import TransitionSettings, TransitionStudy, study_transitions

__all__ = [
    "MemorySpan",
    "RankSettings",
    "RankStudy",
    "RetentionSettings",
    "RetentionStudy",
    "RetentionTask",
    "SpanSettings",
    "StudyRecord",
    "TickBatch",
    "TransitionSettings",
    "TransitionStudy",
    "memory_span",
    "study_rank",
    "study_retention",
    "study_transitions",
]
