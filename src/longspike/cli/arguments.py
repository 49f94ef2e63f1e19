"""Words of the command line, before they are parsed."""

from collections.abc import Sequence


def spread_overrides(words: Sequence[str]) -> list[str]:
    """Give every key=value after `--set` a `--set` of its own, so that both ways of writing several mean the same.

    Example:
        >>> spread_overrides(["--set", "a=1", "b=2", "--set", "c=3", "--json"])
        ['--set', 'a=1', '--set', 'b=2', '--set', 'c=3', '--json']
    """
    spread: list[str] = []
    is_after_set = False
    for word in words:
        if is_after_set and "=" in word and not word.startswith("-") and spread[-1] != "--set":
            spread.append("--set")
        is_after_set = word == "--set" or (is_after_set and "=" in word and not word.startswith("-"))
        spread.append(word)
    return spread


def fill_realtime(words: Sequence[str]) -> list[str]:
    """Give a `--realtime` without a factor the factor 1.

    Example:
        >>> fill_realtime(["--realtime", "--json"]), fill_realtime(["--realtime", "2.5"])
        (['--realtime', '1', '--json'], ['--realtime', '2.5'])
    """
    filled: list[str] = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        filled.append(word)
        if word == "--realtime" and not _is_number(following):
            filled.append("1")
    return filled


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
