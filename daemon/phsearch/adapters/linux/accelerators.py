"""Which accelerators this machine has, without loading a library for any of them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import platform
from pathlib import Path

from phsearch.domain.model.runtime import Hardware

_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_INTEL = "0x8086"


def find_hardware(root: Path = Path("/")) -> Hardware:
    """Return what is there. `root` is "/", or a folder that looks like it."""
    nvidia = any((root / "dev").glob("nvidia[0-9]*")) or (root / "dev/dxg").exists()
    return Hardware(
        nvidia=nvidia,
        cuda=nvidia and not _torch_version().endswith("+cpu"),
        intel_gpu=any(_vendor(node) == _INTEL for node in (root / "sys/class/drm").glob("renderD*")),
        npu=any((root / "dev/accel").glob("accel*")),
        bf16=not _BF16_FLAGS.isdisjoint(_processor_flags(root)),
        processor=_processor_name(root),
        openvino=importlib.util.find_spec("openvino") is not None,
    )


def has_matrix_unit(root: Path = Path("/")) -> bool:
    """Whether the processor multiplies matrices of bfloat16 by a unit of its own, which Intel calls AMX."""
    return "amx_bf16" in _processor_flags(root)


def _torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _vendor(node: Path) -> str:
    with contextlib.suppress(OSError):
        return (node / "device/vendor").read_text(encoding="ascii").strip()
    return ""


def _processor_flags(root: Path) -> set[str]:
    return {flag for line in _cpuinfo(root) if line.startswith(("flags", "Features")) for flag in line.split()}


def _processor_name(root: Path) -> str:
    names = (line.partition(":")[2].strip() for line in _cpuinfo(root) if line.startswith("model name"))
    return next(names, platform.machine())


def _cpuinfo(root: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return []
