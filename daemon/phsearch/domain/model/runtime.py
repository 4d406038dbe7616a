"""Which runtimes and devices a model may be run by, in the order they are tried, and which precision is worth it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Candidate = Literal["cuda", "intel-gpu", "npu", "cpu", "torch"]
"""torch on CUDA; OpenVINO on Intel's graphics, an NPU or the processor; torch on the processor."""

_MIN_SPEEDUP = 1.15
_MIN_COSINE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What the machine has. `cuda` is whether torch was built for the NVIDIA device that there is."""

    nvidia: bool = False
    cuda: bool = False
    intel_gpu: bool = False
    npu: bool = False
    bf16: bool = False
    processor: str = ""
    openvino: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Seconds a picture, those of fp32 on the processor, and the lowest cosine to the vectors of that."""

    seconds: float
    plain_seconds: float
    cosine: float

    @property
    def speedup(self) -> float:
        """How many times as fast as fp32 on the processor."""
        return self.plain_seconds / self.seconds

    def rejection(self, name: str, least: float = _MIN_SPEEDUP) -> str:
        """Return why the alternative is not used, "" where it is at least `least` times as fast and as good."""
        if self.cosine < _MIN_COSINE:
            return f"{name} gives other answers, as measured (cosine {self.cosine:.4f})"
        if self.speedup < least:
            return f"{name} is only {self.speedup:.1f} times as fast as fp32 on the processor, as measured"
        return ""


def candidates(device: str, hardware: Hardware, *, photos: bool) -> tuple[Candidate, ...]:
    """Return the candidates for `model.device` in order. Without `photos` the tower always runs on the processor.

    A device that the owner names is tried where the machine does not show it, too: that explains why it cannot be used.
    """
    last: tuple[Candidate, ...] = ("cpu", "torch")
    if not photos or device == "cpu":
        return last
    if device.startswith("cuda"):
        return ("cuda",)
    if device == "intel-gpu":
        return ("intel-gpu", *last)
    if device == "npu":
        return ("npu", *last)
    found: list[Candidate] = []
    if hardware.cuda:
        found.append("cuda")
    if hardware.intel_gpu:
        found.append("intel-gpu")
    return (*found, *last)


def no_cuda_reason(hardware: Hardware) -> tuple[str, str]:
    """Return why photos are not embedded by CUDA though `model.device` allows it, and the remedy where there is one."""
    if hardware.nvidia and not hardware.cuda:
        return (
            "there is an NVIDIA device, but torch is built without CUDA",
            "pip install --upgrade torch torchvision, in phsearch's environment",
        )
    return "this machine has no NVIDIA device", ""
