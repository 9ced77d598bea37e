"""Canaries: strings that are private are planted, and looked for wherever the server writes or says anything.

Who may know what is section 1 of the protocol and "what is public" of a card. Each canary has the places where it may be; the
search is proved by finding it there.
"""
import base64
import fnmatch
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from contract import send
from harness import ROOT, Output, contents
from tiny import TinyWorld, oci_archive

BLAB = ROOT / "tests/e2e/programs/blab/blab.c"
MODES = {"file": ("refused", "undeclared"), "text": ("refused", "malformed"), "crash": ("failed", "exit"), "exit": ("failed", "exit")}
STATE = ["front/coffer.db*", "keeper/journal"]  # what is signed stands there, for those who may see it
WORLD = None


class CanaryWorld(TinyWorld):
    """Has blab in its environment, and keeps what everybody but the owner was told."""

    def add_environment(self):
        tally, blab = self.directory / "tally", self.directory / "blab"
        for target, source in (tally, ROOT / "tests/e2e/programs/tally/tally.c"), (blab, BLAB):
            subprocess.run(["cc", "-Os", "-static", "-s", "-o", target, source], check=True)
        archive = oci_archive(self.directory / "tiny.tar", {"bin/tally": tally.read_bytes(), "bin/blab": blab.read_bytes()})
        self.operator.type(f"env add tiny --oci {archive}", expect="sha256:")

    def play(self):
        self.seed = int(os.environ.get("COFFER_SEED", random.SystemRandom().randrange(1 << 32)))
        chance = random.Random(self.seed)
        self.word = lambda kind: f"{kind}canary{chance.randrange(1 << 60):015x}"
        self.rows = [self.word("row") for _ in range(60)]
        super().play()
        self.said = []
        return self

    def dataset(self, name, text, **more):
        return super().dataset(name, "name,age\n" + "".join(f"{row},41\n" for row in self.rows), **more)

    def tell(self, person, line, **more):
        said = person.type(line, status=None, show=False, **more)
        self.said.append(said)
        return said


def setUpModule():
    global WORLD
    folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-canary-")
    unittest.addModuleCleanup(folder.cleanup)
    os.chmod(folder.name, 0o755)
    WORLD = CanaryWorld(folder.name, Output("COFFER_SHOW" in os.environ))
    unittest.addModuleCleanup(WORLD.server.stop)
    WORLD.play()


def forms(secret):
    """How bytes may be written down: as they are, in hex, in base64 at each of three places."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    out = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        out.add(base64.b64encode(b"\0" * shift + raw)[4 if shift else 0:].rstrip(b"=")[:-2])
    return out


def holds(content, secret):
    return any(form in content for form in forms(secret))


class Canaries(unittest.TestCase):
    def setUp(self):
        self.server, self.stew, self.ada = WORLD.server, WORLD.stew, WORLD.ada

    def everywhere(self):
        """{place: bytes} of all that the server wrote, says to anybody, or shows of itself."""
        places = {"log": self.server.log.read_bytes(), "told to others": "\n".join(WORLD.said).encode()}
        places |= {str(path.relative_to(self.server.data)): content for path, content in contents(self.server.data)}
        for page in ("/", "/metrics", "/healthz", "/readyz", "/v1/version", "/ledger/checkpoint"):
            places[page] = urllib.request.urlopen(self.server.url + page).read()
        for name, pid in self.server.pids().items():
            whole = os.geteuid() == 0  # what cannot be traced shows its environment to root only
            for what in ("cmdline", "comm", *(["environ"] if whole else [])):
                places[f"{name} {what}"] = pathlib.Path(f"/proc/{pid}/{what}").read_bytes()
        return places

    def check(self, secret, allowed):
        """Nowhere but in the allowed places, and there it is found."""
        found = [place for place, content in self.everywhere().items() if holds(content, secret)]
        stray = [place for place in found if not any(fnmatch.fnmatch(place, pattern) for pattern in allowed)]
        self.assertEqual(stray, [], f"{secret!r} (seed {WORLD.seed})")
        if allowed:
            self.assertNotEqual(found, [], f"{secret!r} was not even found where it may be: {allowed}")

    def blab(self, grant, mode):
        program = WORLD.program(name="blab" + mode)
        manifest = program / "coffer.toml"
        text = manifest.read_text().replace('entry = ["/bin/tally"]', f'entry = ["/bin/blab", "{mode}"]')
        manifest.write_text(text)
        return WORLD.tell(self.ada, f"run {program} --grant {grant} --wait")

    def test_rows_are_nowhere_whatever_a_program_says(self):
        grant = WORLD.give()
        for mode, ending in MODES.items():
            self.blab(grant, mode)
            for line in "runs log @last", "runs show @last":
                WORLD.tell(self.ada, line)
            run = self.ada.ask("runs show @last")
            self.assertEqual((run["state"], run["cause"] or run["outputs"][0]["refusal"]), ending, mode)
        for line in ("data show clinic/people", "data card clinic/people", f"data twin clinic/people -o {WORLD.directory}/twin", "inbox"):
            WORLD.tell(self.ada, line)
        self.assertIn(b"process started", self.server.log.read_bytes())
        for row in WORLD.rows[:3]:
            self.check(row, [])

    @unittest.skipUnless(os.geteuid() == 0, "only root reads another process's memory")
    def test_rows_are_in_no_memory_but_the_workers(self):
        self.blab(WORLD.give(), "exit")
        row, secret = WORLD.rows[0].encode(), (self.server.data / "keeper/master.key").read_text().strip()
        held = {name: memory_of(pid) for name, pid in self.server.pids().items() if name != "worker"}
        self.assertEqual([name for name, memory in held.items() if row in memory], [])
        keys = [name for name, memory in held.items() if secret.encode() in memory or bytes.fromhex(secret) in memory]
        self.assertEqual([name for name in keys if name != "keeper"], [])
        self.assertTrue(any(b"clinic/people" in memory for memory in held.values()), "the search finds nothing at all")

    def test_names_of_files_of_ungraded_data(self):
        name = WORLD.word("file")
        folder = WORLD.directory / "named"
        folder.mkdir()
        (folder / f"{name}.csv").write_text("a\n1\n")
        self.assertIn(name, self.stew.type(f"data add clinic/named {folder / name}.csv"))
        for line in ("data show clinic/named", "data ls", "data card clinic/named"):
            WORLD.tell(self.ada, line)
        self.check(name, [])

    def test_parameters_and_purposes_are_for_those_who_may_see_the_run(self):
        value, purpose = WORLD.word("param"), WORLD.word("purpose")
        until = "2099-01-31"
        line = f"grant give clinic/people --to ada --purpose {purpose} --lane bounded --bits 1k --runs 5 --until {until} --auto-bits 64 --yes"
        grant = self.stew.ask(line)["id"]
        run = WORLD.run(grant, more=f"--param note={value}")
        self.assertEqual(run["state"], "done")
        rex = WORLD.people["rex"]
        for line in (f"runs show {run['id']}", f"grant show {grant}", "ledger show", "inbox"):
            WORLD.tell(rex, line)
        self.check(value, STATE)
        self.check(purpose, STATE)

    def test_tokens_and_what_looks_like_one(self):
        token = WORLD.operator.ask("user token ada")["token"]
        self.ada.login(token)
        self.assertTrue(token.startswith("cft_"))
        self.check(token[4:24], [])
        self.check(self.server.operator_token(), ["operator.token"])
        wrong = WORLD.word("cft_")
        for headers in {"Authorization": f"Bearer {wrong}"}, {"Authorization": f"Bearer {token}", "Idempotency-Key": WORLD.word("idem")}:
            send(self.server.port, "GET", f"/v1/datasets/{wrong}/x?q={wrong}", headers=headers)
            send(self.server.port, "POST", "/v1/grants", headers=headers, body=("{" + wrong).encode())
        WORLD.tell(self.ada, f"data ls {wrong}")
        self.check(wrong, [])

    def test_keys(self):
        for person in WORLD.people.values():
            for file in person.home.glob(".config/cofferdam/keys/*.json"):
                document = json.loads(file.read_text())
                secrets = [v for k, v in document.items() if isinstance(v, str) and ("secret" in k or "seed" in k or "private" in k)]
                self.assertGreater(len(secrets), 0, f"{file.name} has {list(document)}")
                for secret in secrets:
                    self.check(secret, [])
                    self.check(base64.b64decode(secret), [])
        master = (self.server.data / "keeper/master.key").read_text().strip()
        self.check(master, ["keeper/master.key"])
        self.check(bytes.fromhex(master), ["keeper/master.key"])

    def test_no_process_leaves_a_core(self):
        for name, pid in self.server.pids().items():
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size\s+0\s+0", name)
        supervisor = pathlib.Path(f"/proc/{self.server.process.pid}/environ").read_bytes()
        self.assertNotIn(b"cft_", supervisor)

    def test_a_log_line_is_one_of_a_few_and_holds_ids_only(self):
        known = {"time", "part", "event", "name", "pid", "code", "signal", "message", "detail", "run", "attempt", "uid", "bytes", "entries"}
        known |= {"at", "cause", "job", "state"}
        for line in self.server.log.read_text().splitlines():
            fields = json.loads(line)
            self.assertEqual(set(fields) - known, set(), line)


def memory_of(pid):
    """What a process has written in its memory, as far as it can be read."""
    out = bytearray()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            first, last = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw") and last - first < 1 << 28:
                try:
                    memory.seek(first)
                    out += memory.read(last - first)
                except (OSError, ValueError, OverflowError):
                    continue
    return bytes(out)


if __name__ == "__main__":
    unittest.main()
