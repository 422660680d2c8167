"""Glovebox: answers questions over data that no one may see."""

__version__ = "0.1.0"
