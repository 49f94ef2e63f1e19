"""Trees of ListOps by the rules of the Long Range Arena: drawn, evaluated and written down many at a time.

    node(depth):  depth < 10 and r <= 1/4, r ~ U(0, 1): an operator with k children node(depth + 1), k uniform in 2 .. 10
                  otherwise:                            a leaf, a digit uniform in 0 .. 9
    operators:    MIN, MAX, MED (the median, rounded down), SM (the sum modulo 10), each as likely
    length:       1 of a leaf; of an operator 2, for its name and its bracket, and those of its children
    kept:         a root, at depth 1, of 500 < length < 2,000

Reference: Nangia and Bowman 2018, ListOps; Tay et al. 2021, Long Range Arena.
"""

from typing import NamedTuple

import numpy as np

OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
CLOSE = "]"
DIGITS = tuple("0123456789")
SYMBOLS = (CLOSE, *DIGITS, *OPERATORS)
"""Token k stands for SYMBOLS[k]: the bracket is the most frequent, operators are the least."""
FIRST_DIGIT, FIRST_OPERATOR = 1, 11
MOST_DEPTH, OPERATOR_SHARE = 10, 0.25
FEWEST_CHILDREN, MOST_CHILDREN = 2, 10
SHORTEST, LONGEST = 500, 2000
"""Both excluded."""
ROOTS_AT_ONCE = 2000


class Trees(NamedTuple):
    """Trees one behind another: tokens (num_tokens,) uint8 in prefix order, without "(", ")"; length and value of each."""

    tokens: np.ndarray
    lengths: np.ndarray
    values: np.ndarray


class _Forest(NamedTuple):
    """Trees by depth: for each depth which of its nodes are operators, and how many children each of those has.

    The nodes of a depth lie in the order of their parents.
    """

    is_operator: list[np.ndarray]
    num_children: list[np.ndarray]


def draw_trees(
    count: int, random: np.random.Generator, *, shortest: int = SHORTEST, longest: int = LONGEST
) -> tuple[Trees, int]:
    """`count` trees of shortest < length < longest, and how many roots would have had to be drawn for them.

    Three of four roots are leaves and are not drawn; the number counts them by their share. Only of trees that are kept
    digits and operators are drawn.

    Example:
        >>> trees, _ = draw_trees(2, np.random.default_rng(0), shortest=3, longest=9)
        >>> [" ".join(SYMBOLS[k] for k in row) for row in np.split(trees.tokens, trees.lengths.cumsum()[:-1])]
        ['[MED 1 1 ]', '[MED 0 2 ]']
        >>> trees.values.tolist()
        [1, 1]
    """
    parts: list[Trees] = []
    num_kept = num_drawn = 0
    while num_kept < count:
        forest, tree_of = _draw_forest(ROOTS_AT_ONCE, random)
        nodes, is_operator = np.concatenate(tree_of), np.concatenate(forest.is_operator)
        lengths = np.bincount(nodes, 1 + is_operator, minlength=ROOTS_AT_ONCE)
        is_kept = (lengths > shortest) & (lengths < longest)
        last = np.flatnonzero(is_kept)[: count - num_kept]
        if num_kept + len(last) == count:  # the roots behind the last one that is needed were not drawn
            is_kept[last[-1] + 1 :] = False
            num_drawn += last[-1] + 1
        else:
            num_drawn += ROOTS_AT_ONCE
        num_kept += len(last)
        parts.append(_written(_only(forest, tree_of, is_kept), random))
    whole = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Trees(*whole), round(num_drawn / OPERATOR_SHARE)


def _draw_forest(count: int, random: np.random.Generator) -> tuple[_Forest, list[np.ndarray]]:
    """Trees whose roots are operators, and for each depth which tree its nodes belong to."""
    is_operator, num_children, tree_of = [np.ones(count, bool)], [], [np.arange(count)]
    for depth in range(2, MOST_DEPTH + 1):
        above = is_operator[-1]
        children = random.integers(FEWEST_CHILDREN, MOST_CHILDREN + 1, int(above.sum()))
        num_children.append(children)
        tree_of.append(np.repeat(tree_of[-1][above], children))
        draws = random.random(len(tree_of[-1]))
        is_operator.append(draws <= (OPERATOR_SHARE if depth < MOST_DEPTH else -1.0))
    return _Forest(is_operator, [*num_children, np.zeros(0, np.int64)]), tree_of


def _only(forest: _Forest, tree_of: list[np.ndarray], is_kept: np.ndarray) -> _Forest:
    """The trees that are kept."""
    masks = [is_kept[trees] for trees in tree_of]
    levels = list(zip(forest.is_operator, forest.num_children, masks, strict=True))
    return _Forest(
        [is_operator[mask] for is_operator, _, mask in levels],
        [children[mask[is_operator]] for is_operator, children, mask in levels],
    )


def _written(forest: _Forest, random: np.random.Generator) -> Trees:
    """The trees with operators and digits: their values from the leaves up, their tokens from the roots down."""
    sizes: list[np.ndarray] = []
    values: list[np.ndarray] = []
    operators: list[np.ndarray] = []
    for is_operator, children in zip(reversed(forest.is_operator), reversed(forest.num_children), strict=True):
        size, value = np.ones(len(is_operator), np.int64), random.integers(0, 10, len(is_operator))
        operator = random.integers(0, len(OPERATORS), len(children))
        if len(children):
            size[is_operator] = 2 + np.add.reduceat(sizes[-1], _starts(children))
            value[is_operator] = _applied(operator, values[-1], children)
        sizes.append(size)
        values.append(value)
        operators.append(operator)
    for each in (sizes, values, operators):
        each.reverse()
    tokens = np.empty(int(sizes[0].sum()), np.uint8)
    place = _starts(sizes[0])
    for depth, is_operator in enumerate(forest.is_operator):
        tokens[place] = FIRST_DIGIT + values[depth]  # an operator's is written over
        tokens[place[is_operator]] = FIRST_OPERATOR + operators[depth]
        tokens[place[is_operator] + sizes[depth][is_operator] - 1] = SYMBOLS.index(CLOSE)
        children = forest.num_children[depth]
        if not len(children):
            break
        before = _starts(sizes[depth + 1])
        place = np.repeat(place[is_operator] + 1 - before[_starts(children)], children) + before
    return Trees(tokens, sizes[0], values[0])


def _starts(counts: np.ndarray) -> np.ndarray:
    """Where each of the parts begins that lie one behind another."""
    return np.cumsum(counts) - counts


def _applied(operator: np.ndarray, values: np.ndarray, children: np.ndarray) -> np.ndarray:
    """The value of every operator on its children's values, which lie one behind another."""
    starts = _starts(children)
    keys = np.sort(np.repeat(np.arange(len(children)), children) * 10 + values) % 10  # sorted within each operator
    median = (keys[starts + (children - 1) // 2] + keys[starts + children // 2]) // 2
    choices = (
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
        median,
        np.add.reduceat(values, starts) % 10,
    )
    return np.choose(operator, choices)
