"""The command `longspike`: parses, calls, and turns exceptions into one clear line."""

import os
import sys
import traceback
import warnings

from longspike._core.mistakes import did_you_mean
from longspike.cli.arguments import fill_realtime, spread_overrides
from longspike.cli.channels import guarded_stdout, prepare_channels, show_remarks
from longspike.cli.commands import command, command_names, overview
from longspike.cli.output import note, print_line
from longspike.cli.process import prepare_process
from longspike.cli.usage import parsed
from longspike.errors import ConfigError, LongspikeError, RunFolderError

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(args: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 ok, 1 failed, 2 wrong usage, 128 and more: stopped by a signal."""
    words = sys.argv[1:] if args is None else args
    prepare_channels()
    if words[:1] != ["bench"]:  # a benchmark measures what a program that imports the library gets
        prepare_process()
    with guarded_stdout() as stdout, warnings.catch_warnings():
        show_remarks()
        try:
            code = _call(words)
            stdout.flush()
            return code
        except KeyboardInterrupt:
            note("interrupted")
            return INTERRUPTED
        except Exception as error:
            if stdout.failure is None:
                return _report(error)
            if isinstance(
                stdout.failure, BrokenPipeError
            ):  # the reader has had enough, as in `longspike info | head -1`
                return OK
            return _report(OSError(f"stdout cannot be written: {stdout.failure.strerror}."))


def _call(words: list[str]) -> int:
    """The exit code of the command that `words` name, also where a parser leaves the process, after `--help`."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise FileNotFoundError("the working directory has been deleted. Change to one that exists.") from None
    try:
        return (_run(words[0], words[1:]) if words and words[0] in command_names() else _overview(words)) or OK
    except SystemExit as leaving:
        return int(leaving.code or OK)


def _run(name: str, words: list[str]) -> int | None:
    words = fill_realtime(spread_overrides(words))
    return parsed(command(name, words), name, words)()


def _overview(words: list[str]) -> int:
    if words[:1] == ["--version"]:
        from longspike import __version__

        print_line(__version__)
        return OK
    if words and words[0] not in ("-h", "--help"):
        hint = did_you_mean(words[0], command_names())
        raise ConfigError(f"there is no command {words[0]!r}.{hint} The commands are: {', '.join(command_names())}.")
    (print_line if words else note)(overview().rstrip())
    return OK if words else WRONG_USAGE


def _report(error: Exception) -> int:
    """One line and the remedy; the traceback with LONGSPIKE_DEBUG=1."""
    if os.environ.get("LONGSPIKE_DEBUG") == "1":
        traceback.print_exc()
    if isinstance(error, LongspikeError | ValueError | OSError):
        note(f"error: {error}")
    else:
        note(f"error: {type(error).__name__}: {error}\nSet LONGSPIKE_DEBUG=1 to see where; please report it.")
    return WRONG_USAGE if isinstance(error, ConfigError | RunFolderError) else FAILED
