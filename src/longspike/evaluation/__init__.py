"""What a trained network does on data: accuracy, spikes, energy, speed, and a page that shows them."""

from longspike.evaluation.evaluate import evaluate_model
from longspike.evaluation.event_report import render_event_report, write_event_report
from longspike.evaluation.event_result import EventEvaluation, EventTrace
from longspike.evaluation.events import evaluate_events
from longspike.evaluation.report import render_report, write_report
from longspike.evaluation.result import AnytimePoint, Evaluation, SampleTrace

__all__ = [
    "AnytimePoint",
    "Evaluation",
    "EventEvaluation",
    "EventTrace",
    "SampleTrace",
    "evaluate_events",
    "evaluate_model",
    "render_event_report",
    "render_report",
    "write_event_report",
    "write_report",
]
