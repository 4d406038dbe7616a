"""What a machine has is read from its files, without a driver or a library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.linux import accelerators
from phsearch.adapters.linux.accelerators import find_hardware

if TYPE_CHECKING:
    from pathlib import Path


def touch(root: Path, name: str, content: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_a_plain_machine_has_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "proc/cpuinfo", "model name\t: Old Thing\nflags\t\t: fpu avx2\n")
    found = find_hardware(tmp_path)
    assert (found.nvidia, found.cuda, found.intel_gpu, found.npu, found.bf16) == (False,) * 5
    assert found.processor == "Old Thing"
    assert found.openvino


def test_an_nvidia_device_counts_where_torch_is_built_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "dev/nvidia0")
    monkeypatch.setattr(accelerators, "_torch_version", lambda: "2.13.0+cpu")
    assert (find_hardware(tmp_path).nvidia, find_hardware(tmp_path).cuda) == (True, False)
    monkeypatch.setattr(accelerators, "_torch_version", lambda: "2.13.0")
    assert find_hardware(tmp_path).cuda


def test_graphics_of_intel_and_of_others_are_told_apart(tmp_path: Path) -> None:
    touch(tmp_path, "sys/class/drm/renderD128/device/vendor", "0x1002\n")
    assert not find_hardware(tmp_path).intel_gpu
    touch(tmp_path, "sys/class/drm/renderD129/device/vendor", "0x8086\n")
    assert find_hardware(tmp_path).intel_gpu


@pytest.mark.parametrize("line", ["flags\t\t: avx2 amx_bf16 amx_tile", "Features\t: fp asimd bf16"])
def test_bfloat16_of_both_kinds_of_processors_is_seen(tmp_path: Path, line: str) -> None:
    touch(tmp_path, "proc/cpuinfo", f"{line}\n")
    assert find_hardware(tmp_path).bf16


def test_an_npu_is_seen(tmp_path: Path) -> None:
    touch(tmp_path, "dev/accel/accel0")
    assert find_hardware(tmp_path).npu


def test_a_unit_for_matrices_is_seen_in_the_flags_of_the_processor(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "proc" / "cpuinfo"
    assert not accelerators.has_matrix_unit(tmp_path)
    cpuinfo.parent.mkdir()
    cpuinfo.write_text("model name\t: X\nflags\t\t: fpu avx512_bf16 amx_tile\n")
    assert not accelerators.has_matrix_unit(tmp_path)
    cpuinfo.write_text("model name\t: X\nflags\t\t: fpu amx_bf16 amx_tile\n")
    assert accelerators.has_matrix_unit(tmp_path)
