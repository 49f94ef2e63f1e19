"""A saved model's answers to the samples of files, one after the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from longspike.data.own import OwnData, own_data_of, read_like
from longspike.errors import ConfigError, DataFileError
from longspike.events import read
from longspike.models import Flames, SpikeSSMPair, checkpoint
from longspike.models import load as load_model

BATCH_SIZE = 32
LARGEST_TEXT_BYTES = 1 << 26


class FilePrediction(NamedTuple):
    """The answer to a sample of a file.

    file, sample: where it stands, both files of a pair; sample is empty where the file is one sample. label: what it should
    be, if the file says.
    answer: as `model.predict` gives it. names: of the outputs.
    """

    file: str
    sample: str
    label: str | None
    answer: Any
    names: tuple[str, ...]


def predict_files(model: str | Path, paths: list[Path]) -> Iterator[FilePrediction]:
    """The answers to every sample of these files, in their order.

    Files are read as the model's own data was, where it was trained on such; labels in them are not needed. A network of
    events reads recordings, one of texts a text a file, one of pairs two files at a time.

    Raises: CheckpointError if `model` is none; DataFileError, ConfigError for a file that the model cannot read, when it
        is its turn; ConfigError for an odd number of files if the model reads pairs.
    """
    folder = checkpoint.model_folder(model)
    network: Any = load_model(folder)
    own = own_data_of(checkpoint.read_description(folder)["metadata"])
    if isinstance(network, SpikeSSMPair):
        yield from _of_pairs(network, paths)
        return
    for path in paths:
        if isinstance(network, Flames):
            yield FilePrediction(str(path), "", None, _of_recording(network, path, own), network.class_names)
        elif network.reads_tokens:
            yield FilePrediction(str(path), "", None, network.predict(_text(path)), network.class_names)
        else:
            yield from _of_sequences(network, path, own)


def _of_pairs(network: SpikeSSMPair, paths: list[Path]) -> Iterator[FilePrediction]:
    if len(paths) % 2:
        raise ConfigError(
            f"the model compares two files; got {len(paths)}, an odd number. Name them two by two, FIRST SECOND."
        )
    for first, second in zip(paths[::2], paths[1::2], strict=True):
        sides = tuple(_text(path) if network.reads_tokens else _one_sample(network, path) for path in (first, second))
        yield FilePrediction(f"{first}, {second}", "", None, network.predict(sides), network.class_names)


def _one_sample(network: Any, path: Path) -> Any:
    samples = _samples(network, path, None)
    if len(samples) != 1:
        raise ConfigError(f"{path} holds {len(samples):,} samples; a side of a pair is one. Split the file.")
    return samples.raw(0)


def _of_recording(network: Any, path: Path, own: OwnData | None) -> Any:
    said = {} if own is None else {name: getattr(own.reading, name) for name in ("format", "columns", "time_unit")}
    return network.predict(read(path, sensor_size=network.config.sensor_size, **said))


def _text(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_TEXT_BYTES:
            raise DataFileError(
                f"{path} has more than {LARGEST_TEXT_BYTES:,} bytes. Stream it with `longspike stream`."
            )
        text = path.read_bytes()
    except OSError as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(f"{path} cannot be read ({error.strerror}).") from None
    if not text:
        raise DataFileError(f"{path} is empty. Give a text to read.")
    return text


def _samples(network: Any, path: Path, own: OwnData | None) -> Any:
    spec = network.input_spec
    samples = read_like(own, path, d_input=network.config.d_input, samples_per_step=spec.samples_per_step)
    spec.check_sound(path, samples.steps_per_second)
    return samples


def _of_sequences(network: Any, path: Path, own: OwnData | None) -> Iterator[FilePrediction]:
    samples = _samples(network, path, own)
    is_one = path.is_file() and len(samples) == 1
    for first in range(0, len(samples), BATCH_SIZE):
        places = range(first, min(first + BATCH_SIZE, len(samples)))
        values = [samples.raw(k) for k in places]
        answers = network.predict(values, steps_per_second=samples.steps_per_second)
        for k, answer in zip(places, answers, strict=True):
            label = None if samples.labels is None else samples.labels[k]
            yield FilePrediction(str(path), "" if is_one else samples.places[k], label, answer, network.class_names)
