#!/usr/bin/env python3
"""Runs clang-tidy over the files named, as compiled in BUILD, on all cores.

usage: lint.py BUILD FILE...

A file that has passed is not looked at again, in this checkout or another one, until it, a header of
the project that it includes, its compile command or the list of checks changes.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pgparity/tidy"
INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def inputs(path, seen):
    """The file and the project's headers below it."""
    if path in seen or not path.is_file():
        return seen
    seen[path] = text = path.read_bytes()
    for name in INCLUDE.findall(text):
        inputs(ROOT / name.decode(), seen)
    return seen


def key(path, command):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    digest.update(command.replace(str(ROOT), "").encode())
    for name, text in sorted(inputs(path, {}).items()):
        digest.update(str(name.relative_to(ROOT)).encode() + b"\0" + text + b"\0")
    return digest.hexdigest()


def lint(build, path, command):
    passed = CACHE / key(path, command)
    if passed.exists():
        return ""
    run = subprocess.run(["clang-tidy", "-p", build, "--quiet", str(path)], capture_output=True, text=True)
    if run.returncode == 0:
        CACHE.mkdir(parents=True, exist_ok=True)
        passed.touch()
        return ""
    return f"{path.relative_to(ROOT)}: clang-tidy failed\n{run.stdout}{run.stderr}"


def main():
    build, names = sys.argv[1], sys.argv[2:]
    commands = {
        pathlib.Path(entry["directory"], entry["file"]).resolve(): entry["command"]
        for entry in json.loads(pathlib.Path(build, "compile_commands.json").read_text())
    }
    files = [(ROOT / name).resolve() for name in names]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for text in pool.map(lambda path: lint(build, path, commands.get(path, "")), files):
            if text:
                failed += 1
                print(text, flush=True)
    print(f"clang-tidy: {len(files)} files, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
