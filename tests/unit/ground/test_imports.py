"""The client is quick because of what it does not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.time_limits import scaled

FORBIDDEN = {
    "torch",
    "open_clip",
    "lancedb",
    "pyarrow",
    "numpy",
    "PIL",
    "pillow_heif",
    "rawpy",
    "watchdog",
    "pydantic",
    "transformers",
    "asyncio",
    "anyio",
    "mcp",
    "phsearch.config",
    "phsearch.domain",
    "phsearch.service",
    "phsearch.adapters",
    "phsearch.daemon",
    "phsearch.worker",
}


def loaded_by(code: str) -> set[str]:
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{code}\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=scaled(30)
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import phsearch.cli",
        "import phsearch.client",
        "import phsearch.cli.search_request",
        "from phsearch.cli.group import commands as all; [all.get_command(None, c) for c in all.list_commands(None)]",
    ],
)
def test_the_client_imports_nothing_heavy(code: str) -> None:
    assert not loaded_by(code).intersection(FORBIDDEN)


def test_nothing_is_imported_before_modules_of_other_programs_are_left_out() -> None:
    ours = {name for name in loaded_by("import phsearch.entry") if name.startswith("phsearch")}
    assert ours == {"phsearch", "phsearch.entry", "phsearch.interpreter"}
    assert not {"click", "json", "re", "socket", "typing"} & loaded_by("import phsearch.entry")


def test_the_package_itself_costs_nothing() -> None:
    assert not {"click", "json", "socket", "typing", "phsearch.client"} & loaded_by("import phsearch.cli")


def test_plain_words_do_without_click_and_dataclasses() -> None:
    assert not {"click", "dataclasses", "inspect", "phsearch.wire.methods"} & loaded_by(
        "import phsearch.cli.search_request"
    )
