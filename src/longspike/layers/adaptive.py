"""Adaptive input and output for large vocabularies: frequent words get wide vectors, rare ones narrow ones."""

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from longspike._core.checks import check_bounds, check_floats, check_positive_int, describe
from longspike.layers.token_scores import in_chunks


def cluster_bounds(where: str, num_tokens: int, cutoffs: Sequence[int]) -> tuple[int, ...]:
    """0, the cutoffs, and the number of tokens: where clusters begin and end."""
    bounds = (0, *cutoffs, num_tokens)
    if any(not isinstance(bound, int) for bound in bounds) or any(a >= b for a, b in itertools.pairwise(bounds)):
        raise ValueError(
            f"{where}: `cutoffs` must rise, above 0 and below num_tokens={num_tokens}; got {tuple(cutoffs)}. "
            "Tokens are numbered by falling frequency."
        )
    return bounds


def cluster_widths(where: str, d_model: int, div: int, num_clusters: int) -> tuple[int, ...]:
    """How wide the vectors of each cluster are: d_model // div^k."""
    widths = tuple(d_model // div**k for k in range(num_clusters))
    if widths[-1] < 1:
        raise ValueError(
            f"{where}: the last of {num_clusters} clusters must be at least 1 wide, d_model // div^{num_clusters - 1}; got "
            f"d_model={d_model}, div={div}. Give fewer cutoffs or a smaller div."
        )
    return widths


class AdaptiveEmbedding(nn.Module):
    """Vectors of tokens, the narrower the rarer the token, each cluster with a projection of its own to d_model.

        cluster k holds the tokens cutoffs[k-1] <= token < cutoffs[k], and is width[k] = d_model // div^k wide
        y = sqrt(d_model) * projection[k] @ dropout(words[k][token - cutoffs[k-1]])

    Starts with words of N(0, (1/2)^2 / width) and projections of N(0, (1/2)^2 / d_model).

    Args:
        num_tokens: the size of the vocabulary, numbered by falling frequency. d_model: channels. cutoffs: rising; none for
            one cluster. div: how much narrower each cluster is. dropout: probability, between words and projection.
    Raises: ValueError if the cutoffs do not rise within the vocabulary, or a cluster has no width left.

    Reference: Baevski and Auli 2019, Adaptive input representations, arXiv 1809.10853.

    Example:
        >>> tuple(AdaptiveEmbedding(100, 16, (10, 40))(torch.tensor([[3, 99, 12]])).shape)
        (1, 3, 16)
    """

    def __init__(
        self, num_tokens: int, d_model: int, cutoffs: Sequence[int] = (), div: int = 4, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        for name, value in (("num_tokens", num_tokens), ("d_model", d_model), ("div", div)):
            check_positive_int("AdaptiveEmbedding", name, value)
        check_bounds("AdaptiveEmbedding", "dropout", dropout, low=0, high=1, closed_high=False)
        self.num_tokens, self.d_model = num_tokens, d_model
        self.bounds = cluster_bounds("AdaptiveEmbedding", num_tokens, cutoffs)
        self.widths = cluster_widths("AdaptiveEmbedding", d_model, div, len(self.bounds) - 1)
        self.words, self.projections = _make(self.bounds, self.widths, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(...), integers -> (..., d_model)."""
        if tokens.dtype not in (torch.int32, torch.int64):
            raise ValueError(
                f"AdaptiveEmbedding: `tokens` must be int32 or int64; got {describe(tokens)}. Use x.long()."
            )
        remedy = "A token is a row of the embedding."
        check_bounds("AdaptiveEmbedding", "tokens", tokens, low=0, high=self.num_tokens - 1, remedy=remedy)
        flat = tokens.flatten()
        y = self.projections[0].new_zeros(len(flat), self.d_model)
        for k, rows in _members(self.bounds, flat):
            words = self.dropout(functional.embedding(flat[rows] - self.bounds[k], self.words[k]))
            y = y.index_add(0, rows, words @ self.projections[k].t())
        return y.mul(math.sqrt(self.d_model)).reshape(*tokens.shape, self.d_model)


class Biases(nn.ParameterList):
    """Biases, one of each cluster: known to the optimiser as such."""


class AdaptiveLogSoftmax(nn.Module):
    """Log-probabilities of tokens in two stages: a token of the first cluster or another cluster, then one within it.

        head = [words[0]; clusters] @ (head_projection @ h) + bias:  frequent tokens, and a logit for each other cluster
        tail[k] = words[k] @ (projection[k].T @ h) + bias
        log p(token in cluster k > 0) = log softmax(head)[cluster k] + log softmax(tail[k])[token]

    Words and the projections of the rare clusters are those of the embedding, if tied, and are then stored there alone; the
    projection of the head is its own in any case. Dropout acts between projection and words.

    Args:
        embedding: whose clusters this has, and, if tied, whose weights. tie: whether the weights are the embedding's.
        dropout: probability.
    Reference: Grave et al. 2017, Efficient softmax approximation for GPUs, arXiv 1609.04309; tied as by Baevski and Auli.

    Example:
        >>> head = AdaptiveLogSoftmax(AdaptiveEmbedding(100, 16, (10, 40)))
        >>> tuple(head.log_prob(torch.zeros(2, 16)).shape)
        (2, 100)
    """

    def __init__(self, embedding: AdaptiveEmbedding, tie: bool = True, *, dropout: float = 0.0) -> None:
        super().__init__()
        check_bounds("AdaptiveLogSoftmax", "dropout", dropout, low=0, high=1, closed_high=False)
        self.num_tokens, self.d_model, self.bounds = embedding.num_tokens, embedding.d_model, embedding.bounds
        widths, num_clusters = embedding.widths, len(embedding.widths)
        self._tied: tuple[AdaptiveEmbedding, ...] = (
            (embedding,) if tie else ()
        )  # a tuple: no second owner of its weights
        if not tie:
            self.words, projections = _make(self.bounds, widths, self.d_model)
            self.projections = projections[1:]
        bound = 1 / math.sqrt(self.d_model)
        self.head_projection = nn.Parameter(torch.empty(widths[0], self.d_model).normal_(std=0.5 * bound))
        self.clusters = nn.Parameter(torch.empty(num_clusters - 1, widths[0]).normal_(std=0.5 / math.sqrt(widths[0])))
        sizes = [b - a for a, b in zip(self.bounds, self.bounds[1:], strict=False)]
        sizes[0] += num_clusters - 1
        self.biases = Biases(torch.empty(size).uniform_(-bound, bound) for size in sizes)
        self.dropout = nn.Dropout(dropout)

    def _weights(self, k: int) -> tuple[Tensor, Tensor]:
        """Words (tokens, width) and projection (width, d_model) of a cluster."""
        words: nn.ParameterList = self._tied[0].words if self._tied else self.words
        if k == 0:
            return words[0], self.head_projection
        tail = self._tied[0].projections[k].t() if self._tied else self.projections[k - 1].t()
        return words[k], tail

    def _stage(self, k: int, hidden: Tensor) -> Tensor:
        """Log-probabilities of a stage: of the head and its clusters, or within cluster k > 0."""
        words, projection = self._weights(k)
        weight = torch.cat([words, self.clusters]) if k == 0 else words
        projected = self.dropout(functional.linear(hidden, projection))
        return functional.linear(projected, weight, self.biases[k]).log_softmax(dim=-1)

    def _flat(self, hidden: Tensor) -> Tensor:
        check_floats("AdaptiveLogSoftmax", "hidden", hidden)
        if hidden.shape[-1:] != (self.d_model,):
            raise ValueError(
                f"AdaptiveLogSoftmax: `hidden` must have {self.d_model} channels on its last axis; got {describe(hidden)}."
            )
        return hidden.reshape(-1, self.d_model)

    def nll(self, hidden: Tensor, target: Tensor) -> Tensor:
        """-log p(target | hidden): hidden (..., d_model), target (...) integers -> (...), without making all probabilities.

        Raises: ValueError if shapes do not fit or a target is no token.
        """
        return self.judged(hidden, target)[0]

    def judged(self, hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """`nll`, and whether no token is more probable than the target, (...) each.

        Another cluster is looked into only where it as a whole is more probable than the target. (In training, dropout
        draws anew for that look.)

        Raises: as of `nll`.
        """
        flat, targets = self._flat(hidden), target.flatten().long()
        if target.shape != hidden.shape[:-1]:
            raise ValueError(
                f"AdaptiveLogSoftmax.nll: `target` must have shape {tuple(hidden.shape[:-1])}; got {describe(target)}."
            )
        check_bounds(
            "AdaptiveLogSoftmax.nll", "target", target, low=0, high=self.num_tokens - 1, remedy="It is a token."
        )
        nll, is_best = in_chunks(self._judged, flat, targets, num_logits=len(self.biases[0]))
        return nll.reshape(target.shape), is_best.reshape(target.shape)

    def _judged(self, flat: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """-log p of targets, and whether none is more probable: (rows, d_model), (rows) -> (rows) each."""
        head, first = self._stage(0, flat), self.bounds[1]
        members = list(_members(self.bounds, targets))[1:]
        place = targets.clone()
        for k, rows in members:
            place = place.index_fill(0, rows, first + k - 1)
        found = head.gather(1, place[:, None])[:, 0]
        is_best = torch.ones_like(targets, dtype=torch.bool)
        for k, rows in members:
            within, own = self._stage(k, flat[rows]), targets[rows] - self.bounds[k]
            found = found.index_add(0, rows, within.gather(1, own[:, None])[:, 0])
            is_best = is_best.index_copy(0, rows, within.argmax(dim=1) == own)
        with torch.no_grad():
            is_best &= found >= head[:, :first].amax(dim=1)
            for k, _ in members:
                cluster = first + k - 1
                rows = (is_best & (place != cluster) & (head[:, cluster] > found)).nonzero()[:, 0]
                if len(rows):
                    best = head[rows, cluster] + self._stage(k, flat[rows]).amax(dim=1)
                    is_best[rows] = found[rows] >= best
        return -found, is_best

    def log_prob(self, hidden: Tensor) -> Tensor:
        """log p of every token: (..., d_model) -> (..., num_tokens)."""
        flat = self._flat(hidden)
        head = self._stage(0, flat)
        first = self.bounds[1]
        parts = [head[:, :first]]
        parts += [self._stage(k, flat) + head[:, first + k - 1, None] for k in range(1, len(self.bounds) - 1)]
        return torch.cat(parts, dim=1).reshape(*hidden.shape[:-1], self.num_tokens)

    def forward(self, hidden: Tensor) -> Tensor:
        """As `log_prob`."""
        return self.log_prob(hidden)

    def predict(self, hidden: Tensor) -> Tensor:
        """The most probable token: (..., d_model) -> (...), int64; one cluster's probabilities at a time."""
        flat = self._flat(hidden)
        head = self._stage(0, flat)
        first = self.bounds[1]
        best, tokens = head[:, :first].max(dim=1)
        for k in range(1, len(self.bounds) - 1):
            within, place = self._stage(k, flat).max(dim=1)
            is_better = within + head[:, first + k - 1] > best
            best = torch.where(is_better, within + head[:, first + k - 1], best)
            tokens = torch.where(is_better, place + self.bounds[k], tokens)
        return tokens.reshape(hidden.shape[:-1])


def _make(bounds: tuple[int, ...], widths: tuple[int, ...], d_model: int) -> tuple[nn.ParameterList, nn.ParameterList]:
    """Words (tokens, width) and projections (d_model, width) of every cluster."""
    sizes = [b - a for a, b in itertools.pairwise(bounds)]
    words = [torch.empty(n, width).normal_(std=0.5 / math.sqrt(width)) for n, width in zip(sizes, widths, strict=True)]
    projections = [torch.empty(d_model, width).normal_(std=0.5 / math.sqrt(d_model)) for width in widths]
    return nn.ParameterList(words), nn.ParameterList(projections)


def _members(bounds: tuple[int, ...], tokens: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Every cluster and the places of its tokens (num_tokens), an empty one too, so that each weight has a gradient."""
    for k, (low, high) in enumerate(itertools.pairwise(bounds)):
        yield k, ((tokens >= low) & (tokens < high)).nonzero()[:, 0]
