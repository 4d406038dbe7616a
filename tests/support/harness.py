"""A real daemon in a private home folder, which tests start, call and stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from phsearch.client import Client
from phsearch.errors import PhsearchError
from support import leftovers, time_limits
from support.fork_server import FORKS_WORKERS
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from support.fork_server import ForkedProcess, ForkServer

TESTS = Path(__file__).parents[1]
SHARED = TESTS.parent.parent / "shared" / "data"


def daemon_program(name: str) -> tuple[str, str]:
    """Return the command of a daemon of tests/support/daemons."""
    return sys.executable, str(TESTS / "support" / "daemons" / f"{name}.py")


COLOUR_DAEMON = daemon_program("colour")
NO_POWER_DAEMON = daemon_program("no_power")
FORKED_DAEMONS = {daemon_program(path.stem) for path in (TESTS / "support" / "daemons").glob("*.py")} - {
    daemon_program("traced"),  # notes what is imported
    daemon_program("other_user"),  # takes a user from its start
}
_CHANGES_START = {"LC_ALL", "LC_CTYPE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONPROFILEIMPORTTIME"}
"""What an interpreter takes from its environment when it starts, so that a fork cannot have another of it."""
PHSEARCHD = (sys.executable, "-m", "phsearch.daemon.program")
PHSEARCH_CLIENT = (sys.executable, "-m", "phsearch.cli")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Poll until `condition` returns a true value, and return it; `seconds` are those of a quiet machine."""
    seconds = scaled(seconds)
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.02)


class Daemon:
    """One daemon for the photos in `home/photos`, unless other roots are given."""

    forks: ClassVar[ForkServer | None] = None
    client_forks: ClassVar[ForkServer | None] = None
    """What starts the daemons of tests/support/daemons, and clients, while tests run; otherwise they are executed."""

    def __init__(self, home: Path, program: tuple[str, ...] = COLOUR_DAEMON, settings: str = "") -> None:
        self.home = home
        self.photos = home / "photos"
        self.socket = home / "run" / "phsearch" / "phsearch.sock"
        self.state = home / "state" / "phsearch"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "PYTHONPATH": str(TESTS),
            **{name: os.environ[name] for name in (leftovers.VARIABLE, time_limits.VARIABLE) if name in os.environ},
        }
        self._program = program
        self._mounts_of: int | None = None
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self.log = home / "log"
        self.photos.mkdir(parents=True, exist_ok=True)
        (home / "run").mkdir(exist_ok=True)
        if settings:
            file = home / "config" / "phsearch" / "config.toml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(settings)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *options: str, roots: tuple[Path, ...] = (), from_file: bool = False) -> Daemon:
        """Start, and wait until it answers; with `from_file` the roots of the config file are used."""
        chosen = [] if from_file else ["--root", *(str(root) for root in roots or (self.photos,))]
        with self.log.open("ab") as log:
            command = [*self._program, *chosen, "--log-level", "debug", *options]
            if self.forks and self._program in FORKED_DAEMONS and _CHANGES_START.isdisjoint(self.env):
                cwd = None if self._mounts_of is None else self.home
                self._process = self.forks.start(command, self.env, stderr=log, cwd=cwd, mounts_of=self._mounts_of)
            else:
                self._process = subprocess.Popen(command, env=self.env, stderr=log)
        try:
            wait_until(self._answers, "the daemon answers")
        except BaseException:
            self.kill()
            raise
        return self

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the daemon with options at which it ends."""
        return subprocess.run(
            [*self._program, *options], env=self.env, capture_output=True, text=True, timeout=scaled(30), check=False
        )

    def stop(self) -> int:
        """Stop it as systemd does; return its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a power failure would."""
        self._end(signal.SIGKILL)

    def call(self, method: str, **params: Any) -> Any:
        """Call one method over the real socket."""
        with Client(self.socket, scaled(20)) as client:
            return client.call(method, **params)

    def status(self) -> dict[str, Any]:
        result: dict[str, Any] = self.call("status")
        return result

    def settled(self, seconds: float = 40) -> dict[str, Any]:
        """Wait until nothing is pending; return the status then."""

        def quiet() -> dict[str, Any] | None:
            status = self.status()
            return None if status["pending"] or status["scanning"] else status

        found: dict[str, Any] = wait_until(quiet, "nothing is pending", seconds)
        return found

    def becomes(self, seconds: float = 40, **wanted: Any) -> dict[str, Any]:
        """Wait for values of the status, e.g. photos=3; return the status."""

        def reached() -> dict[str, Any] | None:
            status = self.status()
            flat = status | status["counters"]
            return status if all(flat[key] == value for key, value in wanted.items()) else None

        try:
            found: dict[str, Any] = wait_until(reached, f"{wanted}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; status: {self.status()}; log: {self.log.read_text()[-3000:]}") from None
        return found

    def found(self, query: str, limit: int = 20) -> list[str]:
        """Search; return the paths relative to the photo folder, best first."""
        hits = self.call("search", query=query, limit=limit)["hits"]
        return [os.path.relpath(hit["path"], self.photos) for hit in hits]

    def cli(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the real client."""
        done = run_client(self.env, *words)
        assert not check or done.returncode == 0, done.stderr
        return done

    def errors(self) -> dict[str, str]:
        """Return file name -> reason."""
        return {os.path.basename(row["path"]): row["reason"] for row in self.call("library.errors")["errors"]}

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        first, *others = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split() or [""]
        if first and Path(f"/proc/{first}/cmdline").read_text().rstrip("\0") != FORKS_WORKERS:
            others = [first, *others]
        return [int(pid) for pid in others]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the daemon ended: {self.log.read_text()}"
        with contextlib.suppress(PhsearchError):
            return bool(self.status())
        return False

    def _end(self, number: int) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(scaled(20))
        except BaseException:
            # Its workers end with it.
            self._process.kill()
            self._process.wait()
            raise


def run_client(
    env: Mapping[str, str],
    *words: str,
    stdin: bytes = b"",
    cwd: Path | None = None,
    seconds: float = 60,
    forks: ForkServer | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the real client in a pipeline: as a fork of `forks`, or of those of all tests, where that can be."""
    reading, writing = os.pipe()
    threading.Thread(target=_write, args=(writing, stdin)).start()
    with os.fdopen(reading, "rb") as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [*PHSEARCH_CLIENT, *words]
        if (forks := forks or Daemon.client_forks) and _CHANGES_START.isdisjoint(env):
            process: Any = forks.start(command, env, stdin=given, stdout=out, stderr=err, cwd=cwd)
        else:
            process = subprocess.Popen(command, env=env, stdin=given, stdout=out, stderr=err, cwd=cwd)
        try:
            status = process.wait(scaled(seconds))
        except BaseException:
            process.kill()
            process.wait()
            raise
        texts = [(file.seek(0), file.read().decode("utf-8", "surrogateescape"))[1] for file in (out, err)]
    return subprocess.CompletedProcess(command, status, *texts)


def _write(pipe: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(pipe, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def running(home: Path, program: tuple[str, ...] = COLOUR_DAEMON, settings: str = "") -> Iterator[Daemon]:
    """Start a daemon and stop it at the end."""
    daemon = Daemon(home, program, settings).start()
    try:
        yield daemon
    finally:
        daemon.stop()


def photo(path: Path, colour: str | tuple[int, int, int], size: tuple[int, int] = (64, 48), **save: Any) -> Path:
    """Write a photo of one colour; its format follows the suffix, its content is unique to its path and colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour)
    # Two photos of a colour are not the same photo: a pixel depends on the path. JPEG may lose it, so it has a comment.
    place = os.fsencode(path)
    image.putpixel((0, 0), tuple(zlib.crc32(place).to_bytes(4, "little")[:3]))
    save.setdefault("comment", place)
    save.setdefault("lossless", True)
    image.save(path, **save)
    return path
