#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of libraries that are not ours with probes everywhere, and compares each test's outcome:
without Sonde (again where something differs, to know which tests waver by themselves), with a line probe
on every line of the library, with a method probe on every method of it, and with some of each at once.

    tools/explore-ruby.py --lib build/lib/sonde/ruby --ruby 3.1=/usr/bin/ruby3.1 --folder build/explore-ruby \\
        --libraries "ruby-nokogiri rails/activesupport std:set+json ~/my/gem" --tests "test/a/*_test.rb"

A library is a source package of Debian, or a folder of one (PACKAGE/FOLDER), or parts of the standard library
(std:PART+PART, tested as installed, with the tests of the interpreter's source package), or an installed
gem that brought its tests (gem:NAME), or a folder on this machine. Its code is lib/, its tests are found by Debian's own list or by the usual names, or by
--tests, patterns within the library's folder. What it needs is fetched with apt into --folder; nothing is
installed. Every probe is there before the program is, and waits for its code. What has to differ is listed
in EXPECTED with the reason. Ends with 1 where anything else differs."""
import glob
import os
import pathlib
import re
import subprocess
import sys

INSIDE = pathlib.Path(__file__).resolve().parent / "explore"
sys.path.insert(0, str(INSIDE))
import compare  # noqa: E402
import debian  # noqa: E402

LIBRARIES = ("std:set+json+erb+optparse+ostruct+delegate+forwardable+uri+csv+psych+time+logger "
             "ruby-nokogiri rails/activesupport")
# What a library needs: `packages` (instead of all that its source is built and tested with), `paths` (of the load path), `first` (what is required before
# the tests), `env`, `tests` (patterns), and `without`, expressions of files with the reason.
KNOWN = {
    # A full collection after each test, and a compaction after every 20, is its default and takes minutes.
    "ruby-nokogiri": {"env": {"NOKOGIRI_TEST_GC_LEVEL": "minor"}},
    "rails/activesupport": {"packages": "ruby-activesupport ruby-builder ruby-nokogiri ruby-rack"},
}
# What has to differ, as it looks at what a probe is made of and not at what the program does: expressions
# for the library, the way and the test's name, and the reason.
EXPECTED = []
USUAL_TESTS = ("test/**/*_test.rb", "test/**/test_*.rb", "test/**/spec_*.rb", "spec/**/*_spec.rb")


def find(folder, patterns):
    return sorted({path for pattern in patterns
                   for path in glob.glob(str(pathlib.Path(folder) / pattern), recursive=True)
                   if os.path.isfile(path)})


class Ruby:
    """An interpreter, and the tree of packages it runs with."""

    def __init__(self, version, exe, packages):
        self.version, self.exe, self.debian = version, exe, packages
        out = self.ask("puts RbConfig::CONFIG['rubylibdir'], RbConfig::CONFIG['ruby_version'], Gem.path.join(':')")
        self.lib, self.abi, self.gems = out.splitlines()

    def ask(self, code, *arguments):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("RUBY", "GEM", "BUNDLE"))}
        return subprocess.run([self.exe, "-e", code, *arguments], capture_output=True, text=True, timeout=60,
                              check=True, env=env).stdout

    def environment(self, with_unpacked=True):
        """A clean one, in which what was unpacked is found as if it were installed."""
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("SONDE", "RUBY", "GEM", "BUNDLE", "MAKE", "MFLAGS", "DEB_"))}
        usr = self.debian.root / "usr"
        libs = [usr / "lib/ruby/vendor_ruby" / self.abi, *sorted(usr.glob(f"lib/*/ruby/vendor_ruby/{self.abi}")),
                usr / "lib/ruby/vendor_ruby"]
        gems = [usr / f"share/rubygems-integration/{self.abi}", usr / "share/rubygems-integration/all",
                *sorted(usr.glob(f"lib/*/rubygems-integration/{self.abi}")), usr / "share/rubygems-integration"]
        if with_unpacked:
            env.update(RUBYLIB=":".join(map(str, libs)), GEM_PATH=":".join([self.gems, *map(str, gems)]),
                       LD_LIBRARY_PATH=":".join(map(str, sorted(usr.glob("lib/*-linux-gnu*")))))
        env.update(LC_ALL="C.UTF-8", TZ="UTC", SEED="42", PARALLEL_WORKERS="1", N="1", RUBYOPT="-W0")
        return env


class Library:
    """A target: one library with all its tests in one process."""

    ways = ("line", "method", "both")

    def __init__(self, options, ruby, name):
        self.options, self.ruby, self.name = options, ruby, name
        self.known = KNOWN.get(name, {})
        self.version, self.kind, self.missing, self.faults = "", "", [], []
        self.folder, self.code, self.files, self.paths, self.loaded = None, [], [], [], set()
        try:
            if name.startswith("std:"):
                self.take_standard(name[4:].split("+"))
            else:
                self.take_library()
        except (LookupError, subprocess.CalledProcessError) as error:
            self.faults.append(f"FAULT {error} {(getattr(error, 'stderr', None) or '')[-500:]}")
        for pattern, why in self.known.get("without", {}).items():
            self.files = [path for path in self.files if not re.search(pattern, path)]
            self.faults.append(f"without {pattern}: {why}")
        self.label = name
        self.lines = self.find_lines()
        # Without any, nothing is captured, which is a fault.
        self.tests = ["all"] if self.files else []
        self.title = (f"{name} {self.version}, Ruby {ruby.version}: {len(self.files)} files of tests, "
                      f"{len(self.code)} of code")

    def take_standard(self, parts):
        self.folder, self.version = self.ruby.debian.source(f"ruby{self.ruby.version}")
        self.kind, self.paths = "core", ["tool/lib", "test/lib"]
        self.code = find(self.ruby.lib, [pattern for part in parts for pattern in (f"{part}.rb", f"{part}/**/*.rb")])
        self.files = find(self.folder, self.options.tests or [
            pattern for part in parts
            for pattern in (f"test/test_{part}.rb", f"test/{part}/**/test_*.rb", f"test/{part}/**/*_test.rb")])

    def take_library(self):
        name, fetched, needed = self.name, self.ruby.debian, []
        if name.startswith("gem:"):
            folder, self.version = self.ruby.ask(
                "s = Gem::Specification.find_all_by_name(ARGV[0]).find { |found| %w[test spec].any? { |folder| "
                "File.directory?(File.join(found.full_gem_path, folder)) } }; "
                "abort('no such gem that has its tests') unless s; puts s.full_gem_path, s.version", name[4:]).split()
            self.folder = pathlib.Path(folder)
        elif os.path.isdir(os.path.expanduser(name)):
            self.folder = pathlib.Path(os.path.expanduser(name)).resolve()
        else:
            package, _, inner = name.partition("/")
            self.folder, self.version = fetched.source(package)
            self.folder = self.folder / inner
            needed = self.known["packages"].split() if "packages" in self.known else fetched.ruby_packages(package)
        needed += self.options.packages
        self.missing = fetched.provide(list(dict.fromkeys(needed)))
        self.code = find(self.folder, ["lib/**/*.rb"])
        self.files = find(self.folder, self.options.tests or self.known.get("tests") or self.own_patterns())
        self.paths = self.known.get("paths") or ["lib", "test", "spec"]
        self.kind = "rspec" if self.files and self.is_rspec() else "files"

    def own_patterns(self):
        """What Debian's list of tests names, or else what tests are usually called."""
        listed = self.folder / "debian" / "ruby-tests.rake"
        found = re.findall(r"['\"]([^'\"\n]*\*[^'\"\n]*\.rb)['\"]", listed.read_text()) if listed.exists() else []
        return found if find(self.folder, found) else USUAL_TESTS

    def is_rspec(self):
        text = "".join(pathlib.Path(path).read_text(errors="replace")
                       for path in self.files + find(self.folder, ["spec/*helper.rb", "test/*helper.rb"]))
        return all(path.endswith("_spec.rb") for path in self.files) and "minitest" not in text.lower()

    def find_lines(self):
        done = subprocess.run([self.ruby.exe, str(INSIDE / "ruby/places.rb")], input="\n".join(self.code),
                              capture_output=True, text=True, timeout=300, check=True)
        self.faults += done.stderr.splitlines()
        return done.stdout.splitlines()

    def start(self, test, folder):
        # The standard library is tested as installed, and not what another library here needed instead of a part of it.
        env = self.ruby.environment(with_unpacked=self.kind != "core")
        env.update(SONDE_EXPLORE=str(folder), SONDE_EXPLORE_LIB=str(self.options.lib),
                   SONDE_EXPLORE_FILES="\n".join(self.code), HOME=str(folder / "tmp"), **self.known.get("env", {}))
        paths = [f"-I{path}" for path in [INSIDE / "ruby/absent", *(self.folder / path for path in self.paths)]
                 if path.is_dir()]
        first = [f"-r{feature}" for feature in self.known.get("first", "").split()]
        return ([self.ruby.exe, *paths, f"-r{INSIDE / 'ruby/inside.rb'}", *first, str(INSIDE / "ruby/run.rb"),
                 self.kind, *self.files], env, self.folder)

    def every(self, way, plain):
        self.loaded |= plain.modules
        methods = plain.folder / "methods"
        lines = [(line, "line") for line in self.lines] if way != "method" else []
        names = methods.read_text().splitlines() if way != "line" and methods.exists() else []
        return lines + [(name, "exit") for name in names]

    def reason(self, way, name):
        for libraries, ways, names, reason in EXPECTED:
            if re.fullmatch(libraries, self.name) and re.fullmatch(ways, way) and re.search(names, name):
                return reason
        return None

    def notes(self):
        yield from self.faults
        if self.missing:
            yield "could not be had: " + " ".join(self.missing)
        never = [path for path in self.code if path not in self.loaded]
        if never and self.loaded:
            yield f"{len(never)} of {len(self.code)} files of code are required by no test"


def libraries(options):
    packages = debian.Debian(options.folder)
    for entry in options.ruby:
        version, _, exe = entry.partition("=")
        ruby = Ruby(version, exe, packages)
        for name in options.libraries:
            yield Library(options, ruby, name)


def main():
    parser = compare.parser(__doc__)
    parser.add_argument("--ruby", action="append", required=True, metavar="VERSION=PATH")
    parser.add_argument("--libraries", default="", type=str)
    parser.add_argument("--packages", default="", help="Debian's packages that the tests need besides")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="what is fetched is kept there")
    options = parser.parse_args()
    options.tests = options.tests.split()
    options.packages = options.packages.split()
    options.libraries = (options.libraries or LIBRARIES).split()
    compare.run(options, libraries(options))


if __name__ == "__main__":
    main()
