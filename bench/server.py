"""A real server: small requests, large bodies, runs, memory. Beside nginx and bubblewrap."""
import concurrent.futures
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import time
import urllib.request

from harness import UNTIL, Server, add_people
from nginx import Nginx
from table import Figure, Row

PIECE = 64 << 20  # the largest piece of an upload that the API takes
CLIENTS = 50
SLOTS = 4

MANIFEST = """[program]
name = "nothing"
entry = ["/bin/sh", "main.sh"]
environment = "bench"

[inputs]
rows = "bench/rows"

[params]
n = 0

[resources]
cpus = 1
memory = "64MiB"
time = "20s"
output = "1MiB"

[[outputs]]
name = "count"
kind = "metrics"
lane = "bounded"
[outputs.fields]
n = { min = 0, max = 255, digits = 0 }
"""
PROGRAM = "printf '{\"n\": 1}' > /out/count.json\n"


class Site:
    """A server with an owner, a researcher, an environment; runs where they are asked for."""

    def __init__(self, directory):
        self.directory = directory
        self.server = Server(directory / "server")

    def __enter__(self):
        self.server.start()
        try:
            self.people = add_people(self.server, {"stew": "owner", "ada": "researcher"})
            self.people["operator"].type("env add bench --preset sklearn", show=False)
            digest = self.people["operator"].ask("env show bench")["digest"]
        except BaseException:
            self.server.stop()
            raise
        self.environment = self.server.data / "env" / digest.removeprefix("sha256:")
        return self

    def __exit__(self, *_):
        self.server.stop()

    def token(self, name):
        """The token that `login` keeps in that person's profile."""
        for path in sorted(self.people[name].home.rglob("*")):
            if path.is_file() and (found := re.search(r"cft_[a-z2-7A-Z0-9_-]+", path.read_text(errors="replace"))):
                return found[0]
        raise RuntimeError(f"{name} has no token")

    def prepare_runs(self):
        stew = self.people["stew"]
        rows = self.directory / "rows.csv"
        rows.write_text("age,ward\n" + "".join(f"{20 + i % 60},{'abc'[i % 3]}\n" for i in range(100)))
        stew.type(f"data add bench/rows {rows}", show=False)
        stew.type("data grade bench/rows --class general --grade 2 --accept-proposed", show=False)
        stew.type("data limit bench/rows --bits 100M", show=False)
        self.grant = stew.ask(f"grant give bench/rows --to ada --purpose bench --lane bounded --bits 10M --runs 10000 --until {UNTIL}"
                              " --auto-bits 256 --auto-total 10M --cpu-hours 10000 --yes")["id"]
        self.program = self.directory / "program"
        self.program.mkdir()
        (self.program / "coffer.toml").write_text(MANIFEST)
        (self.program / "main.sh").write_text(PROGRAM)

    def submit(self, n, more=""):
        return self.people["ada"].ask(f"run {self.program} --grant {self.grant} --param n={n} {more}")["id"]

    def run(self, run):
        return self.people["ada"].ask(f"runs show {run}")

    def wait(self, run, patience=300):
        """The run once it is over."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = self.run(run)
            if found["state"] not in ("queued", "running"):
                return found
            time.sleep(0.2)
        raise RuntimeError(f"{run} is not over after {patience} s: {found['state']}")


# ---- Requests and bodies


def wrk(url, seconds, token=""):
    """Requests a second over 16 connections; fails where an answer was none of 2xx."""
    header = ["-H", f"Authorization: Bearer {token}"] if token else []
    said = subprocess.run(["wrk", "-t", "1", "-c", "16", "-d", f"{seconds}s", *header, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{url}: {said}")
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said)[1])


def download(url, size, token=""):
    """GB/s of one body over one connection."""
    header = ["-H", f"Authorization: Bearer {token}"] if token else []
    said = subprocess.run(["curl", "-sf", "-o", "/dev/null", "-w", "%{size_download} %{time_total}", *header, url],
                          capture_output=True, text=True, check=True).stdout
    got, seconds = said.split()
    if int(got) != size:
        raise RuntimeError(f"{url}: {got} bytes came, wanted {size}")
    return size / 1e9 / float(seconds)


def put_pieces(requests, source, size):
    """GB/s of pieces sent one after the other over one connection; `requests`: (curl options, offset) of each."""
    command = ["curl"]
    for options, _ in requests:
        command += (["--next"] if len(command) > 1 else []) + ["-sf", "-o", "/dev/null", "-H", "Expect:", "--data-binary", f"@{source}", *options]
    begin = time.monotonic()
    subprocess.run(command, check=True)
    return size / 1e9 / (time.monotonic() - begin)


def upload_to_us(site, source, pieces, token):
    request = urllib.request.Request(f"{site.server.url}/v1/uploads", data=b"", method="POST",
                                     headers={"Authorization": f"Bearer {token}", "Upload-Length": str(PIECE * pieces), "Tus-Resumable": "1.0.0"})
    with urllib.request.urlopen(request) as answer:
        target = f"{site.server.url}/v1/uploads/{json.load(answer)['id']}"
    common = ["-X", "PATCH", "-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/offset+octet-stream", "-H", "Tus-Resumable: 1.0.0"]
    rate = put_pieces([([*common, "-H", f"Upload-Offset: {i * PIECE}", target], i) for i in range(pieces)], source, PIECE * pieces)
    drop = urllib.request.Request(target, method="DELETE", headers={"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"})
    urllib.request.urlopen(drop).close()
    return rate


def upload_to_peer(peer, source, pieces, synced=False):
    """`synced`: until the files are on the disk, which nginx itself does not wait for."""
    size, begin = PIECE * pieces, time.monotonic()
    rate = put_pieces([(["-X", "PUT", f"{peer.url}/upload{i}"], i) for i in range(pieces)], source, size)
    for path in peer.files.glob("upload*"):
        if synced:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
    if synced:
        rate = size / 1e9 / (time.monotonic() - begin)
    for path in peer.files.glob("upload*"):
        path.unlink()
    return rate


def in_turn(repeats, *measures):
    """Samples of each, one after the other, so that a busy moment meets all."""
    samples = [[] for _ in measures]
    for _ in range(repeats):
        for kept, measure in zip(samples, measures):
            kept.append(measure())
    return samples


def api(directory, quick):
    pieces, repeats, seconds = (2, 3, 2) if quick else (16, 5, 5)
    with Site(directory) as site, Nginx(directory / "nginx") as peer:
        token = site.token("operator")
        rows = [memory_row(site.server)]
        with urllib.request.urlopen(f"{site.server.url}/v1/version") as answer:
            (peer.files / "version").write_bytes(answer.read())
        ours, with_token, theirs = in_turn(repeats, lambda: wrk(f"{site.server.url}/v1/version", seconds),
                                           lambda: wrk(f"{site.server.url}/v1/whoami", seconds, token), lambda: wrk(f"{peer.url}/version", seconds))
        theirs = Figure(theirs, "1/s")
        rows.append(Row("GET /v1/version, 16 connections", Figure(ours, "1/s"), "nginx, a file of that size", theirs, ">= 0.6x"))
        rows.append(Row("GET /v1/whoami with a token, 16 connections", Figure(with_token, "1/s"), "nginx, a file of that size", theirs, ">= 0.6x"))

        # What is served is the file as it lies there: for this figure one of the wanted size.
        archive, size = site.environment / "env.tar.zst", PIECE * pieces
        archive.unlink()  # it is a link into a cache
        with open(archive, "wb") as file:
            for _ in range(pieces):
                file.write(os.urandom(PIECE))
        archive.chmod(0o644)
        os.link(archive, peer.files / "archive")
        ours, theirs = in_turn(repeats, lambda: download(f"{site.server.url}/v1/environments/bench/archive", size, token),
                               lambda: download(f"{peer.url}/archive", size))
        rows.append(Row(f"download of an environment, {size / 1e9:.2f} GB", Figure(ours, "GB/s"), "nginx, sendfile", Figure(theirs, "GB/s"), ">= 0.85x"))

        source = directory / "piece"
        source.write_bytes(os.urandom(PIECE))
        owner = site.token("stew")
        ours, theirs, synced = in_turn(repeats, lambda: upload_to_us(site, source, pieces, owner), lambda: upload_to_peer(peer, source, pieces),
                                       lambda: upload_to_peer(peer, source, pieces, synced=True))
        name = f"upload, {PIECE * pieces / 1e9:.2f} GB in pieces of 64 MiB"
        rows.append(Row(name, Figure(ours, "GB/s"), "nginx, PUT", Figure(theirs, "GB/s"), ">= 0.85x"))
        rows.append(Row(name, Figure(ours, "GB/s"), "nginx, PUT and a sync", Figure(synced, "GB/s")))
    return rows


def memory_row(server):
    time.sleep(2)
    total = sum(server.resident().values())
    return Row("resident memory of the four processes at rest", Figure([total / 1e6], "MB"), wanted="<= 100 MB")


# ---- Runs


def started_after(site, run):
    """Milliseconds from submit to `started`, as front and keeper wrote them down; the API rounds times to seconds."""
    with contextlib.closing(sqlite3.connect(f"file:{site.server.data}/front/coffer.db?mode=ro", uri=True)) as database:
        submitted, started = database.execute("SELECT submitted, started FROM runs WHERE id = ?", [run["id"]]).fetchone()
    return started - submitted


def alone(site, repeats):
    """Milliseconds from submit to `started`, one run at a time."""
    return Figure([started_after(site, site.wait(site.submit(i))) for i in range(repeats)], "ms")


def burst(site, clients):
    """All clients submit at once. (seconds until the last run is over, their runs)"""
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        runs = list(pool.map(lambda i: site.submit(1000 + i), range(clients)))
    over = [site.wait(run) for run in runs]
    return time.monotonic() - begin, over


def bubbles(site, clients, slots):
    """Runs a second of the same program under bubblewrap, as many at once as we have slots."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--ro-bind", str(site.environment / "root/usr"), "/usr",
               "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
               "--tmpfs", "/tmp", "--tmpfs", "/out", "--ro-bind", str(site.program), "/program", "/bin/sh", "/program/main.sh"]
    begin = time.monotonic()
    subprocess.run(["xargs", "-P", str(slots), "-I{}", *command], input="\n".join(map(str, range(clients))), text=True, check=True)
    return Figure([clients / (time.monotonic() - begin)], "runs/s")


def runs(directory, quick):
    clients = 10 if quick else CLIENTS
    with Site(directory) as site:
        site.prepare_runs()
        latency = alone(site, 5 if quick else 20)
        slots = min(SLOTS, len(os.sched_getaffinity(0)))
        seconds, over = burst(site, clients)
        done = [run for run in over if run["state"] == "done"]
        if len(done) != clients:
            raise RuntimeError(f"{clients - len(done)} of {clients} runs did not end well: {[(r['state'], r['cause']) for r in over]}")
        waits = Figure([started_after(site, run) for run in done], "ms")
        # A run holds its slot of the machine until its first slot of time, one second, however short it is.
        ideal = Figure([slots / 1.0], "runs/s")
        throughput = Figure([clients / seconds], "runs/s")
        name = f"{clients} clients at once, {slots} run beside each other"
        return [
            Row("submit to started, one run", latency),
            Row(f"{name}: finished", throughput, "a slot of 1 s each", ideal),
            Row(f"{name}: finished", throughput, "bubblewrap, xargs -P", bubbles(site, clients, slots)),
            Row(f"{name}: wait for the start, p50", waits),
            Row(f"{name}: wait for the start, p99", waits.p99()),
        ]
