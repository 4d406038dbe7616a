"""The real daemon with the colour worker as one of another version: $OTHER says which.

"older" lacks what came later, "newer" has added whatever it may, "changed" is of another protocol, "broken" says things
that make no sense.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from phsearch.daemon import compose_api
from phsearch.daemon.main import main
from phsearch.service.rpc.dispatcher import Dispatcher
from phsearch.wire import framing
from phsearch.wire.jsonrpc import RpcError
from support.workers import COLOUR_WORKER

OTHER = os.environ["OTHER"]
OLD_METHODS = ("search", "status", "library.rescan", "library.errors", "events.subscribe", "rpc.discover")
VERSIONS = {"older": "0.0.9", "newer": "9.1.0", "changed": "9.2.0", "broken": "0.0.8"}


class OtherDispatcher(Dispatcher):
    """Answers as another version would."""

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        if OTHER == "older" and name not in OLD_METHODS:
            raise RpcError("MethodNotFound", f'there is no method "{name}"', f"methods: {', '.join(OLD_METHODS)}")
        if OTHER == "older" and name == "search" and "sync" in params:
            raise RpcError("InvalidParams", 'unknown parameter "sync"', "search takes limit, min_score, query")
        result: Any = framing.decode(framing.encode(await super().call(name, params)))
        if name == "status":
            result["version"] = VERSIONS[OTHER]
        match OTHER:
            case "older" if name != "status":
                del result["protocol"]
            case "newer":
                result = grown(result)
            case "changed":
                result["protocol"] = 2
            case "broken":
                result = {key: result[key] for key in result if key in ("version", "protocol")} | {"hits": [{}]}
        answer: dict[str, Any] = result
        return answer


def grown(value: Any) -> Any:
    """Add something to every object."""
    if isinstance(value, dict):
        return {"later": {"a": [1]}} | {key: grown(each) for key, each in value.items()}
    return [grown(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    vars(compose_api)["Dispatcher"] = OtherDispatcher
    main(worker=COLOUR_WORKER)
