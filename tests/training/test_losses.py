"""Cross entropy, firing rates and their price."""

from typing import Any

import pytest
import torch

from longspike.data import Batch
from longspike.models.observation import Classification, LayerActivity
from longspike.tasks import task
from longspike.training import classification_loss, firing_rate, rate_penalty
from longspike.training.losses import penalised_rates
from longspike.training.tally import Tally, score_batch


def test_firing_rate_is_the_documented_mean() -> None:
    spikes = (torch.rand(3, 5, 4) < 0.4).double()
    lengths = torch.tensor([5, 2, 0])
    valid = sum(spikes[b, t].sum() for b in range(3) for t in range(int(lengths[b])))
    torch.testing.assert_close(firing_rate(spikes, lengths), valid / (7 * 4))
    torch.testing.assert_close(firing_rate(spikes), spikes.mean())


def test_padding_is_not_counted() -> None:
    spikes = (torch.rand(2, 3, 4) < 0.5).float()
    padded = torch.cat([spikes, torch.ones(2, 2, 4)], dim=1)
    assert torch.equal(firing_rate(padded, torch.tensor([3, 3])), firing_rate(spikes, torch.tensor([3, 3])))


def test_no_valid_step_means_no_spikes() -> None:
    assert firing_rate(torch.ones(2, 3, 4), torch.tensor([0, 0])).item() == 0


def test_penalty_is_the_documented_formula() -> None:
    rates = [torch.tensor(0.05), torch.tensor(0.2), torch.tensor(0.3)]
    expected = 2.0 * ((0.2 / 0.1 - 1) ** 2 + (0.3 / 0.1 - 1) ** 2)
    assert rate_penalty(rates, target=0.1, weight=2.0).item() == pytest.approx(expected)


def test_penalty_pushes_only_layers_above_the_target() -> None:
    rates = torch.tensor([0.05, 0.2], requires_grad=True)
    rate_penalty([rates[0], rates[1]], target=0.1).backward()
    assert rates.grad is not None
    assert rates.grad[0] == 0
    assert rates.grad[1] > 0


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"rate_penalty: `target` must lie in \(0, 1\); got 0"):
        rate_penalty([torch.tensor(0.1)], target=0.0)
    with pytest.raises(ValueError, match=r"classification_loss: `logits` must have shape \(batch, classes\)"):
        classification_loss(torch.zeros(2, 3, 4), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), r"`labels` must lie in \[0, 3\), the classes of the network; got min=0, max=3"),
        (torch.tensor([-1, 2]), r"got min=-1, max=2"),
        (torch.eye(3)[:2], r"`labels` must be a tensor of integers \(batch,\).*shape \(2, 3\).*labels\.argmax"),
        (torch.tensor([0.0, 1.0]), r"`labels` must be a tensor of integers"),
        ([0, 1], r"`labels` must be a tensor of integers"),
    ],
)
def test_labels_that_are_no_classes_are_named(labels: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        classification_loss(torch.zeros(2, 3), labels)


def test_labels_of_any_integer_dtype() -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([2, 0, 1, 1])
    expected = -logits.log_softmax(dim=1)[range(4), labels].mean()
    for dtype in (torch.uint8, torch.int16, torch.int32, torch.int64):
        torch.testing.assert_close(classification_loss(logits, labels.to(dtype)), expected)


def test_a_tally_of_parts_is_the_tally_of_the_whole() -> None:
    logits, labels = torch.randn(7, 3), torch.randint(0, 3, (7,))
    spikes, updates = torch.rand(7, 2), (5, 11)
    judge = task("classification")
    whole, parts = Tally(judge), Tally(judge)
    for tally, cuts in ((whole, [(0, 7)]), (parts, [(0, 4), (4, 7)])):
        for low, high in cuts:
            layers = zip(spikes[low:high].sum(dim=0), updates, strict=True)
            activity = tuple(LayerActivity(s, n * (high - low)) for s, n in layers)
            batch = Batch(logits[low:high], labels[low:high], labels[low:high])
            tally.add(score_batch(judge, Classification(logits[low:high], activity), batch))
    a, b = whole.score(), parts.score()
    assert a.accuracy == b.accuracy == int((logits.argmax(dim=1) == labels).sum()) / 7
    assert a.loss == pytest.approx(b.loss)
    assert a.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item())
    assert a.layer_rates == pytest.approx(b.layer_rates)
    assert a.layer_rates == pytest.approx((spikes.sum(dim=0) / torch.tensor([35, 77])).tolist())
    assert a.rate == pytest.approx(spikes.sum().item() / (7 * 16))
    assert set(a.as_dict("val")) == {"val/loss", "val/accuracy", "val/rate", "val/rate_layer0", "val/rate_layer1"}


def test_an_empty_tally_says_so() -> None:
    with pytest.raises(ValueError, match="nothing was added yet"):
        Tally(task("classification")).score()


def test_the_rate_of_the_network_is_that_of_all_layers_together() -> None:
    activity = (LayerActivity(torch.tensor(30.0), 100), LayerActivity(torch.tensor(10.0), 300))
    assert [float(rate) for rate in penalised_rates(activity, "layer")] == pytest.approx([0.3, 1 / 30])
    assert [float(rate) for rate in penalised_rates(activity, "network")] == pytest.approx([0.1])
    assert penalised_rates((), "network") == ()
