# SPDX-License-Identifier: Apache-2.0
"""Sonde's agent for CPython. `import sonde.auto` starts it; `sonde.status()` says how it is."""

_reason = "not started"


def status():
    """What the agent does in this process: {"running": bool, "reason": why it is off or None, ...}."""
    found = {"running": False, "reason": _reason}
    if _reason is None:
        from sonde import _native

        found.update(_native.status())
        if not found["running"]:
            found["reason"] = "stopped"
    return found
