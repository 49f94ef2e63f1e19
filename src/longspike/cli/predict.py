"""`longspike predict`: a saved model's answers to the samples of files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from longspike.cli.output import print_json_line, print_now

if TYPE_CHECKING:
    from longspike.evaluation import FilePrediction


def predict(
    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")],
    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FILE ...")],
    *,
    json: bool = False,
) -> int:
    """Ask a saved model about the samples of files, one line each.

    A model that was trained on data of your own reads files like them; they need no labels. FLAMES reads recordings of
    event cameras, a model of texts a text a file, any other one numbers: .npy, .npz, .csv, .ts or .wav. A SpikeSSMPair reads
    files two by two, FIRST SECOND, and answers a line for each pair.

    Args:
        model: Folder of a saved model, e.g. runs/gestures/model.
        files: Files, or folders of classes.
        json: Print a JSON document a line for each sample: file, sample, label where the file says it, and the answer.
    """
    from longspike.cli.waiting import Waiting
    from longspike.errors import ConfigError

    if not files:
        raise ConfigError("FILE is missing. Name at least one file.")
    with Waiting(f"{model}: loading PyTorch"):
        from longspike.evaluation import predict_files
    for each in predict_files(model, list(files)):
        if json:
            print_json_line(_as_dict(each))
        else:
            print_now(_line(each))
    return 0


def _as_dict(each: "FilePrediction") -> dict[str, Any]:
    place = {"file": each.file, "sample": each.sample or None, "label": each.label}
    shares = each.answer.all_as_dict().get("probabilities")
    named = {} if shares is None else {"probabilities": dict(zip(each.names, shares, strict=True))}
    return {**place, **each.answer.as_dict(), **named}


def _line(each: "FilePrediction") -> str:
    place = f"{each.file}, {each.sample}" if each.sample else each.file
    return f"{place}: {each.answer.text}{_verdict(each)}"


def _verdict(each: "FilePrediction") -> str:
    from longspike.tasks import Prediction

    if each.label is None:
        return ""
    if not isinstance(each.answer, Prediction):
        return f"; it is {each.label}"
    return ", right" if each.label == each.answer.class_name else f", wrong: {each.label}"
