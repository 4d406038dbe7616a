"""The built wheel, installed as a user would install it, does the main job."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import Daemon

PROJECT = Path(__file__).parents[2]
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
    python = ("--python", sys.executable, "--compile-bytecode")
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
