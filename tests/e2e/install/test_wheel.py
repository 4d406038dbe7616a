"""The built wheel, installed as a user would install it, does the main job."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.harness import Daemon

PROJECT = Path(__file__).parents[3]
UV = Path(sys.executable).with_name("uv")


def test_the_wheel_installs_into_a_clean_environment_and_finds_a_photo(tmp_path: Path) -> None:
    def uv(*words: str | Path) -> None:
        tools = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
        env = {**os.environ, **tools, "UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "")}
        env = {name: value for name, value in env.items() if value and name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run([UV, *words], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    uv("build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", PROJECT)
    (wheel,) = (tmp_path / "dist").glob("phsearch-*.whl")
    # As the README says, so that only what the daemon imports is compiled, at its first start.
    python = ("--python", sys.executable)
    uv("tool", "install", "--quiet", *python, "--constraint", PROJECT / "constraints.txt", wheel)

    daemon = Daemon(tmp_path / "home", (str(tmp_path / "bin" / "phsearchd"),))
    del daemon.env["PYTHONPATH"]
    import skimage  # noqa: PLC0415 - for its photographs alone

    data = Path(skimage.__file__).parent / "data"
    for name in ("chelsea.png", "coffee.png", "rocket.jpg"):
        shutil.copy(data / name, daemon.photos)
    daemon.start()
    try:
        daemon.becomes(photos=3, pending=0, seconds=120)
        client = [str(tmp_path / "bin" / "phsearch-client"), "-n", "1", "a", "cat"]
        done = subprocess.run(client, env=daemon.env, capture_output=True, text=True, check=True)
        assert done.stdout.rstrip().endswith("chelsea.png")
    finally:
        daemon.stop()
    # What has run is compiled, so that `install` need not do it.
    _installs_from_what_it_brings(daemon, tmp_path)


def _installs_from_what_it_brings(daemon: Daemon, tmp_path: Path) -> None:
    """Check `phsearchd install` as far as it goes without systemd, and the units it would write."""
    program = tmp_path / "bin" / "phsearchd"
    done = subprocess.run(
        [program, "install", "--root", daemon.photos],
        env=daemon.env | {"PATH": str(program.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"the line `@reboot {program}`" in done.stderr, "the link that uv made outlives an upgrade"
    config = tmp_path / "home" / "config" / "phsearch" / "config.toml"
    assert str(daemon.photos) in config.read_text()
    config.unlink()
    script = "import sys; from phsearch.installer import files; sys.stdout.write(files.text(sys.argv[1]))"
    assert (tmp_path / "home" / ".local" / "share" / "man" / "man5" / "phsearch-config.5").exists()
    client: list[str | Path] = [program.with_name("phsearch-client"), "help", "settings"]
    done = subprocess.run(client, env=daemon.env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("# Settings\n")
    for file in (path for path in (PROJECT / "systemd").rglob("*") if path.is_file()):
        name = str(file.relative_to(PROJECT))
        python = tmp_path / "tools" / "phsearch" / "bin" / "python"
        done = subprocess.run([python, "-c", script, name], cwd="/", capture_output=True, text=True, check=True)
        assert done.stdout == file.read_text()
