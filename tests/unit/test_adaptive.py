"""Adaptive embedding and softmax: probabilities, PyTorch's own, plain cross entropy, tied weights stored once."""

import copy

import pytest
import torch
from torch import nn

from longspike.layers.adaptive import AdaptiveEmbedding, AdaptiveLogSoftmax
from longspike.training import TrainingConfig, parameter_groups

NUM_TOKENS, D_MODEL, CUTOFFS = 60, 32, (7, 20)


def pair(*, tie: bool = True, cutoffs: tuple[int, ...] = CUTOFFS) -> tuple[AdaptiveEmbedding, AdaptiveLogSoftmax]:
    embedding = AdaptiveEmbedding(NUM_TOKENS, D_MODEL, cutoffs).double()
    return embedding, AdaptiveLogSoftmax(embedding, tie=tie).double()


def test_an_embedding_by_its_equation() -> None:
    embedding, _ = pair()
    assert embedding.widths == (32, 8, 2)
    tokens = torch.tensor([[0, 6, 7, 19], [20, 59, 3, 8]])
    y = embedding(tokens)
    for place in ((b, t) for b in range(2) for t in range(4)):
        token = int(tokens[place])
        k = sum(token >= cutoff for cutoff in CUTOFFS)
        word = embedding.words[k][token - (0, *CUTOFFS)[k]]
        torch.testing.assert_close(y[place], D_MODEL**0.5 * embedding.projections[k] @ word)


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("cutoffs", [(), (7,), CUTOFFS])
def test_probabilities(tie: bool, cutoffs: tuple[int, ...]) -> None:
    _, head = pair(tie=tie, cutoffs=cutoffs)
    hidden = 3 * torch.randn(2, 5, D_MODEL, dtype=torch.float64)
    logs = head.log_prob(hidden)
    torch.testing.assert_close(logs.exp().sum(dim=-1), torch.ones(2, 5, dtype=torch.float64))
    target = torch.randint(0, NUM_TOKENS, (2, 5))
    torch.testing.assert_close(head.nll(hidden, target), -logs.gather(2, target[..., None])[..., 0])
    assert torch.equal(head.predict(hidden), logs.argmax(dim=-1))
    assert torch.equal(head(hidden), logs)


def test_untied_it_is_that_of_pytorch() -> None:
    _, head = pair(tie=False)
    theirs = nn.AdaptiveLogSoftmaxWithLoss(D_MODEL, NUM_TOKENS, list(CUTOFFS), div_value=4, head_bias=True).double()
    with torch.no_grad():
        head.head_projection.copy_(torch.eye(D_MODEL))
        theirs.head.weight.copy_(torch.cat([head.words[0], head.clusters]))
        theirs.head.bias.copy_(head.biases[0])
        for k, tail in enumerate(theirs.tail, start=1):
            head.biases[k].zero_()
            tail[0].weight.copy_(head.projections[k - 1].t())
            tail[1].weight.copy_(head.words[k])
    hidden, target = torch.randn(40, D_MODEL, dtype=torch.float64), torch.randint(0, NUM_TOKENS, (40,))
    torch.testing.assert_close(head.log_prob(hidden), theirs.log_prob(hidden))
    torch.testing.assert_close(-head.nll(hidden, target), theirs(hidden, target).output)
    assert torch.equal(head.predict(hidden), theirs.predict(hidden))


def test_without_cutoffs_it_is_cross_entropy() -> None:
    embedding, head = pair(cutoffs=())
    hidden, target = torch.randn(9, D_MODEL, dtype=torch.float64), torch.randint(0, NUM_TOKENS, (9,))
    logits = hidden @ head.head_projection.t() @ embedding.words[0].t() + head.biases[0]
    expected = nn.functional.cross_entropy(logits, target, reduction="none")
    torch.testing.assert_close(head.nll(hidden, target), expected)


def test_tied_weights_are_stored_once_and_stay_tied() -> None:
    network = nn.Module()
    network.embedding, network.head = pair()
    names = set(network.state_dict())
    assert {name for name in names if "words" in name} == {f"embedding.words.{k}" for k in range(3)}
    assert not any(name.startswith("head.projections") for name in names)
    twin = copy.deepcopy(network)
    twin.load_state_dict({name: x.clone() for name, x in network.state_dict().items()}, assign=True)
    hidden = torch.randn(3, D_MODEL, dtype=torch.float64)
    before = twin.head.log_prob(hidden)
    with torch.no_grad():
        twin.embedding.words[1].mul_(2)
    assert not torch.equal(twin.head.log_prob(hidden), before)
    assert torch.equal(network.head.log_prob(hidden), before)


def test_every_weight_has_a_gradient_though_its_cluster_is_empty() -> None:
    embedding, head = pair()
    tokens = torch.tensor([0, 3, 6])
    loss = head.nll(embedding(tokens), tokens).sum()
    loss.backward()
    for parameter in (*embedding.parameters(), *head.parameters()):
        assert parameter.grad is not None
        assert bool(parameter.grad.isfinite().all())
    hidden = torch.randn(4, D_MODEL, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 8, 30, 59])
    assert torch.autograd.gradcheck(lambda x: head.nll(x, target), hidden)


def test_biases_are_not_decayed() -> None:
    network = nn.Module()
    network.embedding, network.head = pair()
    groups = {group["name"]: group["params"] for group in parameter_groups(network, TrainingConfig())}
    assert {id(bias) for bias in network.head.biases} == {id(parameter) for parameter in groups["plain"]}
    assert len(groups["decayed"]) == 3 + 3 + 2


def test_dropout_acts_in_training_only() -> None:
    embedding = AdaptiveEmbedding(NUM_TOKENS, D_MODEL, CUTOFFS, dropout=0.5)
    head = AdaptiveLogSoftmax(embedding, dropout=0.5)
    tokens = torch.arange(NUM_TOKENS)
    assert not torch.equal(embedding(tokens), embedding(tokens))
    embedding.eval(), head.eval()
    hidden = embedding(tokens)
    assert torch.equal(hidden, embedding(tokens))
    assert torch.equal(head(hidden), head(hidden))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutoffs": (7, 7)}, r"`cutoffs` must rise, above 0 and below num_tokens=60; got \(7, 7\)"),
        ({"cutoffs": (0,)}, "`cutoffs` must rise"),
        ({"cutoffs": (60,)}, "`cutoffs` must rise"),
        ({"cutoffs": (7, 20, 30), "div": 8}, "the last of 4 clusters must be at least 1 wide"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\)"),
        ({"div": 0}, "`div` must be an integer of at least 1"),
    ],
)
def test_what_is_no_embedding(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveEmbedding(NUM_TOKENS, D_MODEL, **options)


def test_what_does_not_fit() -> None:
    embedding, head = pair()
    hidden = torch.zeros(2, D_MODEL, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"`tokens` must lie in \[0, 59\]; got 60"):
        embedding(torch.tensor([60]))
    with pytest.raises(ValueError, match=r"`tokens` must be int32 or int64.*x\.long\(\)"):
        embedding(torch.zeros(2))
    with pytest.raises(ValueError, match="`hidden` must have 32 channels on its last axis"):
        head.log_prob(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"`target` must have shape \(2,\)"):
        head.nll(hidden, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"`target` must lie in \[0, 59\]"):
        head.nll(hidden, torch.tensor([0, -1]))
