"""What the demo and the end-to-end tests share: a server on a fresh directory, people who type commands.

Nothing here knows the API: everything goes through the real binary, as a user would type it.
"""
import concurrent.futures
import contextlib
import datetime
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COFFER = os.environ.get("COFFER_BINARY", str(ROOT / "build/release/src/app/coffer"))
UNTIL = (datetime.date.today() + datetime.timedelta(days=90)).isoformat()  # of grants


class Failed(AssertionError):
    """A command did not do what was expected; says what was typed and what came."""


def free_port():
    """A port below those that the kernel gives to connections: a server that restarts finds it free again."""
    end = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(end, 20_000))
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextlib.contextmanager
def beside(*works):
    """Runs each work(over) in a thread of its own; leaving the block sets `over` and raises what one of them raised."""
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        under_way = [pool.submit(work, over) for work in works]
        try:
            yield
        finally:
            over.set()
    for each in under_way:
        each.result()


class Output:
    """Where a story is shown: nowhere in tests, on the terminal in the demo."""

    def __init__(self, shown):
        self.shown = shown
        colour = shown and sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.bold, self.dim, self.plain = ("\033[1m", "\033[2m", "\033[0m") if colour else ("", "", "")

    def title(self, text):
        self.write(f"\n{self.bold}== {text}{self.plain}\n")

    def say(self, text):
        self.write(f"{self.dim}# {text}{self.plain}\n")

    def write(self, text):
        if self.shown:
            sys.stdout.write(text)
            sys.stdout.flush()


class Server:
    """A `coffer server` on a directory of its own."""

    def __init__(self, directory, output=None, port=None, env=None):
        self.directory = pathlib.Path(directory)
        self.env = env  # variables beside those of this process
        self.data = self.directory / "data"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = output or Output(False)
        self.log = self.directory / "server.log"
        self.process = None
        self.options = []

    def command(self):
        return [COFFER, "server", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}", *self.options]

    def start_with(self, *options):
        """Stops it, and starts it with these options instead of those before."""
        self.stop()
        self.options = list(options)
        return self.start()

    def start(self, patience=60, expect_ready=True):
        """Starts it and waits for its ready line. Returns that line, or what it said when it refused."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=subprocess.PIPE, bufsize=0, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, **(self.env or {})},
            )
        os.set_blocking(self.process.stdout.fileno(), False)
        said, end = "", time.monotonic() + patience
        while time.monotonic() < end:
            said += (self.process.stdout.read() or b"").decode()
            if "ready" in said:
                return said.strip()
            if self.process.poll() is not None:
                self.process.stdout.close()
                if expect_ready:
                    raise Failed(f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
                return self.last_words()
            time.sleep(0.02)
        self.stop()
        raise Failed(f"the server was not ready after {patience} s:\n{self.log.read_text()[-4000:]}")

    def last_words(self):
        lines = [line for line in self.log.read_text().splitlines() if not line.startswith("{")]
        return "\n".join(lines[-3:])

    def stop(self):
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill_all()
        self.process.stdout.close()
        return self.process.returncode

    def kill_all(self):
        """kill -9 of the supervisor: its processes die with it."""
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()

    def pids(self):
        """{process name: pid} of front, keeper, worker, builder."""
        found = {}
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in children:
            try:
                name = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            except OSError:
                continue
            if name.startswith("coffer-"):
                found[name.removeprefix("coffer-")] = int(pid)
        return found

    def resident(self):
        """{process name: resident bytes}; pages that they share count for each."""
        page = os.sysconf("SC_PAGESIZE")
        return {name: int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for name, pid in self.pids().items()}

    def kill(self, name):
        """kill -9 of one of the four processes; the server starts it again."""
        pid = self.pids().get(name)
        if pid:
            os.kill(pid, signal.SIGKILL)
        return pid

    def operator_token(self):
        return (self.data / "operator.token").read_text().strip()


class Person:
    """Somebody with a home directory of their own, who types `coffer …`."""

    def __init__(self, name, server):
        self.name, self.server = name, server
        self.home = server.directory / "home" / name
        self.home.mkdir(parents=True, exist_ok=True)
        self.output = server.output

    def env(self):
        """The environment of a shell of this person's own."""
        names, families = ("PATH", "LANG", "TERM", "NO_COLOR", "COFFER_CACHE"), ("PIP_", "ASAN_", "UBSAN_", "LSAN_")
        return {k: v for k, v in os.environ.items() if k in names or k.startswith(families)} | {"HOME": str(self.home)}

    def type(self, line, status=0, expect=None, stdin=None, show=True, timeout=600, cwd=None):
        """Runs `coffer LINE`; checks exit status and a pattern in what it printed. Returns stdout and stderr together."""
        words = shlex.split(line)
        if show:
            self.output.write(f"{self.output.bold}{self.name}$ coffer {line}{self.output.plain}\n")
        done = subprocess.run(
            [COFFER, *words], env=self.env(), input=stdin if stdin is not None else "", text=True, capture_output=True, timeout=timeout, cwd=cwd or ROOT
        )
        said = done.stdout + done.stderr
        if show:
            self.output.write(said if said.endswith("\n") or not said else said + "\n")
        if status is not None and done.returncode != status:
            raise Failed(f"{self.name}$ coffer {line}\nexit status {done.returncode}, wanted {status}; it said:\n{said}")
        if expect and not re.search(expect, said, re.S):
            raise Failed(f"{self.name}$ coffer {line}\nwanted /{expect}/ in:\n{said}")
        return said

    def ask(self, line, status=0, timeout=600):
        """The same with --json; returns the document."""
        words = shlex.split(line)
        done = subprocess.run([COFFER, "--json", *words], env=self.env(), text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, cwd=ROOT)
        if status is not None and done.returncode != status:
            raise Failed(f"{self.name}$ coffer --json {line}\nexit status {done.returncode}, wanted {status}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def token(self):
        """What the profile keeps: for tests that speak HTTP themselves."""
        return re.search(r'token = "(\w+)"', (self.home / ".config/cofferdam/config.toml").read_text())[1]

    def login(self, token, show=False):
        return self.type(f"login {self.server.url} --token -", stdin=token + "\n", show=show)


def add_people(server, roles):
    """The operator and {name: roles}, logged in. Returns {name: Person}."""
    operator = Person("operator", server)
    operator.login(server.operator_token())
    people = {"operator": operator}
    for name, role in roles.items():
        token = operator.ask(f"user add {name} --role {role}")["token"]
        people[name] = Person(name, server)
        people[name].login(token)
    return people


def look_after(owner, grant, dataset, bits):
    """What an owner does: a grant that was suspended for lost runs goes on once its dataset has a new limit."""
    if (owner.ask(f"grant show {grant}", status=None) or {}).get("state") == "suspended":
        owner.type(f"data limit {dataset} --bits {bits}", status=None)


def tumours_csv(server, digest, target):
    """The Wisconsin table out of a built scikit-learn environment, with a header."""
    root = server.data / "env" / digest.removeprefix("sha256:") / "root"
    sources = list(root.glob("**/sklearn/datasets/data/breast_cancer.csv"))
    if not sources:
        raise Failed(f"no breast_cancer.csv below {root}")
    subprocess.run([sys.executable, str(ROOT / "tools/tumours.py"), str(sources[0]), str(target)], check=True)


def contents(folder):
    """(path, bytes) of each file below it, but for what a living server takes away meanwhile."""
    for place, _, names in os.walk(folder):
        for path in (pathlib.Path(place, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink():
                    yield path, path.read_bytes()


def fresh(directory):
    """An empty directory that every uid can pass through."""
    path = pathlib.Path(directory)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    path.chmod(0o755)
    return path
