"""kill -9 of front, keeper and worker at seeded random moments of a workload.

Nothing that was acknowledged may be lost, no budget may be off by one, the ledger must verify.
COFFER_SEED replays a run, COFFER_KILLS makes it longer.
"""
import collections
import os
import random
import re
import tempfile
import threading
import time
import unittest

from harness import ROOT, Failed, Output
from story import Story

COUNT = ROOT / "tests/e2e/programs/count"
CLIENTS = 3
VICTIMS = ("front", "keeper", "worker")
AMOUNTS = ("bits", "runs", "cpu_ms")


class Client(threading.Thread):
    """Submits runs, one after the other; remembers which were acknowledged."""

    def __init__(self, person, grant, seed):
        super().__init__()
        self.person, self.grant, self.random = person, grant, random.Random(seed)
        self.acknowledged, self.done, self.errors = [], threading.Event(), []

    def run(self):
        while not self.done.is_set():
            cut = self.random.randrange(80, 280) / 10
            try:
                run = self.person.ask(f"run {COUNT} --grant {self.grant} --param cut={cut}", status=None)
            except Exception as error:  # a client that says nothing readable is a defect
                self.errors.append(error)
                continue
            if run and "id" in run:
                self.acknowledged.append(run["id"])
            self.done.wait(self.random.random())


class TheServer(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("COFFER_SEED", random.SystemRandom().randrange(1 << 32)))
        self.kills = int(os.environ.get("COFFER_KILLS", "20"))
        self.random = random.Random(self.seed)
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-crash-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.story = Story(os.path.join(folder.name, "story"), Output(False))
        self.addCleanup(lambda: self.story.server.stop())
        for step in (self.story.begin, self.story.step1, self.story.step2, self.story.step3):
            step()
        self.ada = self.story.people["ada"]
        stew = self.story.people["stew"]
        stew.type("grant give clinic/tumours --to ada --purpose counting --lane bounded --bits 100k --runs 4000"
                  " --until 2027-01-31 --auto-bits 256 --auto-total 100k --cpu-hours 400 --yes")
        self.grant = next(g["id"] for g in stew.ask("grant ls")["items"] if g["purpose"] == "counting")

    def say(self, text):
        return f"seed {self.seed} (replay: COFFER_SEED={self.seed}): {text}"

    def all_runs(self):
        return [r for r in self.ada.ask("runs ls")["items"] if self.grant in r["grants"]]

    def test_loses_nothing(self):
        clients = [Client(self.ada, self.grant, self.random.random()) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        killed = collections.Counter()
        while sum(killed.values()) < self.kills:
            time.sleep(self.random.uniform(0.2, 2.0))
            victim = self.random.choice(VICTIMS)
            killed[victim] += self.story.server.kill(victim) is not None
            self.assertIsNone(self.story.server.process.poll(), self.say(f"the server ended after {dict(killed)}"))
        for client in clients:
            client.done.set()
        for client in clients:
            client.join(60)
            self.assertEqual(client.errors, [], self.say("a command said nothing readable"))
        self.settle()
        self.check({run for client in clients for run in client.acknowledged}, killed)
        self.story.server.stop()
        self.story.server.start()
        self.check({run for client in clients for run in client.acknowledged}, killed)

    def settle(self):
        """Waits until no run is under way."""
        end = time.monotonic() + 180
        while time.monotonic() < end:
            open_runs = [r for r in self.all_runs() if r["state"] in ("queued", "running")]
            if not open_runs:
                return
            time.sleep(0.5)
        self.fail(self.say(f"still under way: {[(r['id'], r['state']) for r in open_runs]}"))

    def check(self, acknowledged, killed):
        runs = {r["id"]: r for r in self.all_runs()}
        self.assertGreater(len(acknowledged), 3, self.say("too little happened"))
        self.assertEqual(acknowledged - runs.keys(), set(), self.say(f"lost after {dict(killed)}"))
        for run in runs.values():
            self.assertIn(run["state"], ("done", "failed"), self.say(f"{run['id']} is {run['state']} {run['cause']}"))
            if run["state"] == "failed":
                self.assertEqual(run["cause"], "lost", self.say(f"{run['id']} failed: {run['cause']}"))
        grant = self.ada.ask(f"grant show {self.grant}")
        for amount in AMOUNTS:
            total = sum(run["charged"][amount] for run in runs.values())
            self.assertEqual(grant["spent"][amount], total, self.say(f"{amount}: spent is not the sum over {len(runs)} runs"))
            self.assertEqual(grant["reserved"][amount], 0, self.say(f"{amount} stay reserved"))
        one = next(run for run in runs.values() if run["state"] == "done")
        with tempfile.TemporaryDirectory(dir="/var/tmp") as out:
            self.ada.type(f"fetch {one['id']} -o {out}/r", show=False, expect="proved by the ledger")
            said = self.ada.type(f"ledger export -o {out}/ledger", show=False)
            self.ada.type(f"ledger verify {out}/ledger --key {re.search(r'--key (.+)', said)[1]}", show=False)


if __name__ == "__main__":
    unittest.main()
