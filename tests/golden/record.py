"""Record requests for the golden transcript: `python tests/golden/record.py [REQUEST...]`.

Each REQUEST, a line of JSON in which PHOTOS stands for the photo folder, is sent to a daemon over the library of
`library.py`, and the answer is added to the transcript. What is recorded already is never changed: it is what clients
in the field rely on.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden.library import library
from golden.replay import TRANSCRIPT, record


def main() -> None:
    known = (
        {json.loads(line)["request"] for line in TRANSCRIPT.read_text().splitlines()} if TRANSCRIPT.exists() else set()
    )
    with tempfile.TemporaryDirectory() as home, library(Path(home)) as daemon, TRANSCRIPT.open("a") as transcript:
        for request in sys.argv[1:] or sys.stdin.read().splitlines():
            if request in known:
                print(f"known already: {request}")
                continue
            line = json.dumps(record(daemon, request), separators=(",", ":"))
            transcript.write(line + "\n")
            print(line)


if __name__ == "__main__":
    main()
