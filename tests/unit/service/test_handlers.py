"""What serves the methods follows the table: its parameters by name, and its result."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.service.rpc import methods
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable


def handlers() -> dict[str, Callable[..., Any]]:
    groups = [each for each in vars(methods).values() if isinstance(each, type) and hasattr(each, "handlers")]
    made: list[Any] = [object.__new__(group) for group in groups]
    return {name: handler for group in made for name, handler in group.handlers.items()}


def test_every_method_is_served() -> None:
    assert handlers().keys() == METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_a_handler_takes_the_parameters_and_returns_the_result_of_its_method(name: str) -> None:
    signature = inspect.signature(handlers()[name])
    assert signature.return_annotation == METHODS[name].result.__name__
    parameters = {param.name for param in METHODS[name].params}
    named = {each for each, param in signature.parameters.items() if param.kind is param.KEYWORD_ONLY}
    takes_others = any(param.kind is param.VAR_KEYWORD for param in signature.parameters.values())
    assert named <= parameters if takes_others else named == parameters
