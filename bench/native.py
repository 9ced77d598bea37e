"""Vault, ledger and cells: our C++ programs beside openssl, zstd and bubblewrap."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

from table import Figure, Row

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAMS = pathlib.Path(os.environ.get("COFFER_BENCHES", ROOT / "build/release/bench"))


def figures(program, *arguments):
    """{name: Figure} of what one of our programs printed."""
    done = subprocess.run([PROGRAMS / f"{program}_bench", *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: Figure(line["samples"], line["unit"]) for line in lines}


def openssl_speed(algorithm, seconds, repeats):
    """GB/s of one core over blocks of a mebibyte, as `openssl speed` measures it."""
    samples = []
    for _ in range(repeats):
        said = subprocess.run(
            ["openssl", "speed", "-seconds", str(seconds), "-bytes", str(1 << 20), "-evp", algorithm], capture_output=True, text=True, check=True
        ).stdout
        samples.append(float(re.search(r"([\d.]+)k\s*$", said)[1]) * 1000 / 1e9)
    return Figure(samples, "GB/s")


def zstd(options, source, size, repeats):
    """GB of plain bytes a second of processor time, with one thread, written nowhere."""
    samples = []
    for _ in range(repeats):
        process = subprocess.Popen(["zstd", "-q", "--single-thread", *options, "-c", source], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status:
            raise RuntimeError(f"zstd {options} {source} failed")
        samples.append(size / 1e9 / (usage.ru_utime + usage.ru_stime))
    return Figure(samples, "GB/s")


def vault(directory, quick):
    mebibytes, repeats = (64, 3) if quick else (512, 7)
    ours = figures("vault", directory, mebibytes, repeats)
    cipher = openssl_speed("aes-256-gcm", 1 if quick else 3, repeats)
    digest = openssl_speed("sha256", 1 if quick else 3, repeats)
    table, size = directory / "table", mebibytes << 20
    packed = directory / "table.zst"
    subprocess.run(["zstd", "-q", "-f", "-1", table, "-o", packed], check=True)
    return [
        Row("vault add, incompressible, per core", ours["vault.add.noise"], "openssl aes-256-gcm", cipher, ">= 0.6 GB/s"),
        Row("vault add, incompressible, per core", ours["vault.add.noise"], "openssl sha256", digest),
        Row("vault add, a table, per core", ours["vault.add.table"], "zstd -1", zstd(["-1"], table, size, repeats)),
        Row("vault read, incompressible, by the clock", ours["vault.read_clock.noise"], "openssl aes-256-gcm", cipher, ">= 1.5 GB/s"),
        Row("vault read, incompressible, per core", ours["vault.read.noise"], "openssl aes-256-gcm", cipher),
        Row("vault read, incompressible, per core", ours["vault.read.noise"], "openssl sha256", digest),
        Row("vault read, a table, per core", ours["vault.read.table"], "zstd -d", zstd(["-d"], packed, size, repeats)),
    ]


def disk_sync(directory, repeats):
    """Milliseconds of one write of 4 KiB and fdatasync: the least that a durable append can take."""
    samples = []
    with open(directory / "sync", "wb", buffering=0) as file:
        for _ in range(repeats):
            begin = time.monotonic()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            samples.append((time.monotonic() - begin) * 1000)
    return Figure(samples, "ms")


def ledger(directory, quick):
    ours = figures("ledger", directory, 100_000 if quick else 1_000_000, 3 if quick else 5)
    return [
        Row("ledger appends, durable, group commit", ours["ledger.append.group"], wanted=">= 5,000 entries/s"),
        Row("ledger, one append, durable", ours["ledger.append.one"], "write and fdatasync", disk_sync(directory, 200), "<= 5 ms"),
        Row("ledger verification, offline, per core", ours["ledger.verify"], wanted=">= 1,000,000 entries/s"),
    ]


def cell(directory, quick):
    ours = figures("cell", directory, 30 if quick else 200)
    return [
        Row("cell start to end, /bin/true", ours["cell.start"], "bubblewrap", ours["cell.bwrap"]),
        Row("cell start to end, /bin/true", ours["cell.start"], "posix_spawn", ours["cell.spawn"]),
    ]


def growth(directory, quick, sizes):
    """p99 at each size, beside that of a site of the first, asked in turn. In memory where it can be: then no disk disturbs."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else directory
    with tempfile.TemporaryDirectory(dir=memory, prefix="coffer-bench-growth-") as place:
        ours = figures("growth", f"{place}/growth", 200 if quick else 1000, *sizes)
    names = dict.fromkeys(name.removeprefix("growth.").rpartition(".")[0] for name in ours if not name.endswith(".beside"))
    rows = []
    for name in names:
        for size in sizes[1:]:
            figure, first = ours[f"growth.{name}.{size}"].p99(), ours[f"growth.{name}.{size}.beside"].p99()
            wanted = "<= 2x" if name.split(".")[0] in ("submit", "list_runs", "show_run", "list_datasets", "show_dataset") else ""
            text = name.replace("_", " ").replace(".", ", ")
            rows.append(Row(f"{text}: p99 at {size:,}", figure, f"at {sizes[0]:,}", first, wanted))
    return rows
