#!/usr/bin/env python3
"""Benchmarks: us and the peers in the same run, as one table. See docs/benchmarks.md.

    make bench                       everything
    bench/run.py --quick             smaller and shorter: does it run, roughly how fast
    bench/run.py --only vault ledger some of it
"""
import argparse
import os
import pathlib
import platform
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))

import native  # noqa: E402
import server  # noqa: E402
import table  # noqa: E402

GROWTH = {"quick": [1_000, 10_000], "usual": [1_000, 10_000, 100_000], "full": [1_000, 10_000, 100_000, 1_000_000]}


def machine():
    """What the figures depend on, in a line."""
    with open("/proc/cpuinfo") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{model}, {len(os.sched_getaffinity(0))} cpus, {memory:.0f} GiB, Linux {platform.release()}, load {load:.1f} before"


def sections(arguments):
    """{name: function of a directory and `quick` that answers rows}"""
    scale = "quick" if arguments.quick else "full" if arguments.full else "usual"
    return {
        "vault": native.vault,
        "ledger": native.ledger,
        "cell": native.cell,
        "api": server.api,
        "runs": server.runs,
        "growth": lambda directory, quick: native.growth(directory, quick, GROWTH[scale]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--full", action="store_true", help="growth up to 1,000,000 runs: an hour, 15 GiB of memory")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of: vault ledger cell api runs growth")
    parser.add_argument("--directory", default="/var/tmp", help="where files are made and removed again")
    arguments = parser.parse_args()
    known = sections(arguments)
    if unknown := set(arguments.only or []) - known.keys():
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are: {' '.join(known)}")
    facts = machine()
    rows = []
    for name, measure in known.items():
        if arguments.only and name not in arguments.only:
            continue
        begin = time.monotonic()
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=arguments.directory, prefix=f"coffer-bench-{name}-") as directory:
            os.chmod(directory, 0o755)
            rows += measure(pathlib.Path(directory), arguments.quick)
        print(f"bench: {name} took {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    print(f"{facts}\n\n{table.render(rows)}")
    missed = [row.name for row in rows if row.holds() is False]
    print(f"\n{len(missed)} of {sum(row.holds() is not None for row in rows)} bounds do not hold" + (": " + "; ".join(missed) if missed else ""))


if __name__ == "__main__":
    main()
