"""What is well and what is not, decided from facts: client and daemon gather those, each what it can see.

Nothing here looks at anything; a fact that could not be had is a fact, too.
"""

from phsearch.domain.doctor.check import Check, State, fail, ok, warn

__all__ = ["Check", "State", "fail", "ok", "warn"]
