"""Which device the model runs on, and why it is not a better one."""

from __future__ import annotations

from pathlib import Path

import torch

from phsearch.domain.types import Why

_PIP = "pip install --upgrade torch torchvision"


def choose_device(wanted: str, dev: Path = Path("/dev")) -> tuple[torch.device, Why]:
    """Give the device to use and why; "auto" is the first CUDA device where there is one."""
    if wanted != "auto":
        return torch.device(wanted), Why(device="as model.device says")
    if torch.cuda.is_available():
        return torch.device("cuda"), Why(device=f"the first CUDA device, {torch.cuda.get_device_name(0)}")
    why, remedy = _no_cuda()
    # Where there is no such device at all, there is nothing to remedy.
    here = any(dev.glob("nvidia[0-9]*"))
    if here:
        why = f"there is an NVIDIA device, but {why}"
    return torch.device("cpu"), Why(device=why, remedy=remedy if here else "")


def _no_cuda() -> tuple[str, str]:
    if not torch.version.cuda:
        why = f"no CUDA device can be used: torch {torch.__version__} is built without CUDA"
        return why, f"{_PIP}, in phsearch's environment"
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
