"""The program of a worker: `python -m phsearch.worker FD`, started by the daemon, never by a person.

A worker loads one half of the model, or none to make thumbnails, and exchanges frames over the socket pair that it
inherits as FD. Its first frame is the set-up. Its first answer is "ready" with a report, or "unavailable" with the
reason. It ends when the daemon ends.

Once the model has run, and before the first photo or text comes, a worker enters its sandbox for good: see
`adapters.sandbox`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from phsearch.adapters.linux.process_limits import set_lowest_ioprio
from phsearch.errors import ModelUnavailableError
from phsearch.service.workers.frames import WorkerChannel

if TYPE_CHECKING:
    from phsearch.adapters.clip import LoadedTower

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the daemon closes the connection."""
    # Ctrl-C and systemd's SIGTERM reach the whole group; the daemon ends us when our batch is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A worker inside a native decoder cannot notice that the daemon was killed; the kernel can.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    channel = WorkerChannel(socket.socket(fileno=int(sys.argv[1])))
    frame = channel.receive_message()
    if frame is None:
        return
    try:
        _serve(channel, frame[0])
    except ModelUnavailableError as error:
        channel.send_message({"op": "unavailable", "reason": str(error), "hint": error.hint})
    except BrokenPipeError:
        return


def _serve(channel: WorkerChannel, setup: dict[str, Any]) -> None:
    if setup["tower"] == "picture":
        from phsearch.worker import serve_single_photos  # noqa: PLC0415 - each worker imports only what it needs

        serve_single_photos.serve_thumbnails(channel, setup)
        return
    _limit_threads(setup)
    # The loader goes online only when weights are missing: otherwise no hub must be asked first.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from phsearch.adapters import clip  # noqa: PLC0415 - seconds of torch, and after the environment is set

    try:
        bundle = clip.load_tower(setup["name"], setup["pretrained"], "text" if setup["tower"] == "text" else "image")
        _serve_model(channel, setup, bundle)
    except (RuntimeError, AssertionError) as error:
        # What torch raises for a device that does not exist or a precision that it has no kernels for.
        raise ModelUnavailableError(
            f'model "{setup["name"]}" does not run on {setup["device"]} with {setup["precision"]} precision '
            f"({' '.join(str(error).split())[:160]})",
            'set model.device and model.precision to "auto"',
        ) from error


def _serve_model(channel: WorkerChannel, setup: dict[str, Any], bundle: LoadedTower) -> None:
    from phsearch.adapters import clip  # noqa: PLC0415 - see _serve

    device, precision = setup["device"], setup["precision"]
    match setup["tower"]:
        case "image":
            from phsearch.worker import serve_batches  # noqa: PLC0415 - the text worker never decodes

            # Explicitly: a priority that the unit or a shell gave the daemon would override the one implied by `nice`.
            set_lowest_ioprio()
            image_tower = clip.OpenClipImageTower(
                bundle,
                device=device,
                precision=precision,
                batch_size=setup["batch_size"],
                gpu_memory_mb=setup["gpu_memory_mb"],
            )
            serve_batches.serve(channel, setup, bundle, image_tower)
        case "like":
            from phsearch.worker import serve_single_photos  # noqa: PLC0415 - the text worker never decodes

            image_tower = clip.OpenClipImageTower(bundle, device=device, precision=precision, batch_size=1)
            serve_single_photos.serve_image_queries(channel, setup, bundle, image_tower)
        case _:
            from phsearch.worker import serve_texts  # noqa: PLC0415 - each worker imports only what it needs

            text_tower = clip.OpenClipTextTower(bundle, device=device, precision=precision)
            serve_texts.serve(channel, bundle, text_tower)


def _limit_threads(setup: dict[str, Any]) -> None:
    import torch  # noqa: PLC0415 - see _serve

    if setup["torch_threads"]:
        torch.set_num_threads(setup["torch_threads"])


if __name__ == "__main__":
    main()
