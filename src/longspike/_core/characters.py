"""Characters that a terminal cannot show, in forms that it can: no output fails because of one."""

import codecs
import io
import os
import sys
from collections.abc import Mapping

PLAIN = {
    **dict.fromkeys("─━═╌╸╺", "-"),
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("µμ", "u"),
    **dict.fromkeys("–—−", "-"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("█▀▄▌▐■", "#"),
    "×": "x",
    "·": ".",
    "•": "*",
    "…": ".",
    "→": ">",
    "←": "<",
    "±": "~",
}
"""As wide as what they stand for, so that columns stay in line."""
HANDLER = "longspike.plain"


def plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """How a character that does not exist in an encoding is written: a form of it, a byte of a file's name, or its code.

    Example:
        >>> codecs.register_error(HANDLER, plain)
        >>> "┌─┐ 3 µJ → é".encode("ascii", errors=HANDLER)
        b'+-+ 3 uJ > \\\\xe9'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    after = error.start + 1
    if character in PLAIN:
        return PLAIN[character], after
    if "\u2500" <= character <= "\u257f":  # corners and crossings of boxes
        return "+", after
    if "\udc80" <= character <= "\udcff":  # a byte that Python could not decode
        return bytes([ord(character) - 0xDC00]), after
    return character.encode("ascii", "backslashreplace"), after


def is_c_locale(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user asked for the C locale, which knows ASCII alone; Python itself writes UTF-8 in it.

    Example:
        >>> is_c_locale({"LANG": "C"}), is_c_locale({"LANG": "C", "LC_ALL": "en_GB.UTF-8"}), is_c_locale({})
        (True, False, False)
    """
    ctype = environment.get("LC_CTYPE", "")
    set_by_python = "" if ctype in ("C.UTF-8", "C.utf8", "UTF-8") else ctype  # PEP 538
    word = environment.get("LC_ALL") or set_by_python or environment.get("LANG") or ""
    return word in ("C", "POSIX")


def prepare_output() -> None:
    """Let stdout and stderr write what they cannot encode in plain characters, and terminals in the C locale ASCII."""
    codecs.register_error(HANDLER, plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = "ascii" if stream.isatty() and is_c_locale() else stream.encoding
            stream.reconfigure(encoding=encoding, errors=HANDLER)
