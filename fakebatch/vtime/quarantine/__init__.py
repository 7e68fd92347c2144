"""Every private name of other libraries that the virtual clock leans on; nobody else uses one.

Tried with CPython 3.11 to 3.13, freezegun 1.5.5, trio 0.35 and time-machine 3.6.
"""

from __future__ import annotations

import sys
from functools import cache

from fakebatch.errors import Misuse
from fakebatch.vtime.quarantine import of_asyncio, of_freezegun, of_threading, of_trio


@cache
def self_test() -> None:
    """Check that everything private is still there.

    Raises:
        Misuse: a library is not one the virtual clock knows.
    """
    libraries = [of_asyncio, of_freezegun, of_threading, *([of_trio] if of_trio.loaded() else ())]
    missing = [name for library in libraries for name in library.missing()]
    if missing:
        raise Misuse(
            f"the virtual clock does not find {', '.join(missing)}.",
            f"It knows CPython 3.11 to 3.13 and freezegun 1.5.5; this is {sys.version.split()[0]}.",
            "Use clock='real', and tell us the versions you have.",
        )
