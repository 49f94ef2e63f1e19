"""What a trained network does on data: accuracy, spikes, energy, speed, and a page that shows them."""

from longspike.evaluation.evaluate import evaluate_model
from longspike.evaluation.report import render_report, write_report
from longspike.evaluation.result import AnytimePoint, Evaluation, SampleTrace

__all__ = ["AnytimePoint", "Evaluation", "SampleTrace", "evaluate_model", "render_report", "write_report"]
