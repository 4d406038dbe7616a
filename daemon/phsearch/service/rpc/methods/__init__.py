"""What the methods of the protocol do, one class for each kind; `calls` gives its methods by name."""

from phsearch.service.rpc.methods.albums import Keeping
from phsearch.service.rpc.methods.daemon import About, Configuring
from phsearch.service.rpc.methods.doctor import Diagnosis, Looks
from phsearch.service.rpc.methods.library import Picturing, Reviewing, Upkeep
from phsearch.service.rpc.methods.metrics import Metering
from phsearch.service.rpc.methods.search import Finding

__all__ = [
    "About",
    "Configuring",
    "Diagnosis",
    "Finding",
    "Keeping",
    "Looks",
    "Metering",
    "Picturing",
    "Reviewing",
    "Upkeep",
]
