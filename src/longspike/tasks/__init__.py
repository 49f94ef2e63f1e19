"""What networks learn: classes, values and tokens, of samples and of steps; each task in a file of its own."""

from longspike.tasks.classification import classification_loss
from longspike.tasks.definition import AbstractTask, Caption, ColumnErrors, Judged, Meaning, Measured, Metric, Table
from longspike.tasks.forecasting import forecast_labels
from longspike.tasks.predictions import Prediction, StepPrediction, ValuePrediction
from longspike.tasks.table import task, tasks

__all__ = [
    "AbstractTask",
    "Caption",
    "ColumnErrors",
    "Judged",
    "Meaning",
    "Measured",
    "Metric",
    "Prediction",
    "StepPrediction",
    "Table",
    "ValuePrediction",
    "classification_loss",
    "forecast_labels",
    "task",
    "tasks",
]
