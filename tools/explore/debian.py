# SPDX-License-Identifier: Apache-2.0
"""Sources and packages of the Debian that this machine is, in a folder of our own: nothing is installed
and no list of the machine is touched. apt and dpkg-source do the work, with the machine's own sources."""
import os
import pathlib
import re
import shutil
import subprocess
import time

STALE_SECONDS = 24 * 3600


class Debian:
    """`folder` keeps what was fetched: lists, archives, unpacked sources, and `root`, a tree of unpacked
    packages that are not installed here."""

    def __init__(self, folder):
        self.folder = folder.resolve()
        self.root = self.folder / "root"
        self.is_ready = False

    def apt(self, tool, *words, cwd=None):
        where = self.folder / "apt"
        command = [tool, "-q", "-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={where}/parts",
                   "-o", f"Dir::State::Lists={where}/lists", "-o", f"Dir::Cache={where}/cache",
                   "-o", "APT::Sandbox::User=root", *words]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900,
                              env={**os.environ, "LC_ALL": "C"})
        return done.returncode == 0, done.stdout, done.stderr

    def ready(self):
        """The lists, sources' among them."""
        if self.is_ready:
            return
        self.is_ready = True
        where = self.folder / "apt"
        for part in ("parts", "lists/partial", "cache/archives/partial"):
            (where / part).mkdir(parents=True, exist_ok=True)
        etc = pathlib.Path("/etc/apt")
        for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
            if path.is_file() and path.suffix in (".list", ".sources"):
                (where / "parts" / path.name).write_text(with_sources(path.read_text(), path.suffix))
        stamp = where / "updated"
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > STALE_SECONDS:
            is_done, _, fault = self.apt("apt-get", "update")
            if is_done:
                stamp.touch()
            else:
                print(f"apt-get update: {fault.strip()}")

    def paragraphs(self, *words):
        """What apt-cache says, as a list of dictionaries."""
        self.ready()
        _, out, _ = self.apt("apt-cache", *words)
        return [dict(re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", text, re.M))
                for text in out.split("\n\n") if text.strip()]

    def versions(self, package):
        """Of the source package: that of what is installed or would be first, then from new to old."""
        found = list(dict.fromkeys(entry["Version"] for entry in self.paragraphs("showsrc", package)
                                   if entry.get("Package") == package))
        found.sort(key=lambda v: [(int(n), s) for n, s in re.findall(r"(\d+)(\D*)", v)], reverse=True)
        done = subprocess.run(["dpkg-query", "-W", "-f", "${source:Version}", package], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout in found:
            found.insert(0, done.stdout)
        return list(dict.fromkeys(found))

    def source(self, package):
        """(folder, version) of the unpacked source; raises LookupError."""
        kept = sorted(self.folder.glob(f"source/{package}/*/ready"))
        if kept:
            return kept[0].parent / "tree", kept[0].read_text()
        faults = []
        self.ready()
        for version in self.versions(package):
            into = self.folder / "source" / package / version.replace(":", "_")
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir(parents=True)
            is_done, _, fault = self.apt("apt-get", "source", "--download-only", f"{package}={version}", cwd=into)
            described = list(into.glob("*.dsc"))
            if is_done and described:
                done = subprocess.run(["dpkg-source", "--no-check", "-x", described[0].name, "tree"], cwd=into,
                                      capture_output=True, text=True, timeout=300)
                if done.returncode == 0:
                    (into / "ready").write_text(version)
                    return into / "tree", version
                fault = done.stderr
            faults.append(f"{version}: {(fault.strip().splitlines() or ['nothing came'])[-1]}")
            shutil.rmtree(into, ignore_errors=True)
        raise LookupError(f"no source of {package} can be had: " + ("; ".join(faults) or "it is not known here"))

    def ruby_packages(self, package):
        """What the source is built and tested with, and makes, as far as it is for Ruby."""
        entry = ([e for e in self.paragraphs("showsrc", package) if e.get("Package") == package] or [{}])[0]
        named = ", ".join(entry.get(field, "") for field in
                          ("Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch", "Binary"))
        names = list(dict.fromkeys(re.findall(r"(?:^|[,|]\s*)([a-z0-9][a-z0-9.+-]+)", named)))
        if not names:
            return []
        depends = {e.get("Package"): e.get("Depends", "") for e in self.paragraphs("show", "--no-all-versions", *names)}
        return [name for name in names if re.search(r"\b(ruby|lib)?ruby[\d.]*\b", depends.get(name, ""))
                and not re.match(r"gem2deb|debhelper|ruby-all-dev|ruby[\d.]*(-dev|-doc)?$|libruby|.*-doc$", name)]

    def would_install(self, packages):
        """What apt says it would do; "" where it can not."""
        is_done, out, _ = self.apt("apt-get", "-s", "--no-install-recommends", "install", *packages)
        return out if is_done else ""

    def provide(self, packages):
        """Unpacks what is not installed of these and what they need; returns what could not be had."""
        if not packages:
            return []
        self.ready()
        known = {e.get("Package") for e in self.paragraphs("show", "--no-all-versions", *packages)}
        missing = [name for name in packages if name not in known]
        # All at once, or, where they exclude each other, each by itself.
        out = self.would_install(sorted(known)) or "".join(self.would_install([name]) for name in sorted(known))
        into = self.folder / "packages"
        into.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(parents=True, exist_ok=True)
        wanted = {name: version for name, version in re.findall(r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+)", out, re.M)
                  if not (into / f"{name}.unpacked").exists()}
        if wanted:
            self.apt("apt-get", "download", *(f"{name}={version}" for name, version in wanted.items()), cwd=into)
        for name in wanted:
            archives = sorted(into.glob(f"{name}_*.deb"))
            if not archives:
                missing.append(name)
                continue
            subprocess.run(["dpkg", "-x", archives[-1].name, str(self.root)], cwd=into, check=True, timeout=300)
            (into / f"{name}.unpacked").touch()
        return missing


def with_sources(text, suffix):
    """The machine's entry for packages, as one for packages and their sources."""
    if suffix == ".sources":
        return re.sub(r"(?m)^Types:.*$", "Types: deb deb-src", text)
    entries = re.findall(r"(?m)^deb(\s.*)$", text)
    return "".join(f"deb{entry}\ndeb-src{entry}\n" for entry in entries)
