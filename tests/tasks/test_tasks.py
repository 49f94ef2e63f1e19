"""Each task by its formulas: losses, metrics, padding, what is refused, and what an answer looks like."""

import math

import pytest
import torch

from longspike.data import Batch
from longspike.errors import ConfigError
from longspike.models import SpikeSSMConfig
from longspike.models.observation import Classification
from longspike.recipes import recipe, with_overrides
from longspike.tasks import Judged, Meaning, ValuePrediction, forecast_labels, task, tasks
from longspike.training.tally import Tally, score_batch

BATCH, SEQLEN, OUTPUTS = 4, 7, 3
LENGTHS = torch.tensor([7, 3, 1, 5])
NAMES = ("cat", "dog", "emu")
VALID = torch.arange(SEQLEN) < LENGTHS[:, None]


def sample_of(name: str) -> tuple[torch.Tensor, Batch]:
    """Random logits and a batch with labels of a task; the padding holds what must not count."""
    x = torch.randn(BATCH, SEQLEN, OUTPUTS)
    classes = torch.randint(0, OUTPUTS, (BATCH, SEQLEN))
    holes = torch.where(torch.rand(BATCH, SEQLEN) < 0.3, -1, classes)
    holes[0, 0] = 2
    values = torch.where(torch.rand(BATCH, OUTPUTS) < 0.2, torch.nan, torch.randn(BATCH, OUTPUTS))
    labels = {
        "classification": classes[:, 0],
        "step_labels": holes,
        "language": holes,
        "regression": values,
        "forecasting": torch.where(VALID[..., None], forecast_labels(x, LENGTHS, horizon=1), 99.0),
    }
    has_steps = task(name).reads_out == "step"
    logits = torch.randn(BATCH, SEQLEN, OUTPUTS) if has_steps else torch.randn(BATCH, OUTPUTS)
    return logits, Batch(x, LENGTHS, labels[name])


def metrics_of(name: str, logits: torch.Tensor, *batches: Batch) -> dict[str, float]:
    tally = Tally(task(name))
    for part, batch in zip(logits.split([len(b.labels) for b in batches]), batches, strict=True):
        tally.add(score_batch(task(name), Classification(part, ()), batch))
    score = tally.score()
    return {"loss": score.loss, **score.metrics}


@pytest.mark.parametrize("name", tasks())
def test_parts_come_to_the_whole_and_padding_counts_for_nothing(name: str) -> None:
    logits, batch = sample_of(name)
    whole = metrics_of(name, logits, batch)
    assert list(whole) == ["loss", *(metric.name for metric in task(name).metrics)]
    parts = [Batch(*(part[rows] for part in batch)) for rows in (slice(0, 1), slice(1, 4))]
    assert metrics_of(name, logits, *parts) == pytest.approx(whole, rel=1e-6)
    if logits.dim() == 3:
        loud = torch.where(VALID[..., None], logits, 1e3)
        junk = torch.where(VALID if batch.labels.dim() == 2 else VALID[..., None], batch.labels, 0)
        assert metrics_of(name, loud, batch._replace(labels=junk)) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("name", ["step_labels", "language"])
def test_classes_of_steps_by_definition(name: str) -> None:
    logits, batch = sample_of(name)
    found = metrics_of(name, logits, batch)
    places = [(b, t) for b in range(BATCH) for t in range(int(LENGTHS[b])) if batch.labels[b, t] >= 0]
    nll = [-float(logits[b, t].double().log_softmax(0)[batch.labels[b, t]]) for b, t in places]
    hits = [int(logits[b, t].argmax()) == int(batch.labels[b, t]) for b, t in places]
    nats = sum(nll) / len(nll)
    assert found["loss"] == pytest.approx(nats, rel=1e-6)
    assert found["accuracy"] == sum(hits) / len(hits)
    if name == "language":
        assert found["perplexity"] == pytest.approx(math.exp(nats), rel=1e-6)
        assert found["bits"] == pytest.approx(nats / math.log(2), rel=1e-6)
    else:
        of_sample = {b: [hit for (c, _), hit in zip(places, hits, strict=True) if c == b] for b, _ in places}
        assert found["whole_accuracy"] == sum(map(all, of_sample.values())) / len(of_sample)


def test_regression_by_definition() -> None:
    logits, batch = sample_of("regression")
    found = metrics_of("regression", logits, batch)
    known = ~batch.labels.isnan()
    errors = (logits - batch.labels).double()[known]
    assert found["rmse"] == pytest.approx(float(errors.square().mean().sqrt()))
    assert found["mae"] == pytest.approx(float(errors.abs().mean()))
    assert found["loss"] == pytest.approx(found["rmse"] ** 2)
    r2 = []
    for k in range(OUTPUTS):
        y, p = (x[known[:, k], k].double() for x in (batch.labels, logits))
        if len(y) > 1:
            r2.append(1 - float((p - y).square().sum() / (y - y.mean()).square().sum()))
    assert found["r2"] == pytest.approx(sum(r2) / len(r2))


def test_regression_tells_its_figures_in_the_unit_of_the_data() -> None:
    logits, batch = sample_of("regression")
    meaning = Meaning(NAMES, output_scale=0.25, output_shift=-3.0)
    told, plain = task("regression").meant(meaning), task("regression")
    (loss, sums), (same, others) = told.measure(logits, batch), plain.measure(logits, batch)
    assert torch.equal(loss, same)
    found, expected = told.figures(sums), plain.figures(others)
    assert found["rmse"] == pytest.approx(4 * expected["rmse"])
    assert found["mae"] == pytest.approx(4 * expected["mae"])
    assert found["r2"] == pytest.approx(expected["r2"])
    (answer, *_), latest = told.predictions(logits, None, meaning), told.answer(logits[0], meaning)
    torch.testing.assert_close(answer.values, (logits[0].double() + 3) / 0.25)
    assert torch.equal(latest.values, answer.values)
    assert told.judged(logits, batch, 0).prediction.tolist() == answer.values.tolist()


def test_forecasts_by_definition() -> None:
    x = torch.randn(BATCH, SEQLEN, 2)
    labels, logits = forecast_labels(x, LENGTHS, horizon=3), torch.randn(BATCH, SEQLEN, 6)
    errors, naive = [], []
    for b, n in enumerate(LENGTHS.tolist()):
        for t in range(SEQLEN):
            for j in range(3):
                ahead = labels[b, t, 2 * j : 2 * j + 2]
                if t + 1 + j < n:
                    assert torch.equal(ahead, x[b, t + 1 + j])
                    errors += (logits[b, t, 2 * j : 2 * j + 2] - ahead).tolist()
                    naive += (x[b, t] - ahead).tolist()
                else:
                    assert bool(ahead.isnan().all())
    found = metrics_of("forecasting", logits, Batch(x, LENGTHS, labels))
    assert found["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-6)
    assert found["naive_mae"] == pytest.approx(sum(map(abs, naive)) / len(naive), rel=1e-6)
    assert found["skill"] == pytest.approx(1 - found["mae"] / found["naive_mae"])
    repeated = metrics_of("forecasting", x.repeat(1, 1, 3), Batch(x, LENGTHS, labels))
    assert repeated["skill"] == 0
    assert repeated["mae"] == repeated["naive_mae"]


@pytest.mark.parametrize("scale", [(0.5, -4.0), 0.25])
def test_errors_of_forecasts_in_the_unit_of_the_data(scale: tuple[float, ...] | float) -> None:
    """Those of raw values, column by column over all steps ahead."""
    shift, names = 1.5, ("rain +1", "wind +1", "rain +2", "wind +2", "rain +3", "wind +3")
    x, logits = torch.randn(BATCH, SEQLEN, 2), torch.randn(BATCH, SEQLEN, 6)
    batch = Batch(x, LENGTHS, forecast_labels(x, LENGTHS, horizon=3))
    judge = task("forecasting").meant(Meaning(names, scale, shift))
    sums = judge.measure(logits, batch).sums
    assert [each.name for each in judge.column_errors(sums)] == ["rain", "wind"]
    for c, each in enumerate(judge.column_errors(sums)):
        factor = scale[c] if isinstance(scale, tuple) else scale
        parts = batch.labels[..., c::2], logits[..., c::2], x[..., [c, c, c]]
        own, said, last = ((part.double() - shift) / factor for part in parts)
        for errors, mae, rmse in ((said - own, each.mae, each.rmse), (last - own, each.naive_mae, each.naive_rmse)):
            errors = errors[~errors.isnan()]
            assert mae == pytest.approx(float(errors.abs().mean()), rel=1e-6)
            assert rmse == pytest.approx(float(errors.square().mean().sqrt()), rel=1e-6)
    assert task("forecasting").column_errors(sums) == ()


def test_errors_of_several_values_a_sample_are_told_apart() -> None:
    logits, batch = sample_of("regression")
    judge = task("regression").meant(Meaning(NAMES, output_scale=0.25, output_shift=-3.0))
    found = judge.column_errors(judge.measure(logits, batch).sums)
    assert [each.name for each in found] == list(NAMES)
    for k, each in enumerate(found):
        errors = 4 * (logits[:, k] - batch.labels[:, k]).double()
        errors = errors[~errors.isnan()]
        assert each.mae == pytest.approx(float(errors.abs().mean()), nan_ok=True)
        assert each.rmse == pytest.approx(float(errors.square().mean().sqrt()), nan_ok=True)
        assert (each.naive_mae, each.texts[2]) == (None, "in its own unit")
    one = judge.meant(Meaning(("weight",)))
    assert one.column_errors(one.measure(logits[:, :1], batch._replace(labels=batch.labels[:, :1])).sums) == ()
    unknown = judge.measure(logits, batch._replace(labels=torch.full_like(batch.labels, torch.nan))).sums
    assert set(judge.column_errors(unknown)[0].as_dict().values()) == {NAMES[0], None}


@pytest.mark.parametrize("name", tasks())
def test_gradients_are_finite_and_none_reaches_the_padding(name: str) -> None:
    logits, batch = sample_of(name)
    logits.requires_grad_()
    task(name).measure(logits, batch).loss.backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
    assert bool(logits.grad.abs().sum() > 0)
    if logits.dim() == 3:
        assert bool((logits.grad[~VALID] == 0).all())


@pytest.mark.parametrize("name", [name for name in tasks() if name != "classification"])
def test_a_batch_without_any_label_costs_nothing(name: str) -> None:
    logits, batch = sample_of(name)
    labels = torch.full_like(batch.labels, torch.nan if batch.labels.is_floating_point() else -1)
    logits.requires_grad_()
    loss, _ = task(name).measure(logits, batch._replace(labels=labels))
    loss.backward()
    assert loss.item() == 0
    assert bool((logits.grad == 0).all())
    found = metrics_of(name, logits.detach(), batch._replace(labels=labels))
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize(
    ("name", "logits", "labels", "message"),
    [
        (
            "classification",
            (4, 7, 3),
            "good",
            r"`logits` must have shape \(batch, classes\).*pool=\"mean\".*step_labels",
        ),
        (
            "step_labels",
            (4, 3),
            "good",
            r"step_labels: `logits` must have shape \(batch, seqlen, outputs\).*pool=\"none\"",
        ),
        ("language", (4, 3), "good", r"language: `logits` must have shape \(batch, seqlen, outputs\)"),
        (
            "regression",
            (4, 7, 3),
            "good",
            r"regression: `logits` must have shape \(batch, outputs\).*task=\"forecasting\"",
        ),
        (
            "step_labels",
            (4, 6, 3),
            "good",
            r"must be of the 4 samples and 6 steps of the batch.*Pad them as x is padded",
        ),
        (
            "step_labels",
            (4, 7, 2),
            "good",
            r"`labels` must lie in \[-1, 2\), the classes of the network.*num_outputs=3",
        ),
        ("regression", (4, 2), "good", r"real numbers \(batch, outputs\), with 2 outputs.*labels\[\.\.\., None\]"),
        ("regression", (4, 3), torch.zeros(4, 3).long(), r"real numbers .*labels\.float\(\)"),
        ("regression", (4, 3), torch.full((4, 3), torch.inf), r"must be finite, or NaN where a value is not known"),
        ("forecasting", (4, 7, 4), torch.zeros(4, 7, 4), r"outputs must be horizon \* d_input.*got 4 outputs"),
        ("language", (4, 7, 3), torch.zeros(4, 7), r"tensor of integers \(batch, seqlen\), numbers of classes"),
    ],
)
def test_what_is_of_another_task_is_named(name: str, logits: tuple, labels: object, message: str) -> None:
    _, batch = sample_of(name)
    batch = batch if isinstance(labels, str) else batch._replace(labels=labels)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        task(name).measure(torch.randn(logits), batch)
    assert len(str(caught.value)) <= 300


def test_forecast_labels_of_no_series() -> None:
    with pytest.raises(ValueError, match=r"forecast_labels: `horizon` must be an integer of at least 1; got 0"):
        forecast_labels(torch.zeros(1, 2, 1), torch.tensor([2]), horizon=0)
    with pytest.raises(ValueError, match=r"forecast_labels: `x` must be real numbers of shape .*x\.float\(\)"):
        forecast_labels(torch.zeros(1, 2, dtype=torch.int64), torch.tensor([2]), horizon=1)


def test_every_task_has_its_read_out() -> None:
    with pytest.raises(
        ConfigError, match=r"`pool` must be 'none' for the task 'language', which asks for an answer a step"
    ):
        SpikeSSMConfig(task="language")
    with pytest.raises(ConfigError, match=r"`task` must be one of 'classification', 'step_labels', .*; got 'luck'"):
        SpikeSSMConfig(task="luck")
    with pytest.raises(ValueError, match=r"task: `name` must be one of .* got 'languge'\. Did you mean 'language'\?"):
        task("languge")


def test_a_recipe_fits_its_task() -> None:
    base = recipe("digits")
    steps = with_overrides(base, ["model.task=step_labels", "model.pool=none"])
    assert steps.model.task == "step_labels"
    with pytest.raises(ConfigError, match=r"`model\.pool` must be \"mean\" for the task 'classification'; got 'none'"):
        with_overrides(base, ["model.pool=none"])
    with pytest.raises(ConfigError, match=r"`training\.label_smoothing` has no effect on values \(regression\)"):
        with_overrides(base, ["model.task=regression"])
    with pytest.raises(
        ConfigError, match=r"`training\.selection` must be one of 'task', 'loss', 'accuracy' for the task"
    ):
        with_overrides(base, ["training.selection=perplexity"])


def test_what_is_better() -> None:
    assert [task(name).metrics[0].is_higher_better for name in tasks()] == [True, True, False, False, False]


def test_answers_of_a_moment() -> None:
    logits, meaning = torch.tensor([0.0, 2.0, 1.0]), Meaning(NAMES, scale=0.5, shift=1.0)
    for name in ("classification", "step_labels", "language"):
        answer = task(name).answer(logits, meaning)
        assert answer.class_name == "dog"
        assert answer.text == f"dog ({answer.probability:.1%})"
        assert answer.as_dict() == {"decision": "dog", "probability": pytest.approx(0.665241)}
    values = task("regression").answer(logits, meaning)
    assert values.as_dict() == {"values": {"cat": 0.0, "dog": 2.0, "emu": 1.0}}
    forecast = task("forecasting").answer(logits, meaning)
    assert forecast.text == "cat -2, dog 2, emu 0"  # raw = (x - 1) / 0.5


def test_predictions_of_padded_samples() -> None:
    meaning = Meaning(NAMES)
    for name in tasks():
        logits, batch = sample_of(name)
        answers = task(name).predictions(logits, batch.lengths, meaning)
        assert len(answers) == BATCH
        if name == "step_labels":
            assert [len(answer.class_indices) for answer in answers] == LENGTHS.tolist()
            assert answers[1].class_names == tuple(NAMES[k] for k in logits[1, :3].argmax(-1).tolist())
        if name == "language":
            assert answers[3].class_index == int(logits[3, 4].argmax())
        if name == "forecasting":
            assert isinstance(answers[1], ValuePrediction)
            assert torch.equal(answers[1].values, logits[1, :3].double())


@pytest.mark.parametrize("name", tasks())
def test_tables_and_captions(name: str) -> None:
    judge = task(name)
    logits, batch = sample_of(name)
    for table in judge.tables(judge.details(logits, batch), NAMES):
        assert all(len(row) == len(table.header) for row in table.rows)
    caption = judge.caption(judge.judged(logits, batch, 1), NAMES)
    assert caption.verdict
    assert (caption.is_right is None) == (name != "classification")


def test_a_caption_says_what_was_meant() -> None:
    assert task("classification").caption(Judged(1, 2), NAMES) == ("dog", "taken for emu", False)
    assert task("classification").caption(Judged(1, 1), NAMES) == ("dog", "right", True)


def test_what_the_context_is_worth() -> None:
    logits, batch = sample_of("language")
    details = task("language").details(logits, batch)
    known = (batch.labels >= 0) & VALID
    assert details["tokens"][:3].tolist() == [
        int(known[:, part].sum()) for part in (slice(0, 1), slice(1, 3), slice(3, 7))
    ]
    assert float(details["nll"].sum()) == pytest.approx(float(task("language").measure(logits, batch).sums["loss"]))
