# SPDX-License-Identifier: Apache-2.0
"""Prints what links a program with the library of the Python that runs this. Fails when it has none.

A Python that was unpacked beside the system's (tools/provide-python) has its own loader and C
library; whoever embeds it has to take those too."""
import os
import subprocess
import sys
import sysconfig

get = sysconfig.get_config_var
bin_dir = os.path.dirname(os.path.realpath(sys.executable))
lib_dir = os.path.join(os.path.dirname(bin_dir), "lib")
for folder in (os.path.join(lib_dir, get("MULTIARCH") or ""), lib_dir, get("LIBDIR")):
    if os.path.exists(os.path.join(folder, get("LDLIBRARY"))) and get("LDLIBRARY").endswith(".so"):
        break
else:
    sys.exit("embed_flags: %s has no shared library to embed" % sys.executable)

flags = ["-L" + folder, "-Wl,-rpath," + folder, "-lpython" + get("LDVERSION")]
header = subprocess.run(["readelf", "-lW", sys.executable], capture_output=True, text=True).stdout
for line in header.splitlines():
    loader = line.partition("program interpreter: ")[2].rstrip("]")
    if loader and os.path.dirname(os.path.realpath(loader)) == os.path.realpath(folder):
        # Old-style: its libraries look for theirs in the same place.
        flags += ["-Wl,--dynamic-linker=" + loader, "-Wl,--disable-new-dtags", "-Wl,--allow-shlib-undefined"]
print(" ".join(flags))
