"""The interpreters under test: how each is started, and what each calls things."""
import os
import pathlib
import shutil
import signal
import subprocess
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
SONDE = os.environ.get("SONDE", str(ROOT / "build" / "sonde"))
VENVS = pathlib.Path(SONDE).resolve().parent / "venv"  # environments of the tests' own, made once


def pythons(wanted=os.environ.get("E2E_PYTHONS", "all")):
    """Version → executable of the CPythons to run on: "3.9 3.12", or "all" that are supported."""
    out = subprocess.run([str(ROOT / "tools/find-pythons"), "--supported"],
                         capture_output=True, text=True, check=True).stdout
    found = dict(line.split()[:2] for line in out.splitlines())
    chosen = {v: exe for v, exe in found.items() if wanted == "all" or v in wanted.split()}
    assert chosen, f"none of {wanted!r} among {list(found)}"
    return chosen


def line_of(path, text):
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        if text in line:
            return number
    raise AssertionError(f"{text!r} is not in {path}")


class Program:
    """A program of a test's own."""

    def __init__(self, path, source):
        self.path = path
        path.write_text(textwrap.dedent(source))

    def line(self, text="# PROBE"):
        return line_of(self.path, text)

    def at(self, text="# PROBE"):
        return f"{self.path.name}:{self.line(text)}"


class Host:
    """One interpreter, with the example shop as its real application."""
    language = suffix = integer = string = null = None

    def __init__(self, name, interpreter):
        self.name = name
        self.interpreter = str(interpreter)

    def program(self, folder, name="program", **sources):
        """The program in this host's language: python="…", ruby="…"."""
        return Program(folder / (name + self.suffix), sources[self.language])

    def field(self, name):
        """What a value's field is called."""
        return name

    def server(self, port, workers, extra=()):
        """The command that serves the shop."""
        raise NotImplementedError

    @property
    def pricing(self):
        return self.shop / ("pricing" + self.suffix)

    @property
    def total(self):
        """The line in the shop's pricing that most tests look at."""
        return line_of(self.pricing, "total = subtotal - discount")

    @property
    def place(self):
        return f"{self.pricing.name}:{self.total}"


class PythonHost(Host):
    language, suffix, integer, string, null = "python", ".py", "int", "str", "NoneType"
    shop = ROOT / "examples/flask_shop"
    quoting = ["quote", "order"]
    ends_with = 0  # what the server's master returns after SIGTERM

    @classmethod
    def all(cls):
        """Each with an environment that has the shop's packages."""
        return {f"python-{version}": exe for version, exe in pythons().items()}

    @classmethod
    def make(cls, name, base):
        venv = VENVS / f"app-{name.removeprefix('python-')}"
        wanted = (cls.shop / "requirements.txt").read_text()
        ready = venv / "ready"
        if not ready.exists() or ready.read_text() != base + wanted:
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([base, "-m", "venv", str(venv)], check=True)
            subprocess.run([str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check",
                            "-r", str(cls.shop / "requirements.txt")], check=True)
            ready.write_text(base + wanted)
        return cls(name, venv / "bin/python")

    def server(self, port, workers, extra=()):
        gunicorn = pathlib.Path(self.interpreter).parent / "gunicorn"
        return [str(gunicorn), "--workers", str(workers), "--threads", "4", "--bind",
                f"127.0.0.1:{port}", "--chdir", str(self.shop), *extra, "shop:app"]


class RubyHost(Host):
    language, suffix, integer, string, null = "ruby", ".rb", "Integer", "String", "NilClass"
    shop = ROOT / "examples/sinatra_shop"
    quoting = ["Pricing.quote", "Shop#GET /order"]
    ends_with = -signal.SIGTERM

    @classmethod
    def all(cls):
        out = subprocess.run([str(ROOT / "tools/find-rubies"), "--supported"],
                             capture_output=True, text=True, check=True).stdout
        return {f"ruby-{line.split()[0]}": line.split()[2] for line in out.splitlines()}

    @classmethod
    def make(cls, name, base):
        return cls(name, base)

    def field(self, name):
        return "@" + name

    def puma(self, port, workers, folder, extra=()):
        cluster = ["-w", str(workers)] if workers else []
        return ["puma", "-C", "-", "--dir", str(folder), "-e", "production", "-b",
                f"tcp://127.0.0.1:{port}", "-t", "4:4", *cluster, *extra]

    def server(self, port, workers, extra=()):
        return self.puma(port, workers, self.shop, extra)


KINDS = [(kind, name, base) for kind in (PythonHost, RubyHost) for name, base in kind.all().items()]
