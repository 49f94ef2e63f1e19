"""The next token drawn from logits, and a text token by token."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from longspike._core.checks import check_bounds, check_positive_int


def next_token(
    logits: Tensor,
    generator: torch.Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> int:
    """A token drawn from what the logits say.

        p = softmax(logits / temperature), then only the top_k most probable tokens, then only the fewest most probable
        ones whose p sum to at least top_p; of temperature 0 the most probable one

    Args: logits: (tokens,). generator: of the CPU, from which one number is drawn, or none at temperature 0.
    Raises: ValueError if an argument is out of range.

    Example:
        >>> next_token(torch.tensor([0.0, 3.0, 1.0]), torch.Generator(), temperature=0.0)
        1
    """
    check_bounds("next_token", "temperature", temperature, low=0, closed_high=False)
    if top_k is not None:
        check_positive_int("next_token", "top_k", top_k)
    if top_p is not None:
        check_bounds("next_token", "top_p", top_p, low=0, high=1, closed_low=False)
    exact = logits.detach().double().cpu()
    if temperature == 0:
        return int(exact.argmax())
    shares, tokens = (exact / temperature).softmax(dim=0).sort(descending=True, stable=True)
    if top_k is not None:
        shares, tokens = shares[:top_k], tokens[:top_k]
    if top_p is not None:  # of what top_k has left
        before = shares.cumsum(0) - shares
        kept = before < top_p * shares.sum()
        shares, tokens = shares[kept], tokens[kept]
    ends = shares.cumsum(0)
    drawn = torch.rand((), generator=generator, dtype=torch.float64) * ends[-1]
    place = int(torch.searchsorted(ends, drawn, right=True))
    return int(tokens[min(place, len(tokens) - 1)])


def continued(
    push: Callable[[Tensor], Tensor],
    prompt: Tensor,
    *,
    num_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """The tokens that follow a prompt, one at a time.

    Args:
        push: feeds tokens (steps), int64, to a network that keeps its state, and gives the logits (tokens) after the last.
        prompt: (steps), int64, at least one token. num_tokens: to draw. seed: of the draws.
        temperature, top_k, top_p: as of `next_token`.
    Raises: ValueError if an argument is out of range.
    """
    check_positive_int("generate", "num_tokens", num_tokens)
    check_positive_int("generate", "seed", seed, low=0)
    if prompt.dim() != 1 or not len(prompt):
        raise ValueError("generate: `prompt` must hold at least one token; got none. A line break will do.")
    generator = torch.Generator().manual_seed(seed)
    logits = push(prompt)
    for k in range(num_tokens):
        token = next_token(logits, generator, temperature=temperature, top_k=top_k, top_p=top_p)
        yield token
        if k + 1 < num_tokens:
            logits = push(torch.tensor([token]))
