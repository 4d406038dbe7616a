"""How a run ends: each kind of trouble has its exit status, after sysexits.h, and one sentence on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from phsearch.cli.names import PROGRAM
from phsearch.cli.terminal import Console
from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, PhsearchError, RemoteError
from phsearch.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, FAILED, USAGE, UNREACHABLE, NOT_READY, INTERRUPTED = 0, 1, 2, 69, 75, 130  # wrong usage has click's
PIPE_CLOSED = 141
"""What a shell says of a program that SIGPIPE ended, as it does the others left of `| head`."""


def run_command(work: Callable[[], int]) -> int:
    """Do `work` and give its exit status, or that of its trouble, which is said on stderr."""
    try:
        status = work()
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except PhsearchError as problem:
        print_error(problem.sentence())
        return status_of(problem)
    except Exception as problem:  # noqa: BLE001 - the last line of defence against a traceback on a user's screen
        return _unexpected(problem)
    return status


def status_of(problem: PhsearchError) -> int:
    """Give the exit status for a problem."""
    match problem:
        case DaemonUnreachableError():
            return UNREACHABLE
        case RemoteError(kind="BadQuery"):
            return USAGE
        case AnswerTimeoutError() | RemoteError(retryable=True):
            return NOT_READY
        case _:
            return FAILED


def print_error(sentence: str) -> None:
    """Say on stderr what is wrong; nobody there to read it is no trouble."""
    try:
        Console.of(sys.stderr, os.environ).print_line(f"{PROGRAM}: {sentence}")
    except OSError:
        _close_stdout()


def _unexpected(problem: Exception) -> int:
    click = sys.modules.get("click")  # never imported for this: without it none of its exceptions can have come
    if click is not None and isinstance(problem, click.exceptions.Abort):
        return INTERRUPTED
    if click is not None and isinstance(problem, click.ClickException):
        problem.message = one_line(problem.message)  # an argument may be a file's name
        problem.show()
        return int(problem.exit_code)
    if os.environ.get("PHSEARCH_DEBUG"):
        raise problem
    if isinstance(problem, OSError):
        print_error(f"cannot finish: {problem.strerror or problem}")
        _close_stdout()
        return FAILED
    what = f"cannot make sense of the answer ({type(problem).__name__}: {problem})"
    print_error(f"{what}: compare the versions with `{PROGRAM} --version`; PHSEARCH_DEBUG=1 shows where it happened")
    return FAILED


def _close_stdout() -> None:
    # The interpreter flushes both streams once more at exit, which must neither fail nor complain.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
