"""The program of a worker: `python -m phsearch.worker FD`, started by the daemon, never by a person.

A worker loads one half of the model, or none to make thumbnails, and exchanges frames over the socket pair that it
inherits as FD. Its first frame is the set-up. Its first answer is "ready" with a report, "unavailable" with the reason,
or "unfit" where another runtime may do it. It ends when the daemon ends.

Once the model has run, and before the first photo or text comes, a worker enters its sandbox for good: see
`adapters.sandbox`.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import sys

from phsearch.adapters.linux.process_limits import set_lowest_ioprio
from phsearch.errors import GraphError, ModelUnavailableError, UnknownModelError
from phsearch.service.workers.command import WorkerSetup
from phsearch.service.workers.frames import WorkerChannel
from phsearch.worker.load import load_image_tower, load_text_tower

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
        _serve(channel, WorkerSetup.parse_header(frame[0]))
    except GraphError as error:
        channel.send_message({"op": "unfit", "reason": str(error), "hint": error.hint})
    except ModelUnavailableError as error:
        final = isinstance(error, UnknownModelError)
        channel.send_message({"op": "unavailable", "reason": str(error), "hint": error.hint, "final": final})
    except BrokenPipeError:
        return


def _serve(channel: WorkerChannel, setup: WorkerSetup) -> None:
    """Serve as the set-up says. Each worker imports only what it needs."""
    match setup.tower:
        case "image":
            from phsearch.worker import serve_batches  # noqa: PLC0415

            # Explicitly: a priority that the unit or a shell gave the daemon would override the one implied by `nice`.
            set_lowest_ioprio()
            serve_batches.serve(channel, setup, load_image_tower(setup))
        case "like":
            from phsearch.worker import serve_single_photos  # noqa: PLC0415

            serve_single_photos.serve_image_queries(channel, setup, load_image_tower(setup))
        case "picture":
            from phsearch.worker import serve_single_photos  # noqa: PLC0415

            serve_single_photos.serve_thumbnails(channel, setup)
        case "download":
            from phsearch.worker import download_model  # noqa: PLC0415

            download_model.download_model(channel, setup)
        case "export":
            from phsearch.worker import export_model  # noqa: PLC0415

            export_model.export_model(channel, setup)
        case "probe":
            from phsearch.worker import probe_device  # noqa: PLC0415

            probe_device.probe_device(channel, setup)
        case _:
            from phsearch.worker import serve_texts  # noqa: PLC0415

            serve_texts.serve(channel, load_text_tower(setup))


if __name__ == "__main__":
    main()
