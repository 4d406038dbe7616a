"""The environment of other programs: locales that are not UTF-8, and modules that are not for us."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.harness import COLOUR_DAEMON, PHSEARCH_CLIENT, Daemon, photo, wait_until
from support.terminals import run_on_terminal
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT = (sys.executable, "-c", "from phsearch.entry import phsearch_client; phsearch_client()")
PHSEARCHD = (sys.executable, "-c", "from phsearch.entry import phsearchd; phsearchd()")
QUICK = "[watch]\nsettle_seconds = 0.2\n"
LOCALES = {
    "de_DE.ISO-8859-1": "latin-1",
    "ru_RU.KOI8-R": "koi8-r",
    "zh_CN.GB18030": "gb18030",
    "ja_JP.EUC-JP": "euc-jp",
}
NAMES = ("Übung/café.jpg", "Фото/дом.jpg", "写真/夏.jpg")


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make locales that machines rarely have."""
    folder = tmp_path_factory.mktemp("locales")
    for name in LOCALES:
        language, _, encoding = name.partition(".")
        command = ["localedef", "-i", language, "-f", encoding, str(folder / name)]
        if shutil.which("localedef") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("localedef cannot make these locales")
    return folder


@pytest.fixture(params=LOCALES, scope="module")
def daemon(request: pytest.FixtureRequest, locales: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon in a locale that is not UTF-8."""
    daemon = Daemon(tmp_path_factory.mktemp("home"), COLOUR_DAEMON, QUICK)
    daemon.env |= {"LC_ALL": request.param, "LOCPATH": str(locales)}
    for name in NAMES:
        photo(daemon.photos / name, "red")
    daemon.start()
    daemon.becomes(photos=len(NAMES))
    yield daemon
    daemon.stop()


def ask(daemon: Daemon, *args: str | bytes, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PHSEARCH_CLIENT, *args], env=daemon.env | env, capture_output=True, timeout=scaled(30), check=False
    )


def test_names_are_exact_in_every_locale(daemon: Daemon) -> None:
    found = ask(daemon, "--all", "-0", "red").stdout.split(b"\0")[:-1]
    assert sorted(found) == sorted(os.fsencode(daemon.photos / name) for name in NAMES)
    assert found == ask(daemon, "--all", "-0", "red", LC_ALL="C").stdout.split(b"\0")[:-1]
    for name in NAMES:
        assert ask(daemon, "why", str(daemon.photos / name)).returncode == 0
        assert ask(daemon, "--all", "-0", f"like:{daemon.photos / name}", f"in:{name.partition('/')[0]}").stdout


def test_a_query_may_be_typed_in_the_encoding_of_the_terminal(daemon: Daemon) -> None:
    locale = daemon.env["LC_ALL"]
    for name in NAMES:
        try:
            typed = name.partition("/")[0].encode(LOCALES[locale])
        except UnicodeEncodeError:
            continue
        of_why: tuple[str | bytes, ...] = ("why", str(daemon.photos / name), b"in:" + typed)
        for args in ((b"in:" + typed, "red"), ("--under", typed, "red"), of_why):
            assert os.fsencode(daemon.photos / name) in ask(daemon, *args).stdout, (name, args)


def test_a_terminal_gets_what_it_can_show_in_its_encoding_and_the_rest_escaped(daemon: Daemon) -> None:
    shown = run_on_terminal(daemon.env | {"TERM": "dumb"}, "--all", "red", columns=200).raw
    encoding = LOCALES[daemon.env["LC_ALL"]]
    for name in NAMES:
        assert name.encode(encoding, "backslashreplace") in shown


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "no_SUCH"])
def test_a_locale_that_says_nothing_means_utf_8(daemon: Daemon, locale: str) -> None:
    assert os.fsencode(daemon.photos / NAMES[0]) in ask(daemon, "in:Übung", "red", LC_ALL=locale).stdout
    shown = run_on_terminal(daemon.env | {"TERM": "dumb", "LC_ALL": locale}, "--all", "red", columns=200).raw
    assert all(name.encode() in shown for name in NAMES)


def test_a_stream_of_another_encoding_fails_no_help(daemon: Daemon) -> None:
    for args in (["--help"], ["help", "query-language"], ["status"]):
        done = ask(daemon, *args, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, b""), args


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Make a folder of modules for another Python."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name in ("numpy", "json", "typing", "click", "lancedb", "re", "socket", "logging", "PIL", "watchdog"):
        (folder / f"{name}.py").write_text('raise ImportError("made for another Python")\n')
    return folder


@pytest.mark.parametrize("path", ["{}", "/nowhere:{}", "{}:", ":{}", "."])
def test_modules_of_other_programs_are_not_ours(foreign: Path, path: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(foreign), "PYTHONPATH": path.format(foreign)}
    for program in (CLIENT, PHSEARCHD):
        done = subprocess.run(
            [*program, "--help"], cwd=foreign, env=env, capture_output=True, text=True, check=False, timeout=scaled(60)
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_modules_that_python_loads_by_itself_are_left_out_as_well(foreign: Path) -> None:
    (foreign / "numpy.py").write_text("")
    (foreign / "click.py").write_text("")
    (foreign / "sitecustomize.py").write_text("import click, numpy\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(foreign), "PYTHONPATH": str(foreign), "PYTHONWARNINGS": "error"}
    done = subprocess.run([*PHSEARCHD, "--help"], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_daemon_and_workers_run_beside_modules_of_other_programs(foreign: Path, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home", PHSEARCHD, QUICK)
    daemon.env |= {"PYTHONPATH": str(foreign), "PYTHONSTARTUP": "/none", "PYTHONINSPECT": "1"}
    photo(daemon.photos / "a.png", "red")
    daemon.start()
    try:
        daemon.becomes(photos=1, pending=0, seconds=120)
        assert daemon.call("search", query="red")["hits"]
    finally:
        assert daemon.stop() == 0


def test_where_phsearch_itself_is_found_by_pythonpath_it_stays(tmp_path: Path) -> None:
    code = "import os, sys; from phsearch.interpreter import leave_foreign_modules as leave; leave()"
    code += "; print(os.environ.get('PYTHONPATH'), any('/other' in folder for folder in sys.path))"
    package = subprocess.run(
        [sys.executable, "-c", "import phsearch; print(phsearch.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    for given, told in ((f"{package[:-9]}:/other", f"{package[:-9]}:/other True"), ("/other", "None False")):
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": given}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == told


@pytest.mark.parametrize("home", ["", "~", "relative/home", "."])
def test_no_folder_is_made_where_the_daemon_was_started(tmp_path: Path, home: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": home, "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "~/x"}
    env |= {"XDG_CACHE_HOME": "cache", "HF_HOME": "~", "PYTHONPATH": os.pathsep.join(sys.path)}
    options = ["--root", str(tmp_path)]
    if home == "":  # then the system knows it, and its state is not this test's
        options += ["--state-dir", str(tmp_path / "s"), "--socket", str(tmp_path / "s" / "k")]
    with subprocess.Popen([*COLOUR_DAEMON, *options], cwd=here, env=env, stderr=subprocess.PIPE, text=True) as process:
        if home == "":
            wait_until((tmp_path / "s" / "k").exists, "it listens")
            process.terminate()
        said = process.communicate(timeout=scaled(30))[1]
    if home:
        assert said == (
            f'phsearchd: HOME is "{home}", which is no absolute path: '
            "set HOME to the absolute path of a folder that is yours\n"
        )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("args", [("--version",), ("help",), ("completion", "bash"), ("x", "--help")])
def test_what_needs_no_home_works_without_one(args: tuple[str, ...]) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": "~", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*PHSEARCH_CLIENT, *args], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run([*PHSEARCH_CLIENT, "x"], env=env, capture_output=True, text=True, check=False)
    assert done.stderr.startswith('phsearch-client: HOME is "~", which is no absolute path: set HOME')


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user whom the system does not know")
def test_a_user_without_a_home_is_told_what_to_set(tmp_path: Path) -> None:
    code = "from phsearch import paths; import os; os.setuid(4711); paths.home({})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": "/bin"}
    )
    assert "HOME is not set, and the system knows no user 4711" in done.stderr
