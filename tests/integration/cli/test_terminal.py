"""No name and no message drives the terminal, or passes for a line of ours, whatever the command."""

from __future__ import annotations

import io
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

import phsearch
from phsearch import logs
from support.fakes import Refusal, ScriptedDaemon
from support.terminals import driving_chars, run_on_terminal

EVIL = (
    "/photos/\x1b[2J\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://evil\x1b\\\x9b31m\x90q\x9c\u202egpj.exe\u2066\u2028\u200f"
    "\nSPOOFED all is well\r\bx\x00\udc9b\udcff\U000e0041.jpg"
)
OURS = re.compile(r"\x1b\[[012]?m|\x1b\[K|\x1b\]8;;(file://[!-~]*?)?\x1b\\|\r(?=\x1b\[K|[^\n])")
"""Bold, dim and plain, a line cleared, a link to a file."""

NOTICE = {"text": f"{EVIL}: gone", "hint": EVIL}
STATUS = {
    "version": EVIL,
    "protocol": 1,
    "pid": 1,
    "uptime": 1.0,
    "model": {"name": EVIL, "pretrained": EVIL, "state": "ready", "device": EVIL, "precision": EVIL, "dim": 4}
    | {"reason": EVIL, "hint": EVIL, "confinement": EVIL},
    "photos": 1,
    "pending": 0,
    "scanning": False,
    "errors": 1,
    "counters": {"embedded": 1, "reused": 0, "removed": 0, "failed": 0},
    "roots": [{"path": EVIL, "state": EVIL, "photos": 1, "detail": EVIL, "missing": 2}],
    "rate": 0.0,
    "eta": None,
    "last_error": {"path": EVIL, "reason": EVIL},
    "notices": [NOTICE],
}
HIT = {"path": EVIL, "score": 0.5, "root": EVIL, "taken_at": EVIL, "offline": True, "last_seen": 1.0}
VERIFY = {"ok": False, "rows": 1, "checked": 1, "sampled": 0, "not_checked": 0, "lowest_cosine": None, "mismatched": 1}
TWIN = {"path": EVIL, "size": 1, "width": 1, "height": 1, "format": EVIL, "taken_at": EVIL, "copy": True}
SCRIPT: dict[str, Any] = {
    "library.dupes": {"groups": [{"kind": "exact", "photos": [TWIN, TWIN], "more": 0}], "total": 1},
    "search": {"hits": [HIT], "pending": 1, "photos": 1, "synced": True},
    "status": STATUS,
    "library.rescan": {"roots": [EVIL]},
    "library.errors": {"errors": [{"path": EVIL, "reason": EVIL, "attempts": 3, "failed_at": 1.5}], "total": 1},
    "library.why": {
        "path": EVIL,
        "verdict": "missing",
        "findable": False,
        "text": EVIL,
        "root": EVIL,
        "match": {"text": EVIL},
    },
    "library.verify": VERIFY | {"mismatches": [{"path": EVIL, "kind": EVIL, "detail": EVIL}]},
    "library.confirm_deletions": Refusal("OutsideLibrary", EVIL, EVIL),
    "library.retry": Refusal("OutsideLibrary", EVIL, EVIL),
}
COMMANDS = [
    ["x"],
    ["-0", "x"],
    ["--json", "x"],
    ["status"],
    ["status", "--json"],
    ["status", "--wait"],
    ["rescan"],
    ["errors"],
    ["errors", "--json"],
    ["errors", "--retry"],
    ["why", EVIL.replace("\0", "")],
    ["why", "x", EVIL.replace("\0", "").replace("\udc9b\udcff", "")],
    ["verify"],
    ["dupes"],
    ["dupes", "-0"],
    ["dupes", "--json"],
    ["confirm-deletions", "--yes", "/photos"],
    ["confirm-deletions", "--yes", EVIL.replace("\0", "")],
    ["rescan", "a", EVIL.replace("\0", "")],
    ["--socket", EVIL.replace("\0", ""), "x"],
    ["--limit", EVIL.replace("\0", ""), "x"],
    [f"--{EVIL}".replace("\0", "")],
    ["--version"],
]


def harmless(seen: str) -> None:
    shown = OURS.sub("", seen)
    bad = [char for char in driving_chars(shown) if char not in "\n\0"]
    assert not bad, (bad, seen)
    assert not re.search(r"^\s*SPOOFED", shown, re.MULTILINE), seen


@pytest.mark.parametrize("args", COMMANDS, ids=lambda args: " ".join(args)[:16].encode("unicode_escape").decode())
def test_no_command_lets_a_name_drive_the_terminal(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "phsearch").mkdir()
    env = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(phsearch.__file__).parent.parent),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    with ScriptedDaemon(tmp_path / "phsearch" / "phsearch.sock", SCRIPT):
        harmless(run_on_terminal(env, *args, columns=2000).out)


@pytest.mark.parametrize("journal", [False, True])
def test_neither_does_the_daemons_log_nor_the_journal(monkeypatch: pytest.MonkeyPatch, *, journal: bool) -> None:
    monkeypatch.setattr(logs, "to_journal", lambda *_: journal)
    stream = io.StringIO()
    logs.configure("debug", {}, stream)
    log = logging.getLogger("phsearch.test")
    log.warning("%s: cannot be read", EVIL)
    problem = RuntimeError(EVIL)
    log.error("a bug with %s", EVIL, exc_info=(RuntimeError, problem, None))
    logging.basicConfig(handlers=[], force=True)
    said = stream.getvalue()
    assert "cannot be read" in said.splitlines()[0]
    assert not [char for char in driving_chars(said) if char != "\n"]
    assert all(line.startswith("<") for line in said.splitlines()) == journal
