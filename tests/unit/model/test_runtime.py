"""Which runtimes are tried in which order, and when another precision or device is worth it."""

from __future__ import annotations

import pytest

from phsearch.domain.model.runtime import Hardware, Measurement, candidates, no_cuda_reason

EVERYTHING = Hardware(nvidia=True, cuda=True, intel_gpu=True, npu=True, bf16=True)


@pytest.mark.parametrize(
    ("device", "hardware", "order"),
    [
        ("auto", Hardware(), ("cpu", "torch")),
        ("auto", EVERYTHING, ("cuda", "intel-gpu", "cpu", "torch")),
        ("auto", Hardware(nvidia=True), ("cpu", "torch")),
        ("cpu", EVERYTHING, ("cpu", "torch")),
        ("cuda:1", Hardware(), ("cuda",)),
        ("intel-gpu", Hardware(), ("intel-gpu", "cpu", "torch")),
        ("npu", Hardware(), ("npu", "cpu", "torch")),
    ],
)
def test_a_device_that_is_there_or_named_is_tried_first_and_torch_on_the_processor_last(
    device: str, hardware: Hardware, order: tuple[str, ...]
) -> None:
    assert candidates(device, hardware, photos=True) == order


@pytest.mark.parametrize("device", ["auto", "cuda", "intel-gpu", "npu", "cpu"])
def test_texts_are_embedded_on_the_processor_whatever_device_there_is(device: str) -> None:
    assert candidates(device, EVERYTHING, photos=False) == ("cpu", "torch")


def test_a_precision_is_used_where_it_is_clearly_faster_and_gives_the_same_vectors() -> None:
    assert Measurement(seconds=1.0, plain_seconds=2.5, cosine=0.9993).rejection("bf16") == ""
    slow = Measurement(seconds=1.0, plain_seconds=1.1, cosine=1.0).rejection("bf16")
    assert slow == "bf16 is only 1.1 times as fast as fp32 on the processor, as measured"
    other = Measurement(seconds=1.0, plain_seconds=9.0, cosine=0.998).rejection("bf16")
    assert other == "bf16 gives other answers, as measured (cosine 0.9980)"
    assert Measurement(seconds=2.0, plain_seconds=1.0, cosine=1.0).rejection("npu", 0.0) == ""


def test_only_a_device_that_is_there_has_a_remedy() -> None:
    assert no_cuda_reason(Hardware()) == ("this machine has no NVIDIA device", "")
    reason, remedy = no_cuda_reason(Hardware(nvidia=True))
    assert "built without CUDA" in reason
    assert remedy.startswith("pip install --upgrade torch")
