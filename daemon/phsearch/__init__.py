"""phsearch: a daemon that understands your photos and finds them by what they show."""

__version__ = "0.1.0"
