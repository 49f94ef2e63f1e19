"""Measures against values worked out by hand, and the texts of numbers."""

import pytest
import torch

from longspike.evaluation.machine import cpu_model, machine, versions
from longspike.evaluation.text import count_text, energy_text, saving_text, share_text
from longspike.layers.pooling import MeanPool, early_steps
from longspike.models.sequence_classifier import spike_counts
from longspike.tasks.confusion import class_accuracy, confusion_matrix


def test_confusion_by_hand() -> None:
    confusion = confusion_matrix(torch.tensor([0, 0, 2, 2, 2]), torch.tensor([0, 1, 2, 2, 0]), num_classes=4)
    assert confusion.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert class_accuracy(confusion) == (1 / 2, None, 2 / 3, None)


def test_labels_outside_the_classes() -> None:
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 2\), the classes of the model; got min=0, max=2"):
        confusion_matrix(torch.tensor([0, 2]), torch.tensor([0, 1]), num_classes=2)
    with pytest.raises(ValueError, match="`predictions` must lie"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, -1]), num_classes=2)


def test_spikes_in_the_padding_do_not_count() -> None:
    spikes = torch.ones(2, 3, 4)
    spikes[0, 1, 2] = 0
    valid = torch.tensor([[True, True, False], [True, False, False]])
    assert spike_counts(spikes, valid).tolist() == [3, 3, 2, 3]


def test_running_means_by_hand() -> None:
    x = torch.tensor([[[1.0], [3.0], [5.0], [100.0]], [[7.0], [100.0], [100.0], [100.0]]])
    lengths = torch.tensor([3, 1])
    steps = early_steps(lengths, (0.5, 1.0))
    means = MeanPool(x.shape[2]).after(x, steps, lengths)
    assert steps.tolist() == [[2, 3], [1, 1]]
    assert means[..., 0].tolist() == [[2.0, pytest.approx(3.0)], [7.0, 7.0]]


def test_running_means_of_an_empty_sample_are_zero() -> None:
    steps = early_steps(torch.tensor([0]), (0.5,))
    means = MeanPool(2).after(torch.ones(1, 3, 2), steps, torch.tensor([0]))
    assert means.tolist() == [[[0.0, 0.0]]]
    assert steps.tolist() == [[1]]


def test_numbers_as_text() -> None:
    given = [0.0, 0.5, 999.4, 11796.48, 6.03e5, 4.2e6, 7.1e10, 3e12]
    expected = ["0.00 pJ", "0.50 pJ", "999 pJ", "11.8 nJ", "603 nJ", "4.20 µJ", "71.0 mJ", "3.00 J"]
    assert [energy_text(value) for value in given] == expected
    assert (saving_text(51.111), saving_text(3.406), saving_text(None)) == ("51.1x", "3.41x", "unlimited")
    assert [count_text(n) for n in (0, 2.0000000001, 2.25, 26.4, 131072)] == ["0", "2", "2.2", "26", "131,072"]
    assert (share_text(0.9528, digits=2), share_text(None)) == ("95.28%", "none")


def test_energy_text_of_no_number() -> None:
    assert energy_text(float("nan")) == "nan pJ"


def test_the_processor_by_its_name(tmp_path) -> None:  # type: ignore[no-untyped-def]
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nmodel name\t: Example CPU @ 2.0 GHz\n")
    assert cpu_model(cpuinfo) == "Example CPU @ 2.0 GHz"
    assert cpu_model(tmp_path / "missing")
    assert machine(torch.device("cpu"))["device"] == "cpu"
    assert set(versions()) == {"longspike", "torch", "numpy", "python"}
