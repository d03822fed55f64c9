# SPDX-License-Identifier: Apache-2.0
"""Starts the agent when it is imported. Never raises; sonde.status() says what came of it.

This file must compile, and do nothing, on every Python that might import it."""
import os
import sys

import sonde


def _build_reason():
    """Why no extension was compiled, as setup.py noted it."""
    try:
        from sonde import _build_info

        return _build_info.reason
    except ImportError:
        return None


def _off(reason, is_fault):
    sonde._reason = reason
    level = os.environ.get("SONDE_LOG", "").lower()
    if level != "off" and (is_fault or level in ("info", "debug")):
        try:
            sys.stderr.write("sonde[%d] %s: the agent is off: %s\n"
                             % (os.getpid(), "warning" if is_fault else "info", reason))
        except Exception:
            pass


def _unsupported():
    """Why this interpreter can not have an agent, or None."""
    if sys.implementation.name != "cpython":
        return "%s is not supported" % sys.implementation.name
    if sys.version_info < (3, 9) or sys.version_info >= (3, 15):
        return "Python %d.%d is not supported yet" % sys.version_info[:2]
    if not getattr(sys, "_is_gil_enabled", lambda: True)() or "t" in getattr(sys, "abiflags", ""):
        return "free-threaded Python is not supported yet"
    return None


def _start():
    if sonde._reason is None:
        return
    if os.environ.get("SONDE_ENABLED", "").lower() in ("0", "false", "no", "off"):
        _off("SONDE_ENABLED is off", False)
        return
    reason = _unsupported()
    if reason is not None:
        _off(reason, False)
        return
    try:
        from sonde import _native
    except ImportError as error:
        if "interpreters" in str(error):  # the refusal is CPython's where it makes one, or ours
            _off("sub-interpreters are not supported yet", False)
            return
        built = _build_reason()
        _off(built if built else "its extension can not be loaded: %s" % (error,), not built)
        return
    try:
        import atexit

        try:
            from sonde import _origins

            _native.set_origins(_origins.find())
        except Exception:
            pass  # then all code is the application's
        # First in, last out: what the application does at its exit is still seen.
        atexit.register(_native.stop)
        _native.start()
        os.register_at_fork(
            before=_native.before_fork,
            after_in_parent=_native.after_fork_parent,
            after_in_child=_native.after_fork_child,
        )
        sonde._reason = None
    except Exception as error:
        _off(str(error), True)


try:
    _start()
except Exception:
    pass
