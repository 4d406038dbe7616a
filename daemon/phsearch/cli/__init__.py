"""`phsearch-client`: asks the daemon and prints the answer.

Plain words are by far the most frequent call. They are answered here without click, whose import takes longer than the
search. Everything else goes through click. Nothing here imports anything heavy: tests check that.
"""

from __future__ import annotations

import os
import sys

from phsearch.cli.names import COMMANDS, PROGRAM
from phsearch.interpreter import decode_typed, open_missing_streams, use_utf8


def main() -> None:
    """Run the command line of this process."""
    use_utf8()
    open_missing_streams()
    from phsearch.cli.exit_status import run_command  # noqa: PLC0415 - importing this package must cost nothing

    sys.exit(run_command(lambda: run(decode_typed(sys.argv[1:]))))


def run(args: list[str]) -> int:
    """Run the command line `args`, and return the exit status."""
    if is_words(args):
        from phsearch.cli.query_args import query_of  # noqa: PLC0415 - see above
        from phsearch.cli.search_request import find_words, validate_query  # noqa: PLC0415 - see above

        query = query_of(args, lambda path: os.path.exists(os.path.expanduser(path)))  # noqa: PTH110, PTH111
        if not validate_query(query):
            return find_words(query)
    from phsearch.cli.group import commands  # noqa: PLC0415 - the import that plain words do without
    from phsearch.cli.program import run_program  # noqa: PLC0415

    return run_program(commands, args, PROGRAM)


def is_words(args: list[str]) -> bool:
    """Whether `args` are the terms of a query and nothing else: "-people" is a term, "-n5" is not."""
    return bool(args) and args[0] not in COMMANDS and not any(map(_is_option, args))


def _is_option(arg: str) -> bool:
    return arg.startswith("--") or arg in ("-", "-n", "-0", "-h") or (arg[:2] == "-n" and arg[2:].isdecimal())
