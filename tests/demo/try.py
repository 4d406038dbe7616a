"""`make try`: shows phsearch at work, in a private folder that is deleted afterwards.

Starts a real daemon with an empty folder, copies real photographs there while it watches, shows them being indexed,
searches for them with the real client, and fails unless every query finds its photo first. With --photos it does the
same with a folder of yours, which is only read. In a terminal it then takes queries of yours, until an empty line.
With --keep the index stays, so that the next time begins where this one ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.client import Client
from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTOS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg",
    "rocket.jpg", "text.png",
)  # fmt: skip
QUESTIONS = {
    "a cat": "chelsea.png",
    "a cup of coffee": "coffee.png",
    "a rocket launch": "rocket.jpg",
    "coins": "coins.png",
    "a motorcycle": "motorcycle_left.png",
    "a man with a camera": "camera.png",
}
OWN_QUESTIONS = ("people smiling", "a dog or a cat", "beach sunset")
START_SECONDS = 120
INDEX_SECONDS = 300


def main() -> int:
    """Show phsearch at work; return 0 if every query found its photo first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", metavar="DIR", help="a folder of yours to search; it is only read")
    parser.add_argument("--query", help="what to look for there")
    parser.add_argument("--keep", action="store_true", help="keep the index of your folder for the next time")
    options = parser.parse_args()
    own = Path(options.photos).expanduser().absolute() if options.photos else None
    if own is not None and not own.is_dir():
        parser.error(f"{own} is not a folder: give one that holds photos, e.g. PHOTOS=~/Pictures")
    # However this program ends, the daemon is stopped and its files are deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    keep = options.keep and own is not None
    with contextlib.nullcontext(kept_home()) if keep else tempfile.TemporaryDirectory(prefix="phsearch-try-") as home:
        root = own or Path(home) / "photos"
        root.mkdir(exist_ok=True)
        env = private(Path(home))
        with daemon(root, env, Path(home) / "log") as socket:
            if own is None:
                status = show_photographs(socket, root, env)
            else:
                status = show_own(root, env, [options.query] if options.query else list(OWN_QUESTIONS))
            if sys.stdin.isatty():
                take_questions(root, env)
    left = f"The index is kept in {home}; delete it whenever you like." if keep else "Nothing was left behind."
    say(f"\nDone in {time.monotonic() - started:.0f} s. {left}")
    return status


def show_photographs(socket: Path, root: Path, env: dict[str, str]) -> int:
    """Copy photographs to the folder, watch them being indexed, and search for each."""
    source = photographs()
    say(f"Copying {len(PHOTOS)} photographs into the folder it watches:\n")
    arrived = threading.Thread(target=show_arrivals, args=(socket, root), daemon=True)
    arrived.start()
    for name in PHOTOS:
        shutil.copyfile(source / name, root / name)
    arrived.join(INDEX_SECONDS)
    subprocess.run([*CLIENT, "status", "--wait"], env=env, check=True, stdout=subprocess.DEVNULL)
    wrong = []
    for question, expected in QUESTIONS.items():
        best = ask(question, root, env)
        if not best or Path(best).name != expected:
            wrong.append(f'"{question}" should have found {expected} first')
    for complaint in wrong:
        say(f"FAILED: {complaint}")
    return 1 if wrong else 0


def show_arrivals(socket: Path, root: Path) -> None:
    """Print events until all photographs are indexed."""
    missing = set(PHOTOS)
    with Client(socket).events() as events:
        for event in events:
            if not event.path:  # what all of the daemon does, such as its pace
                continue
            name = os.path.relpath(event.path, root)
            say(f"  {event.type:8} {name}")
            missing.discard(name)
            if not missing:
                return


def show_own(root: Path, env: dict[str, str], questions: list[str]) -> int:
    """Index the owner's folder, with a progress bar, and search."""
    say(f"Reading {root} (nothing in it is changed). Ctrl-C stops waiting and asks at once.\n")
    with contextlib.suppress(KeyboardInterrupt):
        if subprocess.run([*CLIENT, "status", "--wait"], env=env, check=False).returncode:
            return 1
    for question in questions:
        ask(question, root, env)
    return 0


def take_questions(root: Path, env: dict[str, str]) -> None:
    """Search for what is typed, until an empty line or the end of the input."""
    say("\nNow yours. Describe a photo; an empty line ends.")
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while question := input("> ").strip():
            ask(question, root, env)


def ask(question: str, root: Path, env: dict[str, str]) -> str:
    """Search with the real client and print its table; return the path of the best photo."""
    say(f'\n$ phsearch-client "{question}"')
    done = subprocess.run(
        [*CLIENT, "search", "-n", "3", question], env=env, capture_output=True, text=True, errors="replace", check=False
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    for score, taken_at, path in rows:
        say(f"  {score}  {taken_at[:10]:10}  {os.path.relpath(path, root)}")
    if done.returncode or not rows:
        say(done.stderr.strip())
    return rows[0][-1] if rows else ""


@contextlib.contextmanager
def daemon(root: Path, env: dict[str, str], log: Path) -> Iterator[Path]:
    """Run a private daemon; yield its socket."""
    socket = Path(env["XDG_RUNTIME_DIR"]) / "phsearch" / "phsearch.sock"
    say(f"Starting a private phsearchd over {root} ...")
    with log.open("wb") as output:
        process = subprocess.Popen([*DAEMON, "--root", str(root)], env=env, stderr=output, start_new_session=True)
    try:
        wait_for_model(process, socket, log)
        yield socket
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for_model(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    """Wait until the daemon answers and its text model is loaded."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"phsearchd ended:\n{log.read_text(errors='replace')}")
        with contextlib.suppress(PhsearchError), Client(socket) as client:
            model = client.call("status")["model"]
            if model["state"] == "ready":
                say(f"Ready: model {model['name']} on {model['device']}, {model['precision']}.\n")
                return
            if model["state"] == "unavailable":
                sys.exit(f"{model['reason']}: {model['hint']}")
        time.sleep(0.1)
    sys.exit(f"phsearchd was not ready after {START_SECONDS} s:\n{log.read_text(errors='replace')}")


def kept_home() -> Path:
    """Return the folder for an index that is kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "phsearch-try"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def private(home: Path) -> dict[str, str]:
    """Return an environment in which no file of the user is read or changed."""
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    places = {"CONFIG_HOME": "config", "STATE_HOME": "state", "CACHE_HOME": "cache", "RUNTIME_DIR": "run"}
    return {**os.environ, **{f"XDG_{name}": str(home / folder) for name, folder in places.items()}}


def photographs() -> Path:
    """Return the folder of scikit-image's photographs, without importing it."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        sys.exit("scikit-image is not installed: run `make setup`")
    return Path(package.origin).parent / "data"


def say(text: str) -> None:
    """Print without buffering, so that progress is visible at once."""
    print(text, flush=True)


BIN = Path(sys.executable).parent
DAEMON = (str(BIN / "phsearchd"),)
CLIENT = (str(BIN / "phsearch-client"),)

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
