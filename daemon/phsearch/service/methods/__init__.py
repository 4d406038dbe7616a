"""What the methods of the protocol do, one class for each kind; `calls` gives its methods by name."""

from phsearch.service.methods.about import About
from phsearch.service.methods.configuring import Configuring
from phsearch.service.methods.diagnosis import Diagnosis, Looks
from phsearch.service.methods.finding import Finding
from phsearch.service.methods.keeping import Keeping
from phsearch.service.methods.metering import Metering
from phsearch.service.methods.picturing import Picturing
from phsearch.service.methods.reviewing import Reviewing
from phsearch.service.methods.upkeep import Upkeep

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
