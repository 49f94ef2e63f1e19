"""What a trained network does on data: accuracy, spikes, energy, speed, and a page that shows them."""

from longspike.evaluation.evaluate import evaluate
from longspike.evaluation.predicting_files import FilePrediction, predict_files
from longspike.evaluation.report import render_report, write_report
from longspike.evaluation.result import AnytimePoint, Evaluation, Sample, StateFigure
from longspike.evaluation.saved import SavedEvaluation, evaluate_saved

__all__ = [
    "AnytimePoint",
    "Evaluation",
    "FilePrediction",
    "Sample",
    "SavedEvaluation",
    "StateFigure",
    "evaluate",
    "evaluate_saved",
    "predict_files",
    "render_report",
    "write_report",
]
