"""The command `longspike`: parses, calls, and turns exceptions into one clear line."""

import difflib
import os
import sys
import traceback

import tyro

from longspike.cli.arguments import fill_realtime, spread_overrides
from longspike.cli.characters import prepare_output
from longspike.cli.commands import DESCRIPTION, command, command_names, stubs
from longspike.cli.output import note
from longspike.cli.process import prepare_process
from longspike.errors import ConfigError, LongspikeError

_CONFIG = (tyro.conf.FlagCreatePairsOff, tyro.conf.PositionalRequiredArgs)
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(args: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 ok, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if args is None else args
    prepare_output()
    if words[:1] != ["bench"]:  # a benchmark measures what a program that imports the library gets
        prepare_process()
    try:
        if words and words[0] in command_names():
            function, prog, rest = (
                command(words[0]),
                f"longspike {words[0]}",
                fill_realtime(spread_overrides(words[1:])),
            )
            code = tyro.cli(function, prog=prog, args=rest, config=_CONFIG)
        elif words and not words[0].startswith("-"):
            raise ConfigError(_no_command(words[0]))
        else:
            code = tyro.extras.subcommand_cli_from_dict(stubs(), prog="longspike", description=DESCRIPTION, args=words)
        sys.stdout.flush()
        return code or 0
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has had enough, as in `longspike recipes | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(error)


def _no_command(word: str) -> str:
    near = difflib.get_close_matches(word, command_names(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no command {word!r}.{hint} The commands are: {', '.join(command_names())}."


def _report(error: Exception) -> int:
    """One line and the remedy; the traceback with LONGSPIKE_DEBUG=1."""
    from longspike.training.errors import RunFolderError

    if os.environ.get("LONGSPIKE_DEBUG") == "1":
        traceback.print_exc()
    if isinstance(error, LongspikeError | ValueError | OSError):
        note(f"error: {error}")
    else:
        note(f"error: {type(error).__name__}: {error}\nSet LONGSPIKE_DEBUG=1 to see where; please report it.")
    return WRONG_USAGE if isinstance(error, ConfigError | RunFolderError) else FAILED
