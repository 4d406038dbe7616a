"""How a run ends: each kind of error has its exit status, after sysexits.h, and one sentence on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from phsearch.cli.names import PROGRAM
from phsearch.cli.terminal import Console
from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, MalformedAnswerError, PhsearchError, RemoteError
from phsearch.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, FAILED, USAGE, UNREACHABLE, NOT_READY, CONFIG, INTERRUPTED = 0, 1, 2, 69, 75, 78, 130  # USAGE is click's
PIPE_CLOSED = 141
"""What a shell reports for a program that SIGPIPE ended, such as the others before `| head`."""


def run_command(work: Callable[[], int]) -> int:
    """Run `work` and return its exit status. An error is printed on stderr, and has a status too."""
    try:
        status = work()
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except PhsearchError as problem:
        if isinstance(problem, MalformedAnswerError) and os.environ.get("PHSEARCH_DEBUG"):
            raise
        print_error(problem.sentence())
        return status_of(problem)
    except Exception as problem:  # noqa: BLE001 - the last line of defence against a traceback on a user's screen
        return _report_unexpected(problem)
    return status


def status_of(problem: PhsearchError) -> int:
    """Return the exit status for a problem."""
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
    """Print an error on stderr. A closed stderr is no error."""
    try:
        Console.stderr().print_line(f"{PROGRAM}: {sentence}")
    except OSError:
        _discard_output()


def report_click_error(problem: Any) -> int:
    """Print click's exception for a wrong usage on stderr, and return its exit status. An Abort is an interruption."""
    if not hasattr(problem, "exit_code"):
        return INTERRUPTED
    problem.message = one_line(problem.message)  # an argument may be a file name
    problem.show()
    return int(problem.exit_code)


def _report_unexpected(problem: Exception) -> int:
    click = sys.modules.get("click")  # not imported here: where it is not loaded, none of its exceptions comes
    if click is not None and isinstance(problem, click.ClickException | click.Abort):
        return report_click_error(problem)
    if os.environ.get("PHSEARCH_DEBUG"):
        raise problem
    if isinstance(problem, OSError):
        print_error(f"cannot finish: {problem.strerror or problem}")
        _discard_output()
        return FAILED
    what = f"cannot make sense of the answer ({type(problem).__name__}: {problem})"
    print_error(f"{what}: compare the versions with `{PROGRAM} --version`; PHSEARCH_DEBUG=1 shows where it happened")
    return FAILED


def _discard_output() -> None:
    # The interpreter flushes both streams once more at exit, which must not fail or print anything.
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(null, stream.fileno())
