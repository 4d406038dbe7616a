"""Chooses the device that the model runs on, and explains why it is not a better one."""

from __future__ import annotations

from pathlib import Path

import torch

from phsearch.domain.types import DeviceChoice

_PIP_UPGRADE = "pip install --upgrade torch torchvision"


def choose_device(wanted: str, dev: Path = Path("/dev")) -> tuple[torch.device, DeviceChoice]:
    """Return the device to use and why; "auto" is the first CUDA device if there is one."""
    if wanted != "auto":
        return torch.device(wanted), DeviceChoice(device="as model.device says")
    if torch.cuda.is_available():
        return torch.device("cuda"), DeviceChoice(device=f"the first CUDA device, {torch.cuda.get_device_name(0)}")
    why, remedy = _why_no_cuda()
    # A machine without such a device needs no remedy.
    has_device = any(dev.glob("nvidia[0-9]*"))
    if has_device:
        why = f"there is an NVIDIA device, but {why}"
    return torch.device("cpu"), DeviceChoice(device=why, remedy=remedy if has_device else "")


def limit_gpu_memory(device: torch.device, megabytes: int) -> None:
    """Limit how much of a GPU's memory this process may use, apart from the CUDA context, which has no limit."""
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(megabytes * (1 << 20) / total, 1.0), device.index)


def _why_no_cuda() -> tuple[str, str]:
    """Return the reason and a remedy."""
    if not torch.version.cuda:
        why = f"no CUDA device can be used: torch {torch.__version__} is built without CUDA"
        return why, f"{_PIP_UPGRADE}, in phsearch's environment"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split()).split(". ")[0][:160]
        if "too old" in reason:
            return (
                f"its driver is too old: {reason}",
                "update the NVIDIA driver, or install a torch for the one you have",
            )
        return f"no CUDA device can be used: {reason}", "nvidia-smi says whether the driver works"
    return "no CUDA device is visible", "nvidia-smi says whether the driver works; see CUDA_VISIBLE_DEVICES, too"
