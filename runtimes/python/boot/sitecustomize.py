# SPDX-License-Identifier: Apache-2.0
"""Put first on PYTHONPATH by `sonde run`: starts the agent before the application, and leaves no
trace of itself. The application's own sitecustomize, if it has one, runs as if this were not here.

Compiles on every Python since 2.7, and does nothing on those that have no agent."""
import sys


def _leave_path():
    """Takes this folder off sys.path; returns it."""
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or os.curdir) != here or p == ""]
    return here


def _start(here):
    """Imports sonde.auto with its folder on sys.path for that moment alone."""
    import os

    lib = os.path.dirname(here)
    sys.path.insert(0, lib)
    try:
        import sonde.auto  # noqa: F401
    finally:
        try:
            sys.path.remove(lib)
        except ValueError:
            pass


def _chain():
    """Runs the application's own sitecustomize in this module's place; ImportError as without us
    when it has none."""
    sys.modules.pop("sitecustomize", None)
    import sitecustomize  # noqa: F401


_here = None
try:
    _here = _leave_path()
    if sys.version_info >= (3, 6):
        _start(_here)
except Exception:
    pass
if _here is not None:
    _chain()
