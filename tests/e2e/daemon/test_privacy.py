"""No process of phsearch asks another machine for anything, and none carries torch where it is not needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import skimage

from phsearch.adapters.linux.accelerators import find_hardware
from support.audited import audited
from support.harness import PHSEARCHD, running, wait_until

if TYPE_CHECKING:
    from support.harness import Daemon

TORCH = {"torch", "torchvision", "timm", "transformers", "open_clip", "huggingface_hub"}
PHOTOS = [Path(skimage.__file__).parent / "data" / name for name in ("chelsea.png", "coffee.png", "rocket.jpg")]
MODEL = pytest.mark.skipif(
    any(Path("/dev").glob("nvidia[0-9]*")), reason="with a CUDA device photos are embedded by torch"
)


def use_everything(daemon: Daemon) -> None:
    """Index photos, and ask by words, by a photo of the library, by one from elsewhere, and for a thumbnail."""
    for path in PHOTOS:
        shutil.copy(path, daemon.photos)
    wait_until(lambda: daemon.status()["photos"] == len(PHOTOS), "the photos are indexed", 90)
    wait_until(lambda: daemon.status()["model"]["state"] == "ready", "queries can be answered", 60)
    assert daemon.found("a cat")[0].endswith("chelsea.png")
    outside = daemon.home / "outside.png"
    shutil.copy(PHOTOS[0], outside)
    assert daemon.cli("--like", str(outside), "--all").stdout
    daemon.call("library.thumbnail", path=str(daemon.photos / "coffee.png"), width=64, height=64)
    daemon.call("doctor")
    daemon.call("metrics")


@MODEL
def test_no_process_imports_torch_or_calls_the_network(tmp_path: Path) -> None:
    with audited(tmp_path / "home") as (daemon, audit):
        use_everything(daemon)
        # For photos, texts, a photo from elsewhere, thumbnails; and bfloat16 is measured once, where there is any.
        assert len(audit.workers()) == 4 + find_hardware().bf16, audit.commands
        for pid in audit.workers():
            assert not audit.imports[pid] & TORCH, audit.commands[pid]
        assert any("openvino" in audit.imports[pid] for pid in audit.workers())
        main = audit.imports[daemon.pid]
        assert not main & (TORCH | {"openvino", "PIL"}), "the daemon itself needs none of them"
        calls = {call for pid in audit.workers() for call in audit.network[pid]}
        assert not calls, "a worker has its one socket from the start"
        for call in audit.network[daemon.pid]:
            assert str(daemon.socket) in call[1], call
    assert not (tmp_path / "home" / "intel").exists()


@MODEL
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_no_library_calls_the_network_either(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "trace=connect,sendto,sendmsg,bind,listen"
    # The tracer is a grandchild, so that the daemon itself is what is started and stopped here.
    strace = (
        "strace",
        "--daemonize=grandchild",
        "--follow-forks",
        "--seccomp-bpf",
        "-qq",
        "-e",
        calls,
        "-o",
        str(trace),
    )
    able = subprocess.run([*strace, sys.executable, "-c", "pass"], capture_output=True, check=False)
    if able.returncode:
        pytest.skip("this machine does not allow strace")
    with running(tmp_path / "home", (*strace, *PHSEARCHD)) as daemon:
        use_everything(daemon)
    addressed = [line for line in trace.read_text().splitlines() if "sa_family=" in line]
    ours = [line for line in addressed if str(daemon.socket) in line]
    others = [line for line in addressed if line not in ours]
    assert ours
    # A library finds out at its import whether this machine has IPv6: it binds to a port of its own and never listens.
    assert [line for line in others if not ("bind(" in line and '"::1"' in line)] == []
