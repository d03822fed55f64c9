# SPDX-License-Identifier: Apache-2.0
"""The Python package: the core and the extension compiled into one module, sonde._native.

Installing never fails. Where the extension can not be compiled (SONDE_NO_EXTENSION=1, another Python or
system, no compiler, no header of libcurl or zlib), the package is installed without it; it then loads,
does nothing, and says why: sonde.status()."""
import glob
import os
import platform
import re
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "runtimes/python/src/sonde"
SUPPORTED = tuple((3, minor) for minor in range(9, 15))


def version():
    with open(os.path.join(ROOT, "Makefile")) as file:
        return re.search(r"^VERSION := (\S+)", file.read(), re.M).group(1)


def reason_against():
    """Why no extension is compiled here, or None."""
    if os.environ.get("SONDE_NO_EXTENSION", "") not in ("", "0"):
        return "SONDE_NO_EXTENSION was set when it was installed"
    if platform.python_implementation() != "CPython":
        return "%s is not supported" % platform.python_implementation()
    if sys.version_info[:2] not in SUPPORTED:
        return "Python %d.%d is not supported yet" % sys.version_info[:2]
    if "t" in getattr(sys, "abiflags", ""):
        return "free-threaded Python is not supported yet"
    if os.name != "posix":
        return "%s is not supported" % platform.system()
    return None


def sources():
    system = "linux" if sys.platform.startswith("linux") else "generic"
    found = []
    for part in ("base", "wire", "capture", "probe", "symbols", "agent"):
        found += glob.glob("core/%s/*.c" % part)
    found = [path for path in found if not os.path.basename(path).startswith("os_")]
    found.append("core/base/os_%s.c" % system)
    engine = "monitoring" if sys.version_info >= (3, 12) else "rewriting"
    for folder in ("", "/compat", "/" + engine):
        found += glob.glob(PACKAGE + folder + "/*.c")
    return sorted(found)


class BuildExtension(build_ext):
    """Compiles what can be compiled; leaves a note about what can not."""

    def run(self):
        reason = reason_against()
        if reason is None:
            try:
                build_ext.run(self)
                return
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                reason = "its extension could not be compiled: %s" % (error,)
        self.leave_note(reason)

    def leave_note(self, reason):
        folder = PACKAGE if self.inplace else os.path.join(self.build_lib, "sonde")
        if not os.path.isdir(folder):
            os.makedirs(folder)
        with open(os.path.join(folder, "_build_info.py"), "w") as file:
            file.write("# Written by setup.py.\nreason = %r\n" % reason)
        sys.stderr.write("sonde: installed without its agent: %s\n" % reason)

    def get_outputs(self):
        # What is missing is not to be installed.
        return [path for path in build_ext.get_outputs(self) if os.path.exists(path)]


os.chdir(ROOT)
setup(
    name="sonde",
    version=version(),
    description="Probes in running Python programs: see values on any line or function, without a restart",
    license="Apache-2.0",
    python_requires=">=3.6",
    packages=["sonde"],
    package_dir={"": "runtimes/python/src"},
    ext_modules=[
        Extension(
            "sonde._native",
            sources(),
            include_dirs=["include", ".", PACKAGE],
            define_macros=[("_GNU_SOURCE", "1"), ("SONDE_VERSION", '"%s"' % version())],
            libraries=["curl", "z"],
            extra_compile_args=["-std=c17", "-fvisibility=hidden", "-fno-strict-aliasing", "-pthread"],
            extra_link_args=["-pthread"],
        )
    ],
    cmdclass={"build_ext": BuildExtension},
    # `build/` is the Makefile's.
    options={"build": {"build_base": "build/pip"}},
)
