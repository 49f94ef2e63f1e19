"""States as trees: named tuples, tuples and None, with tensors at their leaves."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

from longspike._core.checks import describe

State = TypeVar("State")


def _children(state: Any) -> dict[str, Any]:
    """The parts of a node by name: fields of a named tuple, places of a tuple, nothing of None."""
    if state is None:
        return {}
    if not isinstance(state, tuple):
        raise TypeError(f"a state holds tensors, tuples, named tuples and None; got {type(state).__name__}.")
    names = getattr(type(state), "_fields", None) or map(str, range(len(state)))
    return dict(zip(names, state, strict=True))


def _rebuilt(node: Any, parts: list[Any]) -> Any:
    """A node like `node` with other parts."""
    if node is None:
        return None
    return tuple(parts) if type(node) is tuple else type(node)(*parts)


def as_state(where: str, kind: type[State], state: Any) -> State:
    """`state` as the named tuple `kind`; raise unless it has its parts."""
    if isinstance(state, kind):
        return state
    names = kind._fields  # type: ignore[attr-defined]
    if not isinstance(state, tuple | list) or len(state) != len(names):
        came = f"{len(state)} entries" if isinstance(state, tuple | list) else describe(state)
        raise ValueError(f"{where}: `state` must be ({', '.join(names)}); got {came}. Start from init_state().")
    return kind(*state)


def check_part(where: str, name: str, part: Any, shape: tuple[int, ...], hint: str = "") -> Tensor:
    """A tensor of a state; raise unless it is a real one of this shape."""
    if not isinstance(part, Tensor) or part.shape != shape or part.is_complex():
        real = "be real and have" if isinstance(part, Tensor) and part.is_complex() else "have"
        raise ValueError(
            f"{where}: `{name}` must {real} shape {shape}; got {describe(part)}.{hint} Start from init_state()."
        )
    return part


def map_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """The same state with `function` of every tensor in it.

    Args: state, of any layer or network: tensors in tuples and named tuples of any depth; None stays None.

    Example:
        >>> import torch
        >>> from longspike.nn import RefractoryLIF
        >>> state = RefractoryLIF(2).init_state(3)
        >>> detached = map_state(torch.Tensor.detach, state)
        >>> second = map_state(lambda x: x[1:2], state)
        >>> tuple(second.v.shape)
        (1, 2)
    """
    if isinstance(state, Tensor):
        return function(state)  # type: ignore[return-value]
    return _rebuilt(state, [map_state(function, part) for part in _children(state).values()])


def flatten_state(state: Any, name: str = "") -> dict[str, Tensor]:
    """Every tensor of a state by its dotted name, such as "blocks.0.neuron.v", in the order of the fields."""
    if isinstance(state, Tensor):
        return {name: state}
    prefix = f"{name}." if name else ""
    tensors: dict[str, Tensor] = {}
    for part, value in _children(state).items():
        tensors |= flatten_state(value, prefix + part)
    return tensors


def fill_state(template: State, tensors: dict[str, Tensor], name: str = "") -> State:
    """A state like `template` with the tensors of these dotted names: `flatten_state` backwards.

    Raises: KeyError for a name that is missing.
    """
    if isinstance(template, Tensor):
        return tensors[name]  # type: ignore[return-value]
    prefix = f"{name}." if name else ""
    return _rebuilt(template, [fill_state(x, tensors, prefix + part) for part, x in _children(template).items()])
