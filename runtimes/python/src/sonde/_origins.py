# SPDX-License-Identifier: Apache-2.0
"""Whose code a file is: the directories in which packages are installed, as this interpreter was set up.

Nothing is imported for it that is not there already (a start must stay cheap): where sysconfig or site are
loaded they are asked, and what they would say of the usual layout is known without them."""
import os
import sys


def _version():
    return "python%d.%d" % sys.version_info[:2]


def _standard():
    yield os.path.dirname(os.path.abspath(os.__file__))
    yield getattr(sys, "_stdlib_dir", None)
    for prefix in (sys.base_prefix, sys.base_exec_prefix):
        yield os.path.join(prefix, getattr(sys, "platlibdir", "lib"), _version())
        yield os.path.join(prefix, "lib", _version())
        yield os.path.join(prefix, "lib", "python%d%d.zip" % sys.version_info[:2])


def _libraries():
    for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix):
        for lib in {"lib", "lib64", getattr(sys, "platlibdir", "lib")}:
            yield os.path.join(prefix, lib, _version(), "site-packages")
            yield os.path.join(prefix, lib, _version(), "dist-packages")  # Debian's, of /usr/local
            yield os.path.join(prefix, lib, "python3", "dist-packages")  # Debian's own packages
    site = sys.modules.get("site")
    yield from getattr(site, "getsitepackages", list)()
    yield getattr(site, "USER_SITE", None)
    sysconfig = sys.modules.get("sysconfig")
    if sysconfig is not None:
        yield sysconfig.get_path("purelib")
        yield sysconfig.get_path("platlib")
    # Of another environment that was put on the path: its layout says what it is, not its name alone.
    for entry in sys.path:
        folder, name = os.path.split(entry.rstrip("/")) if isinstance(entry, str) else ("", "")
        lib = os.path.dirname(folder)
        if name in ("site-packages", "dist-packages") and (
            os.path.basename(folder).startswith("python") and os.path.basename(lib).startswith("lib")
        ):
            yield entry


def find():
    """[(directory, "standard" | "library" | "user")], where what is said last of a directory counts."""
    found = [(path, "standard") for path in _standard() if path]
    found += [(path, "library") for path in _libraries() if path]
    found.append((os.path.dirname(os.path.abspath(__file__)), "library"))  # our own
    for path in os.environ.get("SONDE_USER_PATHS", "").split(":"):
        if path:
            found.append((os.path.abspath(path), "user"))
    return found
