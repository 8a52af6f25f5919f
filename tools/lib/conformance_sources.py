"""Debian's source packages for tools/conformance, built and kept below ~/.cache.

apt runs with a configuration, lists and cache of its own, so that no file of the machine changes.
"""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess

from lib.scratch import fail, say

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / \
    "pgparity" / "conformance"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PATIENT = ["nice", "-n", "10"]


def locked():
    """Keeps a second run out of the cache until the file is closed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = open(CACHE / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def run(command, log, **arguments):
    """Runs a command; its output goes to the log file, whose end is shown when it fails."""
    with open(log, "a") as out:
        status = subprocess.run([str(part) for part in command], stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL, **arguments).returncode
    return status == 0


def must(command, log, **arguments):
    if not run(command, log, **arguments):
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        fail(f"{' '.join(map(str, command[:4]))} ... failed; {log} ends with:\n{tail}")


class Apt:
    """apt-get for this release's sources and packages, apart from the machine's own."""

    def __init__(self):
        self.directory = CACHE / "apt"
        self.log = CACHE / "apt.log"
        self.updated = False
        for name in ("lists/partial", "cache/archives/partial"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        places = {"Dir::Etc::SourceList": self.directory / "sources.list",
                  "Dir::Etc::SourceParts": "/dev/null", "Dir::State::Lists": self.directory / "lists",
                  "Dir::Cache": self.directory / "cache", "APT::Sandbox::User": "root",
                  "Acquire::Retries": "3"}
        self.options = [part for key, value in places.items() for part in ("-o", f"{key}={value}")]

    def _write_sources(self):
        """The machine's own entries of this Debian release, with their sources."""
        listing = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
             "Created-By: Packages"], capture_output=True, text=True).stdout
        signed = f" [signed-by={KEYRING}]" if os.access(KEYRING, os.R_OK) else ""
        release = dict(re.findall(r'^(\w+)="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text(),
                                  re.M)).get("VERSION_CODENAME", "bookworm")
        lines = set()
        for line in listing.splitlines():
            uri, suite, component = line.split(" ")
            if suite.startswith(release) and component == "main":
                lines |= {f"{kind}{signed} {uri} {suite} main" for kind in ("deb", "deb-src")}
        if not lines:
            fail("apt knows no package source of this Debian release")
        (self.directory / "sources.list").write_text("\n".join(sorted(lines)) + "\n")

    def update(self):
        if self.updated:
            return
        self._write_sources()
        must(["apt-get", *self.options, "update"], self.log)
        self.updated = True

    def versions(self, package, source):
        """Those that can be had both as source and as binary package, newest first."""
        def ask(command, name):
            out = subprocess.run(["apt-cache", *self.options, command, name], capture_output=True,
                                 text=True).stdout
            return re.findall(r"^Version: (\S+)", out, re.M)
        have = set(ask("show", package))
        found = [v for v in ask("showsrc", source) if v in have]
        newest_first = []
        for version in found:
            at = 0
            while at < len(newest_first) and subprocess.run(
                    ["dpkg", "--compare-versions", version, "lt", newest_first[at]]).returncode == 0:
                at += 1
            newest_first.insert(at, version)
        return newest_first

    def source(self, name, version, directory):
        """Unpacks, with Debian's patches, into `directory`; False when the archive lacks it."""
        return run(["apt-get", *self.options, "source", f"{name}={version}"], self.log, cwd=directory)

    def packages(self, names, version, directory):
        """Unpacks binary packages below `directory`, without installing them."""
        packages = [f"{name}={version}" for name in names]
        if not run(["apt-get", *self.options, "download", *packages], self.log, cwd=directory):
            return False
        for package in directory.glob("*.deb"):
            must(["dpkg-deb", "-x", package, directory / "root"], self.log)
        return True


def fetch(what, source, packages):
    """A directory of the cache with the unpacked source package in source/ and the binary packages
    of the same version in root/. The newest version of which the archive has both is taken."""
    ready = sorted(CACHE.glob(f"{source}_*/fetched"))
    if ready:
        return ready[-1].parent
    if shutil.which("dpkg-source") is None:
        fail("dpkg-dev is not installed; run tools/setup")
    apt = Apt()
    say(f"fetching {what} into {CACHE}")
    apt.update()
    for version in apt.versions(packages[0], source):
        directory = CACHE / f"{source}_{version}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        if apt.source(source, version, directory) and apt.packages(packages, version, directory):
            next(p for p in directory.iterdir() if (p / "debian").is_dir()).rename(directory / "source")
            (directory / "fetched").touch()
            return directory
        shutil.rmtree(directory, ignore_errors=True)
        say(f"{source} {version} cannot be had whole")
    fail(f"Debian's archive gives no source package {source} now; see {apt.log}")


def postgres():
    """PostgreSQL's sources, built as far as its regression tests need, beside the server binaries
    of the same version: (source directory, directory of programs, version)."""
    with locked():
        directory = fetch("PostgreSQL's sources", "postgresql-15",
                          ["postgresql-15", "postgresql-client-15"])
        source, log = directory / "source", directory / "build.log"
        if not (directory / "built").exists():
            say("building PostgreSQL's test programs (a few minutes)")
            must([*PATIENT, "./configure", "--without-readline", "--without-zlib"], log, cwd=source)
            for part in ("src/test/regress", "src/test/modules/libpq_pipeline"):
                must([*PATIENT, "make", "-s", "-j1", "-C", part, "all"], log, cwd=source)
            (directory / "built").touch()
    return source, directory / "root/usr/lib/postgresql/15/bin", directory.name.split("_")[1]


def psycopg():
    """The psycopg 3 source tree: (directory, version)."""
    with locked():
        directory = fetch("psycopg's sources", "psycopg3", ["python3-psycopg"])
    return directory / "source", directory.name.split("_")[1]
