"""Importing MPyC without what its import does to a process."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bare_process() -> Iterator[None]:
    """Within: `import mpyc` reads no argv and no MPYC_* variable, and leaves no logging handler or event loop behind.

    READTHEDOCS=True is MPyC's own switch: its import then parses no argv and sets up no runtime, logging or loop
    policy. The root logger has a handler meanwhile, or the import's first `logging.debug` would install one.
    """
    if "mpyc" in sys.modules:
        raise ImportError("mpyc is imported by glovebox.runtime.engine only, and was imported before")
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("MPYC_")}
    docs, os.environ["READTHEDOCS"] = os.environ.get("READTHEDOCS"), "True"
    silent = logging.NullHandler()
    logging.root.addHandler(silent)
    try:
        yield
    finally:
        logging.root.removeHandler(silent)
        del os.environ["READTHEDOCS"]
        os.environ.update(before | ({} if docs is None else {"READTHEDOCS": docs}))
