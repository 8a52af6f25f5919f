"""Throw-away servers and processes for tools/bench and tools/conformance."""
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {text}")


def find_program(name, *places):
    for place in (*places, shutil.which(name)):
        if place and os.access(place, os.X_OK):
            return str(place)
    fail(f"{name} is not installed; run tools/setup")


def server_bin(name):
    places = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return find_program(name, *places)


def free_port():
    """Below the kernel's range for outgoing connections, so that none of those takes it."""
    while True:
        port = random.randrange(15000, 31000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def log_tail(process):
    try:
        return pathlib.Path(process.log).read_text(errors="replace").strip()[-500:]
    except OSError:
        return ""


def wait_for_port(port, process, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            fail(f"{what} ended with status {process.returncode}: {log_tail(process)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    fail(f"{what} does not listen on port {port}")


class Scratch:
    """Owns a scratch directory and every process started in it, which run as an unprivileged user:
    PostgreSQL's server refuses to run as root."""

    def __init__(self, stem, keep=False):
        self.keep = keep
        self.user = None
        if os.geteuid() == 0:
            self.user = next((u for u in ("postgres", "nobody") if self._has_user(u)), None)
            if self.user is None:
                fail("run as root, and there is no unprivileged user (postgres, nobody)")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{stem}-"))
        self.give(self.directory)
        self.ring_directory = pathlib.Path(tempfile.mkdtemp(
            prefix=f"{stem}-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self.give(self.ring_directory)
        self.processes = []
        # So that what cleans up is reached.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(130))

    @staticmethod
    def _has_user(name):
        try:
            return bool(pwd.getpwnam(name))
        except KeyError:
            return False

    def give(self, path):
        if self.user:
            shutil.chown(path, self.user)

    def give_tree(self, path):
        for directory, _, files in os.walk(path):
            self.give(directory)
            for name in files:
                if not os.path.islink(os.path.join(directory, name)):
                    self.give(os.path.join(directory, name))

    def make(self, name):
        """A directory of the servers' user, for it alone."""
        path = self.directory / name
        path.mkdir(mode=0o700)
        self.give(path)
        return path

    def start(self, name, command, quit_signal=signal.SIGTERM, env=None):
        log = open(self.directory / f"{name}.log".replace(" ", "-"), "w")
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, env=env,
                                   stdin=subprocess.DEVNULL, user=self.user, cwd=self.directory)
        process.log = log.name
        log.close()
        self.processes.append((process, quit_signal))
        return process

    def run(self, command, **arguments):
        """Runs a command to its end as the servers' user."""
        return subprocess.run([str(part) for part in command], user=self.user, cwd=self.directory,
                              stdin=subprocess.DEVNULL, **arguments)

    def end_processes(self, seconds=15):
        for process, quit_signal in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(quit_signal)
        for process, _ in reversed(self.processes):
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def stop(self):
        self.end_processes()
        shutil.rmtree(self.ring_directory, ignore_errors=True)
        if self.keep:
            say(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def cluster(self, name, bindir=None, initdb=(), **settings):
        """A server without passwords on a free port of 127.0.0.1; its superuser is postgres."""
        program = (lambda n: str(bindir / n)) if bindir else server_bin
        data, port = self.directory / name, free_port()
        self.run([program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-N", *initdb],
                 check=True, stdout=subprocess.DEVNULL)
        # No waiting for the disk: it would hide what a proxy costs, and shake the figures.
        all_settings = {"port": port, "listen_addresses": "127.0.0.1", "fsync": "off",
                        "unix_socket_directories": self.directory, "shared_buffers": "256MB",
                        "synchronous_commit": "off", "max_connections": 200, "max_wal_size": "4GB",
                        **settings}
        command = [program("postgres"), "-D", data]
        for key, value in all_settings.items():
            command += ["-c", f"{key}={value}"]
        process = self.start(name, command, signal.SIGINT)
        wait_for_port(port, process, 60, name)
        return port
