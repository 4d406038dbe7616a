"""The reason for the choice of a device, on any machine: torch is patched to report another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading "
    "and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)
NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    """Make a /dev with an NVIDIA device."""
    (tmp_path / "nvidia0").touch()
    (tmp_path / "nvidiactl").touch()
    return tmp_path


def why(monkeypatch: pytest.MonkeyPatch, dev: Path, built: str | None, error: str | None = None) -> tuple[str, str]:
    """Choose with a torch built for CUDA `built` that fails with `error`; return the reason and the remedy."""
    import torch  # noqa: PLC0415 - it takes seconds, and only these tests need it

    from phsearch.adapters.clip.device import choose_device  # noqa: PLC0415

    def init() -> None:
        if error is not None:
            raise RuntimeError(error)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "init", init)
    device, found = choose_device("auto", dev)
    assert str(device) == "cpu"
    return found.device, found.remedy


def test_a_torch_without_cuda_beside_a_device_is_to_be_replaced(monkeypatch: pytest.MonkeyPatch, dev: Path) -> None:
    reason, remedy = why(monkeypatch, dev, None)
    assert reason.startswith("there is an NVIDIA device, but no CUDA device can be used: torch ")
    assert reason.endswith("is built without CUDA")
    assert remedy.startswith("pip install --upgrade torch torchvision")


def test_a_driver_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, dev: Path) -> None:
    reason, remedy = why(monkeypatch, dev, "12.8", TOO_OLD)
    assert "its driver is too old: The NVIDIA driver on your system is too old (found version 11040)" in reason
    assert "update the NVIDIA driver" in remedy


def test_a_device_that_cannot_be_seen_is_named(monkeypatch: pytest.MonkeyPatch, dev: Path) -> None:
    assert "nvidia-smi" in why(monkeypatch, dev, "12.8", NO_DRIVER)[1]
    assert "CUDA_VISIBLE_DEVICES" in why(monkeypatch, dev, "12.8")[1]


def test_where_there_is_no_device_there_is_nothing_to_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert why(monkeypatch, tmp_path, "12.8", NO_DRIVER) == (
        "no CUDA device can be used: Found no NVIDIA driver on your system",
        "",
    )
    assert why(monkeypatch, tmp_path, None)[1] == ""


def test_a_device_that_was_asked_for_is_not_argued_with(tmp_path: Path) -> None:
    from phsearch.adapters.clip.device import choose_device  # noqa: PLC0415

    device, found = choose_device("cpu", tmp_path)
    assert (str(device), found.device, found.remedy) == ("cpu", "as model.device says", "")
