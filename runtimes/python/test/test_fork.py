# SPDX-License-Identifier: Apache-2.0
"""CORE-13: a forked child has an agent of its own."""
from conftest import run_python

SETUP = """
    import sonde.auto, sonde, json, os, sys, threading, time, signal
    from sonde import _native
    def work(n):
        return n + 1
    def apply(*definitions):
        _native.apply_testonly(json.dumps(list(definitions)))
    def report():
        return json.loads(_native.report())
    def wait(pid):
        got, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
    ENTRY = {"id": "p", "revision": 1, "at": "exit", "location": "__main__:work", "rate": 5000}
    signal.alarm(50)
    """


def run(code, **options):
    import textwrap

    return run_python(textwrap.dedent(SETUP) + textwrap.dedent(code), **options)


def test_core13_child_has_its_own_instance_and_counters():
    result = run("""
        apply(ENTRY)
        work(1); work(2)
        mine = report()["instance_id"]
        pid = os.fork()
        if pid == 0:
            assert sonde.status()["running"]
            assert report()["instance_id"] != mine
            assert report()["statuses"][0]["hits"] == 0
            assert _native.take_testonly() is None  # nothing of the parent's is sent twice
            work(3)
            assert report()["statuses"][0]["hits"] == 1  # armed probes stay armed
            assert _native.take_testonly()["return"]["return_value"]["value"] == "4"
            sys.exit(0)
        wait(pid)
        assert report()["instance_id"] == mine and report()["statuses"][0]["hits"] == 2
        assert _native.discard_testonly() == 2
        """)
    assert result.stderr == ""


def test_core13_safe_points_come_in_the_child():
    run("""
        pid = os.fork()
        if pid == 0:
            apply(dict(ENTRY, hit_limit=1))
            work(1)
            deadline = time.monotonic() + 5
            while report()["statuses"][0]["status"] != "error":  # a safe point took it away
                assert time.monotonic() < deadline, report()
                time.sleep(0.002)
            sys.exit(0)
        wait(pid)
        """)


def test_core13_fork_while_threads_hit_probes():
    run("""
        apply(ENTRY)
        stop = False
        def spin():
            while not stop:
                work(1)
        threads = [threading.Thread(target=spin) for _ in range(3)]
        for t in threads: t.start()
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        for _ in range(15):
            pid = os.fork()
            if pid == 0:
                for n in range(100): work(n)
                assert report()["statuses"][0]["hits"] == 100
                os._exit(0)
            wait(pid)
        stop = True
        for t in threads: t.join()
        """)


def test_core13_storm_and_grandchildren():
    run("""
        apply(ENTRY)
        pids = []
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                work(1)
                inner = os.fork()
                if inner == 0:
                    work(2)
                    assert report()["statuses"][0]["hits"] == 1
                    sys.exit(0)
                wait(inner)
                assert report()["statuses"][0]["hits"] == 1
                sys.exit(0)
            pids.append(pid)
        for pid in pids: wait(pid)
        """)


def test_core13_fork_that_nobody_announces():
    """A fork in C, without Python's hooks: the first hit, import or exit finds out."""
    for what in ("work(1); assert report()['statuses'][0]['hits'] == 1", "import colorsys", "pass"):
        run("""
            import ctypes
            apply(ENTRY, {"id": "w", "revision": 1, "location": "nobody_has_this.py:3"})
            mine = report()["instance_id"]
            pid = ctypes.PyDLL(None).fork()
            if pid == 0:
                %s
                sys.exit(0)
            wait(pid)
            """ % what)


def test_core13_processes_of_the_standard_library():
    run("""
        import subprocess, multiprocessing
        apply(ENTRY)
        assert subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, text=True).stdout == "5\\n"
        context = multiprocessing.get_context("fork")
        with context.Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        process = context.Process(target=work, args=(1,))
        process.start()
        process.join()
        assert process.exitcode == 0
        work(1)
        assert report()["statuses"][0]["hits"] == 1
        """)
