# SPDX-License-Identifier: Apache-2.0
"""Sonde's agent for CPython. `import sonde.auto` starts it; `sonde.status()` says how it is."""

_reason = "not started"


def wait_for_symbols(timeout=30.0):
    """Waits until the names of all that is loaded now have reached the collector, at most `timeout` seconds.

    False: they have not, or the agent does not send them. Other threads run meanwhile."""
    if _reason is not None:
        return False
    from sonde import _native

    return _native.wait_for_symbols(timeout)


def status():
    """What the agent does in this process: {"running": bool, "reason": why it is off or None, ...}."""
    found = {"running": False, "reason": _reason}
    if _reason is None:
        from sonde import _native

        found.update(_native.status())
        if not found["running"]:
            found["reason"] = "stopped"
    return found
