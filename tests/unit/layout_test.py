#!/usr/bin/env python3
"""Checks the source tree's rules that no compiler checks.

Fails on: an include against the direction protocol <- compare <- shadow <- proxy <- tools, a library
used in a folder that may not use it, a folder at the top level that the layout does not know.
Warns about files over 400 lines. `layout_test.py --self-test` shows that it finds what it should.
"""
import pathlib
import re
import subprocess
import sys

ORDER = ["protocol", "compare", "shadow", "proxy", "tools"]
TOP_LEVEL = set(ORDER) | {"tests"}
FILE_LINES = 400

# Library headers and the first folder that may include them.
LIBRARIES = [
    (r"sqlite3\.h", "compare"),
    (r"boost/json", "compare"),
    (r"xxhash\.h", "compare"),
    (r"libpq-fe\.h", "shadow"),
    (r"pg_query", "shadow"),
    (r"boost/(asio|beast)", "proxy"),
    (r"spdlog/", "proxy"),
    (r"openssl/ssl\.h", "proxy"),
    (r"CLI/", "tools"),
]
# The core does no I/O: no sockets, files, threads or clocks of its own. (arpa/inet.h only writes
# addresses as text.)
SANS_IO = re.compile(r"^(sys/socket|sys/epoll|poll|fcntl|unistd|fstream|thread|netinet/.*)(\.h)?$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check_file(path, text):
    """Yields one message for each broken rule."""
    folder = path.split("/")[0]
    if folder not in ORDER:
        return
    rank = ORDER.index(folder)
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        quote, target = found.groups()
        top = target.split("/")[0]
        where = f"{path}:{number}"
        if quote == '"' and top == "tests":
            yield f"{where}: {folder} may not include {target}"
        if quote == '"' and top in ORDER and ORDER.index(top) > rank:
            yield f"{where}: {folder} may not include {target}: the direction is {' <- '.join(ORDER)}"
        if quote == '"' and "/" not in target:
            yield f"{where}: include {target} by its path from the top level"
        for pattern, first in LIBRARIES:
            if re.match(pattern, target) and rank < ORDER.index(first):
                yield f"{where}: {folder} may not use <{target}>, {first} is the first that may"
        if folder == "protocol" and quote == "<" and SANS_IO.match(target):
            yield f"{where}: protocol does no I/O, and may not use <{target}>"


def tracked(root):
    listing = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True)
    if listing.returncode == 0 and listing.stdout:
        return [name for name in listing.stdout.splitlines() if (root / name).exists()]
    return [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "build" not in p.parts]


def check_tree(root):
    problems, warnings = [], []
    for name in tracked(root):
        parts = name.split("/")
        if len(parts) > 1 and not parts[0].startswith(".") and parts[0] not in TOP_LEVEL:
            problems.append(f"{name}: no folder of this name in the layout")
        if not name.endswith((".h", ".cc")):
            continue
        text = (root / name).read_text(encoding="utf-8")
        problems.extend(check_file(name, text))
        lines = text.count("\n")
        if lines > FILE_LINES:
            warnings.append(f"{name}: {lines} lines (about {FILE_LINES} is the aim)")
    return problems, warnings


def self_test():
    bad = [
        ("protocol/a.cc", '#include "compare/report.h"'),
        ("compare/a.h", '#include "shadow/unit.h"'),
        ("shadow/postgres/a.cc", '  #  include "proxy/session.h"'),
        ("proxy/a.cc", '#include "tests/support/temp_dir.h"'),
        ("protocol/a.cc", "#include <sys/socket.h>"),
        ("protocol/a.cc", "#include <sqlite3.h>"),
        ("compare/a.cc", "#include <libpq-fe.h>"),
        ("shadow/a.cc", "#include <boost/asio/ip/tcp.hpp>"),
        ("proxy/a.cc", "#include <CLI/CLI.hpp>"),
        ("proxy/a.cc", '#include "session.h"'),
    ]
    good = [
        ("proxy/a.cc", '#include "shadow/unit.h"\n#include <boost/asio.hpp>\n#include <libpq-fe.h>'),
        ("shadow/a.cc", '#include "shadow/unit.h"\n#include "protocol/frame.h"'),
        ("tests/unit/a.cc", '#include "proxy/session.h"'),
        ("protocol/a.cc", "#include <string>\n// #include <sys/socket.h>"),
    ]
    failures = [f"not found: {case}" for case in bad if not list(check_file(*case))]
    failures += [f"found wrongly: {case}" for case in good if list(check_file(*case))]
    return failures


def main():
    if "--self-test" in sys.argv:
        problems, warnings = self_test(), []
    else:
        problems, warnings = check_tree(pathlib.Path(__file__).resolve().parents[2])
    for warning in warnings:
        print("warning:", warning)
    for problem in problems:
        print("error:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
