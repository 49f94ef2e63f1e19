"""What a language model answers: the loss of targets by the head alone equals that of all logits, made or not."""

from dataclasses import replace

import pytest
import torch

from language.conftest import CONFIG, NUM_TOKENS, corpus
from longspike.data import Batch, BatchLoader, RowLoader
from longspike.layers import token_scores
from longspike.layers.adaptive import AdaptiveEmbedding, AdaptiveLogSoftmax
from longspike.layers.token_scores import TokenScores, VocabularyHead
from longspike.models import SpikeLM
from longspike.tasks import task
from longspike.training import score


def heads() -> dict[str, torch.nn.Module]:
    torch.manual_seed(2)
    return {
        "plain": VocabularyHead(8, 50),
        "adaptive": AdaptiveLogSoftmax(AdaptiveEmbedding(50, 8, (5, 20), 2).double()),
        "one cluster": AdaptiveLogSoftmax(AdaptiveEmbedding(50, 8).double()),
    }


@pytest.mark.parametrize("name", ["plain", "adaptive", "one cluster"])
@pytest.mark.parametrize("most", [1, 60, 1 << 24])
def test_targets_are_judged_as_by_all_logits(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    head = heads()[name].double().eval()
    monkeypatch.setattr(token_scores, "MOST_LOGITS", most)
    hidden = 4 * torch.randn(3, 11, 8, dtype=torch.float64)
    scores = TokenScores(hidden, head)
    logits = head(hidden)
    assert scores.shape == logits.shape
    assert torch.equal(scores.logits(), logits)
    best = logits.argmax(dim=-1)
    some = torch.randint(0, 50, (3, 11))
    for targets in (some, best, torch.where(torch.rand(3, 11) < 0.5, some, best)):
        for grad in (True, False):
            with torch.set_grad_enabled(grad):
                nll, is_best = TokenScores(hidden, head).judged(targets)
            expected = -logits.log_softmax(dim=-1).gather(2, targets[..., None])[..., 0]
            torch.testing.assert_close(nll, expected)
            assert torch.equal(is_best, best == targets)
    assert torch.equal(scores.predicted(1, slice(2, 5)), best[1, 2:5])


def test_the_answer_to_the_same_targets_is_at_hand() -> None:
    asked = []

    class Counting(VocabularyHead):
        def judged(self, hidden: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            asked.append(len(target))
            return super().judged(hidden, target)

    scores, targets = TokenScores(torch.randn(2, 3, 4), Counting(4, 9)), torch.randint(0, 9, (2, 3))
    assert torch.equal(scores.judged(targets)[0], scores.judged(targets.clone())[0])
    scores.judged((targets + 1) % 9)
    assert asked == [6, 6]


@pytest.mark.parametrize("cutoffs", [(), (2, 4)])
def test_loss_and_gradients_are_those_of_all_logits(cutoffs: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = SpikeLM(replace(CONFIG, d_model=8, cutoffs=cutoffs, div=2)).double()
    batch = next(iter(BatchLoader(corpus(95, seqlen=11), batch_size=9, shuffle=False, seed=0)))
    assert int(batch.lengths.min()) < int(batch.lengths.max())
    judge, found = task("language"), []
    for logits in (model.classify(batch).logits, model(batch.x, lengths=batch.lengths)[0]):
        model.zero_grad()
        measured = judge.measure(logits, batch)
        measured.loss.backward()
        found.append((measured, {name: p.grad for name, p in model.named_parameters()}))
    (mine, grads), (theirs, other) = found
    torch.testing.assert_close(mine.loss, theirs.loss)
    assert mine.sums["correct"] == theirs.sums["correct"]
    assert mine.sums["count"] == 94
    for name, grad in grads.items():
        torch.testing.assert_close(grad, other[name])
    smoothed = [
        judge.measure(x, batch, label_smoothing=0.1).loss for x in (model.classify(batch).logits, model(batch.x)[0])
    ]
    torch.testing.assert_close(*smoothed)
    assert smoothed[0] != mine.loss


def test_training_makes_no_more_than_the_first_cluster_of_frequent_words(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SpikeLM(replace(CONFIG, d_model=8, cutoffs=(2, 4), div=2))
    rows: dict[int, int] = {}
    stage = AdaptiveLogSoftmax._stage

    def counted(self: AdaptiveLogSoftmax, k: int, hidden: torch.Tensor) -> torch.Tensor:
        rows[k] = rows.get(k, 0) + len(hidden)
        return stage(self, k, hidden)

    monkeypatch.setattr(AdaptiveLogSoftmax, "_stage", counted)
    x = torch.randint(0, NUM_TOKENS, (2, 6))
    labels = torch.tensor([[0, 1, 0, 1, 5, 0], [1, 1, 0, 0, 0, 3]])
    model.task.measure(
        model.classify(Batch(x, torch.tensor([6, 6]), labels)).logits, Batch(x, torch.tensor([6, 6]), labels)
    )
    assert rows[0] == 12
    assert rows[1] >= 1
    assert rows[1] + rows[2] < 12


@pytest.mark.parametrize("cutoffs", [(), (2, 4)])
def test_a_score_is_that_of_log_probabilities_by_hand(cutoffs: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    model = SpikeLM(replace(CONFIG, d_model=8, cutoffs=cutoffs, div=2)).eval()
    row = corpus(90)
    found = score(model, RowLoader(row, batch_size=1), carries_state=True)
    tokens = torch.from_numpy(row.tokens.astype("int64"))
    logs = model(tokens[None, :-1])[0].log_softmax(dim=-1)[0]
    nll = -logs.gather(1, tokens[1:, None]).mean().item()
    assert found.loss == pytest.approx(nll, rel=1e-5)
    assert found.metrics["perplexity"] == pytest.approx(torch.tensor(nll).exp().item(), rel=1e-5)
    assert found.accuracy == pytest.approx((logs.argmax(dim=-1) == tokens[1:]).float().mean().item())
