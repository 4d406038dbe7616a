"""The methods of the typed client follow the table: their parameters, defaults and results."""

from __future__ import annotations

import inspect

import pytest

from phsearch.client import Client
from phsearch.wire.methods import METHODS

NAMES = {
    "library.dupes": "duplicates",
    "albums.list": "albums",
    "albums.save": "save_album",
    "albums.remove": "remove_album",
    "events.subscribe": "events",
    "model.list": "models",
    "model.use": "use_model",
    "model.cancel": "cancel_model",
    "model.remove": "remove_model",
    "model.calibrate": "calibrate_model",
}
"""Methods whose name in Python is not the end of the one in the protocol."""


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_the_parameters_of_the_protocol(name: str) -> None:
    method = getattr(Client, NAMES.get(name, name.rpartition(".")[2]))
    _, *taken = inspect.signature(method).parameters.values()
    wanted = {
        param.name: inspect.Parameter.empty if param.required else param.default for param in METHODS[name].params
    }
    assert {param.name: param.default for param in taken} == wanted
