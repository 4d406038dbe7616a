"""Compiles a graph for a device. This is the one module that imports OpenVINO.

`import openvino` loads its telemetry, which writes a file to ~/intel and looks a host up. It does so in
`openvino.tools`, which nothing here needs: while that name is taken by None, it cannot be imported.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch.errors import GraphError

sys.modules["openvino.tools"] = None  # type: ignore[assignment]

import openvino  # noqa: E402 - after its telemetry is kept out

if TYPE_CHECKING:
    from phsearch.domain.types import RuntimePlan

VERSION = f"OpenVINO {importlib.metadata.version('openvino')}"
DEVICES = {"cpu": "CPU", "intel-gpu": "GPU", "npu": "NPU"}
"""Our name of a device -> that of OpenVINO."""

_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def compile_graph(graph: bytes, weights: Path, plan: RuntimePlan, *, threads: int = 0) -> Any:
    """Compile a graph that points into `weights` and return the callable model. 0 threads: one for each core.

    What was compiled is kept in the plan's cache, so that the next start is five times as fast. Raises GraphError.
    """
    core = openvino.Core()
    target = DEVICES[plan.device]
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _PRECISIONS[plan.precision]}
    if target == "CPU":
        # One stream: photos are embedded a few at a time. Pinned threads would stay on cores that programs need.
        settings |= {"NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False, "INFERENCE_NUM_THREADS": threads}
    try:
        # OpenVINO reads weights only below the folder of the graph, which is the working directory for one in memory.
        with contextlib.chdir(weights.parent):
            model = core.read_model(graph)
        if target == "NPU":  # it runs graphs of one fixed shape only
            model.reshape({0: [1, *model.input(0).partial_shape[1:]]})
        if plan.cache:
            # A full disk, or a cache that may not be written: without it a start only takes longer.
            with contextlib.suppress(RuntimeError):
                compiled = core.compile_model(model, target, settings | {"CACHE_DIR": plan.cache})
                _make_private(Path(plan.cache))
                return compiled
        return core.compile_model(model, target, settings)
    except (RuntimeError, OSError) as error:
        raise GraphError(reason(error)) from error


def _make_private(cache: Path) -> None:
    """Take away the rights that OpenVINO gives to the group, whatever the umask is."""
    with contextlib.suppress(OSError):
        for blob in cache.iterdir():
            blob.chmod(0o600)


def reason(error: BaseException) -> str:
    """Return the last line of OpenVINO's message, which says what is wrong; the ones before are places in its code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1][:160]
