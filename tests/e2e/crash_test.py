"""kill -9 of the server's processes at seeded random moments of a workload of 8 clients.

Nothing that was acknowledged may be lost, no budget may be off by one, each ledger that was ever shown must verify and
be a part of the last one, and nothing may be left behind on the machine.
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

from counting import Counting

RUNNERS = 6
VICTIMS = ("front", "keeper", "worker", "builder")


class Client(threading.Thread):
    """Does one thing again and again; remembers what was acknowledged."""

    def __init__(self, world, seed):
        super().__init__()
        self.world, self.random = world, random.Random(seed)
        self.acknowledged, self.over, self.errors = [], threading.Event(), []

    def run(self):
        while not self.over.is_set():
            try:
                self.once()
            except Exception as error:  # a command that says nothing readable is a defect
                self.errors.append(error)
            self.over.wait(self.random.random())


class Runner(Client):
    """Submits a run and waits for its end."""

    def __init__(self, world, seed):
        super().__init__(world, seed)
        self.done = []

    def once(self):
        run = self.world.submit(cut=self.random.randrange(80, 280) / 10, status=None)
        if not run or "id" not in run:
            return
        self.acknowledged.append(run["id"])
        while not self.over.wait(0.5):
            run = self.world.ada.ask(f"runs show {run['id']}", status=None) or {}
            if run.get("state") == "done":
                self.done.append(run["id"])
            if run.get("state") in ("done", "failed") or "id" not in run:
                return


class Owner(Client):
    """Adds one version after the other."""

    def once(self):
        table = self.world.directory / "more.csv"
        table.write_text("value\n" + "".join(f"{self.random.randrange(1000)}\n" for _ in range(1000)))
        said = self.world.stew.type(f"data add clinic/more {table} --replace", status=None)
        if added := re.search(r"^clinic/more@v\d+", said, re.M):
            self.acknowledged.append(added[0])


class Auditor(Client):
    """Exports the ledger and verifies what came."""

    def once(self):
        target = self.world.directory / f"ledger-{len(self.acknowledged)}-{self.random.randrange(1 << 32)}"
        eve = self.world.people["eve"]
        if exported := re.search(r"--key (.+)", eve.type(f"ledger export -o {target}", status=None)):
            eve.type(f"ledger verify {target} --key {exported[1]}")
            self.acknowledged.append(target)


class TheServer(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("COFFER_SEED", random.SystemRandom().randrange(1 << 32)))
        self.kills = int(os.environ.get("COFFER_KILLS", "60"))
        self.random = random.Random(self.seed)
        print(f"COFFER_SEED={self.seed} COFFER_KILLS={self.kills}", flush=True)
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-crash-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.world = Counting(self, os.path.join(folder.name, "s"), self.say)
        self.server = self.world.server
        self.addCleanup(self.server.stop)
        self.runners = [Runner(self.world, self.random.random()) for _ in range(RUNNERS)]
        self.owner = Owner(self.world, self.random.random())
        self.auditor = Auditor(self.world, self.random.random())

    def say(self, text):
        return f"seed {self.seed} (replay: COFFER_SEED={self.seed}): {text}"

    def test_loses_nothing(self):
        clients = [*self.runners, self.owner, self.auditor]
        for client in clients:
            client.start()
        try:
            self.kill_again_and_again()
        finally:
            for client in clients:
                client.over.set()
            for client in clients:
                client.join(120)
        for client in clients:
            self.assertEqual(client.errors, [], self.say("a command said nothing readable"))
        self.world.settle()
        self.check()
        self.world.stop_clean()
        self.server.start()
        self.check()

    def kill_again_and_again(self):
        """In rounds: each process once, in random order. The server gives up on one that dies 20 times a minute."""
        killed = collections.Counter()
        while killed.total() < self.kills:
            for victim in self.random.sample(VICTIMS, len(VICTIMS)):
                time.sleep(self.random.uniform(0.05, 1.85))
                killed[victim] += self.server.kill(victim) is not None
                self.assertIsNone(self.server.process.poll(), self.say(f"the server ended after {dict(killed)}"))

    def check(self):
        told = [run for runner in self.runners for run in runner.acknowledged]
        self.assertGreater(len(told), 10, self.say("too little happened"))
        self.assertEqual(len(told), len(set(told)), self.say("one run was acknowledged twice"))
        runs = self.world.check(told)
        done = [run for runner in self.runners for run in runner.done]
        self.assertGreater(len(done), 3, self.say("too few runs ended meanwhile"))
        self.assertEqual([run for run in done if runs[run]["state"] != "done"], [], self.say("were done before"))
        self.world.fetch(self.random.choice(done))
        self.assertGreater(len(self.owner.acknowledged), 1, self.say("too few versions"))
        for version in self.owner.acknowledged:
            self.world.stew.type(f"data show {version}")
        self.auditor.once()
        self.check_extends(self.auditor.acknowledged)

    def check_extends(self, exports):
        """Each full tile ever shown is in the last export, byte for byte."""
        *before, last = exports
        self.assertGreater(len(before), 1, self.say("too few ledgers were exported"))
        for export in before:
            for tile in (export / "tile").rglob("*"):
                shown = tile.relative_to(export)
                if tile.is_file() and ".p" not in tile.parent.name:
                    self.assertEqual(tile.read_bytes(), (last / shown).read_bytes(), self.say(f"{shown} was shown otherwise"))


if __name__ == "__main__":
    unittest.main()
