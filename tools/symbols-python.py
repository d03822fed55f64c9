#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a Python program with the agent, lists what it has loaded, and compares that with what Python says:

    tools/symbols-python.py [--python EXE] [--lib build/lib/sonde/python] [--before] PROGRAM [ARGUMENT...]

Prints recall, precision, the longest hold of the GIL, the CPU under it, and the memory; differences at the
end. `--before`: the agent starts when the program has loaded everything. Nothing is sent."""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def memory():
    """(resident, highest so far) in MiB"""
    found = {}
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(("VmRSS", "VmHWM")):
                found[line[:5]] = int(line.split()[1]) / 1024
    return found["VmRSS"], found["VmHWM"]


def run_inside(late, program, arguments):
    """In the process that is looked at."""
    import gc
    import runpy
    import time

    def start():
        import sonde.auto  # noqa: F401

    if not late:
        start()
    sys.argv = [program, *arguments]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit:
        pass
    if late:
        start()
    from sonde import _native
    import symbols_oracle

    gc.collect()
    resident, _ = memory()
    began = time.monotonic()
    listing = json.loads(_native.symbols_testonly(True))
    took = time.monotonic() - began
    _, highest = memory()
    look = time.thread_time()
    changed = _native.symbols_changed_testonly()
    look = time.thread_time() - look
    found = symbols_oracle.compare(listing)
    differences = found.pop("differences")
    print("%d units in %d slices: longest hold %.2f ms, %.0f ms of CPU under the GIL, %.2f s in all"
          % (len(listing["units"]), listing["slices"], listing["longest_hold_us"] / 1000,
             listing["cpu_us"] / 1000, took))
    print("a look for changes: %.2f ms (%s)" % (look * 1000, changed))
    print("resident %.0f MiB, highest with the listing and its JSON %.0f MiB; dropped %d"
          % (resident, highest, listing["dropped"]))
    for what, (right, all) in found.items():
        print("%-26s %7d of %7d  %.3f %%" % (what, right, all, 100 * right / max(all, 1)))
    for what, some in differences.items():
        if some:
            print("%s: %d" % (what, len(some)))
            for one in some[:10]:
                print("   ", *one)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--lib", default=os.path.join(ROOT, "build", "lib", "sonde", "python"))
    parser.add_argument("--before", action="store_true")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    path = [os.path.abspath(options.lib), os.path.join(ROOT, "runtimes", "python", "test")]
    code = ("import sys, importlib.util as u; s = u.spec_from_file_location('symbols_python', %r); "
            "m = u.module_from_spec(s); s.loader.exec_module(m); m.run_inside(%r, %r, %r)"
            % (os.path.abspath(__file__), options.before, os.path.abspath(options.program), options.arguments))
    environment = dict(os.environ, SONDE_SERVER="", PYTHONPATH=":".join(path))
    return subprocess.run([options.python, "-c", code], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
