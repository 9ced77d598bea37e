"""kill -9 of the server's processes at seeded random moments of a workload of 8 clients.

Nothing that was acknowledged may be lost, no budget may be off by one, each ledger that was ever shown must verify and
be a part of the last one, and nothing may be left behind on the machine.
COFFER_SEED replays a run, COFFER_KILLS makes it longer.
"""
import collections
import os
import random
import tempfile
import time
import unittest

from clients import Clients
from counting import Counting

VICTIMS = ("front", "keeper", "worker", "builder")
PATIENCE_S = 300  # beyond the kills, on a machine that has other work, until enough has happened between them
ROUND_S = 3.2  # at least: between 21 deaths of one process lie 19 rounds, which is more than a minute


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
        self.clients = Clients(self.world, self.random)

    def say(self, text):
        return f"seed {self.seed} (replay: COFFER_SEED={self.seed}): {text}"

    def test_loses_nothing(self):
        with self.clients:
            self.kill_again_and_again()
        self.assertEqual(self.clients.errors(), [], self.say("a command said nothing readable"))
        self.world.settle()
        self.check()
        self.world.stop_clean()
        self.server.start()
        self.check()

    def kill_again_and_again(self):
        """In rounds: each process once, in random order. The server gives up on one that dies more than 20 times a minute."""
        killed, give_up = collections.Counter(), time.monotonic() + 2 * self.kills + PATIENCE_S
        while killed.total() < self.kills or (self.missing() and time.monotonic() < give_up):
            next_round = time.monotonic() + ROUND_S
            for victim in self.random.sample(VICTIMS, len(VICTIMS)):
                time.sleep(self.random.uniform(0.05, 1.85))
                killed[victim] += self.server.kill(victim) is not None
                self.assertIsNone(self.server.process.poll(), self.say(f"the server ended after {dict(killed)}:\n{self.server.last_words()}"))
            time.sleep(max(0, next_round - time.monotonic()))

    def missing(self):
        """What happened too seldom for a loss to be seen."""
        clients = self.clients
        happened = {
            "runs acknowledged": (len(clients.acknowledged_runs()), 11),
            "runs done": (len(clients.done_runs()), 4),
            "versions added": (len(clients.owner.acknowledged), 2),
            "ledgers exported": (len(clients.auditor.acknowledged), 2),
        }
        return [f"{what}: {had} of {least}" for what, (had, least) in happened.items() if had < least]

    def check(self):
        self.assertEqual(self.missing(), [], self.say("too little happened"))
        told, done = self.clients.acknowledged_runs(), self.clients.done_runs()
        self.assertEqual(len(told), len(set(told)), self.say("one run was acknowledged twice"))
        runs = self.world.check(told)
        self.assertEqual([run for run in done if runs[run]["state"] != "done"], [], self.say("were done before"))
        self.world.fetch(self.random.choice(done))
        for version in self.clients.owner.acknowledged:
            self.world.stew.type(f"data show {version}")
        self.clients.auditor.once()
        self.check_extends(self.clients.auditor.acknowledged)

    def check_extends(self, exports):
        """Each full tile ever shown is in the last export, byte for byte."""
        *before, last = exports
        for export in before:
            for tile in (export / "tile").rglob("*"):
                shown = tile.relative_to(export)
                if tile.is_file() and ".p" not in tile.parent.name:
                    self.assertEqual(tile.read_bytes(), (last / shown).read_bytes(), self.say(f"{shown} was shown otherwise"))


if __name__ == "__main__":
    unittest.main()
