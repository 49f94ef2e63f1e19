"""Studies: the open questions of spike-aware memories, each as a function with seeds, numbers and a plot."""

from longspike.study.memory_span import MemorySpan, SpanSettings, memory_span
from longspike.study.rank import RankSettings, RankStudy, study_rank
from longspike.study.record import StudyRecord
from longspike.study.retention import RetentionSettings, RetentionStudy, study_retention
from longspike.study.retention_task import RetentionTask, TickBatch
from longspike.study.transitions import TransitionSettings, TransitionStudy, study_transitions

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
