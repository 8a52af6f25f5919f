"""The suites that tools/conformance runs. A suite has a `name`, the `database` that it works in, what
its servers are made with (`bindir`, `initdb`, `settings`), and says what became of each test: "ok",
"failed" or "skipped", by name."""
import os
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree

from lib import conformance_sources
from lib.scratch import find_program, say

PSQL_QUIET = ["-X", "-q", "-v", "ON_ERROR_STOP=1"]


def environment(port, **more):
    """Without what the caller's shell says about PostgreSQL."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**kept, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres",
            "LC_ALL": "C", **more}


class Suite:
    bindir = None
    initdb = ("-E", "UTF8", "--locale=C")
    settings = {"max_prepared_transactions": 10}
    database = "postgres"
    version = ""

    def __init__(self, options):
        self.options = options

    def stage(self, scratch):
        """Puts what the tests need into the scratch directory."""

    def prepare(self, port):
        """Makes the database, on each server."""
        self.psql(port, "postgres", f"CREATE DATABASE {self.database} TEMPLATE template0")

    def psql(self, port, database, *statements):
        program = str(self.bindir / "psql") if self.bindir else find_program("psql")
        command = [program, *PSQL_QUIET, "-d", database]
        for statement in statements:
            command += ["-c", statement]
        subprocess.run(command, check=True, env=environment(port), stdin=subprocess.DEVNULL)


class Postgres(Suite):
    """Of PostgreSQL's source package, against server binaries of the same version beside it."""

    def __init__(self, options):
        super().__init__(options)
        self.source, self.packaged, version = conformance_sources.postgres()
        self.version = f"PostgreSQL {version}"

    def stage(self, scratch):
        # The servers' user cannot look into the cache.
        root = self.packaged.parents[4]
        shutil.copytree(root / "usr/lib/postgresql", scratch.directory / "usr/lib/postgresql")
        shutil.copytree(root / "usr/share/postgresql", scratch.directory / "usr/share/postgresql",
                        symlinks=True)
        self.bindir = scratch.directory / "usr/lib/postgresql/15/bin"


class Regress(Postgres):
    name = "regress"
    database = "regression"

    def stage(self, scratch):
        super().stage(scratch)
        self.tests = scratch.directory / "regress"
        shutil.copytree(self.source / "src/test/regress", self.tests)
        self.schedule = pathlib.Path(self.options.only or self.tests / "parallel_schedule")
        if self.options.only:
            self.schedule = scratch.directory / "schedule"
            shutil.copy(self.options.only, self.schedule)
        scratch.give_tree(self.tests)

    def prepare(self, port):
        super().prepare(port)
        # As pg_regress does for a database that it makes.
        settings = {"lc_messages": "'C'", "lc_monetary": "'C'", "lc_numeric": "'C'", "lc_time": "'C'",
                    "bytea_output": "'hex'", "timezone_abbreviations": "'Default'"}
        self.psql(port, self.database, *(f"ALTER DATABASE {self.database} SET {name} TO {value}"
                                         for name, value in settings.items()))

    def run(self, scratch, port, way):
        out = scratch.make(f"regress-{way}")
        log = scratch.directory / f"regress-{way}.log"
        with open(log, "w") as stream:
            scratch.run([
                self.tests / "pg_regress", f"--inputdir={self.tests}", f"--outputdir={out}",
                f"--bindir={self.bindir}", f"--dlpath={self.tests}", "--max-concurrent-tests=20",
                "--use-existing", f"--dbname={self.database}", "--host=127.0.0.1", f"--port={port}",
                "--user=postgres", f"--schedule={self.schedule}"],
                env=environment(port), stdout=stream, stderr=stream)
        results = {}
        for name, outcome in re.findall(r"^(?:test|    ) +(\S+) +\.\.\. (ok|FAILED|failed)",
                                        log.read_text(), re.M):
            results[name] = outcome.lower()
        if not results:
            say(log.read_text()[-2000:])
        return results


class LibpqPipeline(Postgres):
    name = "libpq_pipeline"
    database = "pipeline"

    def stage(self, scratch):
        super().stage(scratch)
        self.tests = self.source / "src/test/modules/libpq_pipeline"

    def run(self, scratch, port, way):
        libraries = self.source / "src/interfaces/libpq"
        env = environment(port, LD_LIBRARY_PATH=str(libraries))
        program = str(self.tests / "libpq_pipeline")
        names = subprocess.run([program, "tests"], env=env, check=True, capture_output=True,
                               text=True).stdout.split()
        results = {}
        for name in names:
            expected = self.tests / "traces" / f"{name}.trace"
            trace = scratch.directory / f"{way}-{name}.trace"
            extra = ["-t", str(trace)] if expected.exists() else []
            try:
                run = subprocess.run(
                    [program, "-r", "700", *extra, name, f"dbname={self.database}"], env=env,
                    capture_output=True, text=True, timeout=120)
                results[name] = "ok" if run.returncode == 0 else "failed"
            except subprocess.TimeoutExpired:
                results[name] = "hangs"
            if extra:
                same = trace.exists() and trace.read_bytes() == expected.read_bytes()
                results[f"{name} trace"] = "ok" if same else "failed"
        return results


class Psycopg(Suite):
    name = "psycopg"
    database = "psycopg_test"
    # What hangs on the machine's speed, or is known to fail now and then.
    unstable = "not timing and not flakey"
    # What type checkers think of the module, and another server's peculiarities.
    without_server = ("test_typing.py", "crdb", "test_windows.py")

    def __init__(self, options):
        super().__init__(options)
        if options.source:
            self.source, version = pathlib.Path(options.source), "as given"
        else:
            self.source, version = conformance_sources.psycopg()
        self.version = f"tests of psycopg {version}"

    def stage(self, scratch):
        # Without the sources of the module: the installed package is what is tested.
        self.tests = scratch.directory / "psycopg"
        self.tests.mkdir()
        shutil.copytree(self.source / "tests", self.tests / "tests")
        shutil.copy(self.source / "pyproject.toml", self.tests)

    def run(self, scratch, port, way):
        results, log = scratch.directory / f"psycopg-{way}.xml", scratch.directory / f"psycopg-{way}.log"
        chosen = ["-k", self.options.only] if self.options.only else []
        with open(log, "w") as stream:
            subprocess.run(
                ["/usr/bin/python3", "-m", "pytest", "-q", "-m", self.unstable, "-o",
                 f"cache_dir={scratch.directory / 'pytest-cache'}", f"--junitxml={results}",
                 *(f"--ignore=tests/{name}" for name in self.without_server),
                 f"--test-dsn=host=127.0.0.1 port={port} user=postgres dbname={self.database}", *chosen],
                cwd=self.tests, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                env=environment(port, LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1"))
        if not results.exists():
            say(log.read_text()[-2000:])
            return {}
        outcome = {"failure": "failed", "error": "failed", "skipped": "skipped"}
        found = {}
        for case in xml.etree.ElementTree.parse(results).iter("testcase"):
            kinds = [outcome[child.tag] for child in case if child.tag in outcome]
            name = f"{case.get('classname')}::{case.get('name')}"
            # An error at its end follows the test itself, under the same name.
            if found.get(name) != "failed":
                found[name] = kinds[0] if kinds else "ok"
        return found


SUITES = {suite.name: suite for suite in (Regress, LibpqPipeline, Psycopg)}
