"""What a machine does to a server: old backups put back.

After each: recovery without a hand, or a refusal that names the state and the command that decides it. Nothing acknowledged is
lost, no budget is spent twice, the ledger verifies, nothing is left behind.
COFFER_SEED replays a run, COFFER_POINTS takes more points in time.
"""
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from counting import AMOUNTS, COUNT, Counting

FOLDERS = ("front", "vault", "keeper")
REFUSAL = r"the database has \d+ entries, the keeper has signed \d+.*`coffer recover show`"


class Faults(unittest.TestCase):
    """A server of its own for each test."""

    def setUp(self):
        self.seed = int(os.environ.get("COFFER_SEED", random.SystemRandom().randrange(1 << 32)))
        self.random = random.Random(self.seed)
        print(f"COFFER_SEED={self.seed}", flush=True)
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-faults-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.folder = pathlib.Path(folder.name)

    def begin(self, server=None):
        self.world = Counting(self, self.folder / "s", self.say, server)
        self.server = self.world.server
        self.addCleanup(self.server.stop)

    def say(self, text):
        return f"seed {self.seed} (replay: COFFER_SEED={self.seed}): {text}"

    def spent(self):
        grant = self.world.ada.ask(f"grant show {self.world.grant}")
        return {amount: grant["spent"][amount] for amount in AMOUNTS}


class OldBackups(Faults):
    """Copies of database, vault and keeper's memory, taken while the server works, are put back later."""

    def work(self, points):
        self.begin()
        self.copies = self.copy_at_work(points)
        self.world.settle()
        self.before = self.spent()

    def copy_at_work(self, points):
        """`points` copies at seeded moments, as a snapshot of the file system would be: processes stand still, nothing is flushed."""
        over = threading.Event()

        def work(client):
            while not over.is_set():
                self.world.submit(cut=client.randrange(80, 280) / 10)
                over.wait(client.uniform(0.2, 2.0))

        workers = [threading.Thread(target=work, args=(random.Random(self.random.random()),)) for _ in range(2)]
        for worker in workers:
            worker.start()
        copies = []
        for number in range(points):
            time.sleep(self.random.uniform(0.02, 0.6))
            copies.append(self.copy(self.folder / f"copy{number}"))
        over.set()
        for worker in workers:
            worker.join()
        return copies

    def copy(self, target):
        target.mkdir()
        pids = [self.server.pids()[name] for name in ("front", "keeper")]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            subprocess.run(["cp", "-a", *(self.server.data / name for name in FOLDERS), target], check=True)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        return target

    def put_back(self, copy, names):
        self.server.stop()
        for name in names:
            subprocess.run(["rm", "-rf", self.server.data / name], check=True)
            subprocess.run(["cp", "-a", copy / name, self.server.data / name], check=True)

    def recover(self, expect):
        """Starts the server; when it refuses, does what it says. True when it refused."""
        said = self.server.start(expect_ready=False)
        if self.server.process.poll() is None:
            return False
        self.assertRegex(said, expect, self.say("the refusal"))
        operator = self.world.people["operator"]
        operator.type(f"recover show --data {self.server.data}", expect="coffer recover accept")
        operator.type(f"recover accept --reason 'copy of yesterday' --data {self.server.data}", expect="Accepted: the gap is entry")
        self.server.start()
        return True

    def test_of_database_and_vault(self):
        points = int(os.environ.get("COFFER_POINTS", "50"))
        self.work(points)
        refused = 0
        for copy in self.random.sample(self.copies, len(self.copies)):
            self.put_back(copy, ("front", "vault"))
            refused += self.recover(REFUSAL)
            self.assertEqual(self.spent(), self.before, self.say(f"spent after {copy.name} was put back"))
        self.assertGreater(refused, points // 2, self.say("too few copies were old"))
        self.go_on()

    def test_with_runs_under_way(self):
        """Runs that only the keeper knows end by themselves: nothing stays reserved for them."""
        self.work(points=5)
        for _ in range(4):
            self.world.submit()
        time.sleep(self.random.uniform(0, 1))
        self.put_back(self.random.choice(self.copies), ("front", "vault"))
        self.assertTrue(self.recover(REFUSAL), self.say("an old database was taken"))
        end = time.monotonic() + 60
        while any(self.world.ada.ask(f"grant show {self.world.grant}")["reserved"].values()):
            self.assertLess(time.monotonic(), end, self.say("reservations stay"))
            time.sleep(0.5)
        self.before = self.spent()
        self.go_on()

    def test_of_the_keepers_memory(self):
        """Then nobody knows what was spent: every budget counts as spent until its owner signs anew."""
        self.work(points=3)
        self.put_back(self.copies[0], ("keeper",))
        self.assertTrue(self.recover(r"the keeper's memory has \d+ entries, the database \d+.*older.*`coffer recover show`"))
        self.assertRegex(self.world.ada.type(f"run {COUNT} --grant {self.world.grant}", status=1), "limit|budget|spent")
        self.world.stew.type("data limit clinic/tumours --bits 200M")
        self.world.grant = self.world.give("anew")
        run = self.world.submit()["id"]
        self.assertEqual(self.world.settle()[run]["state"], "done")
        self.world.verify_ledger(self.folder / "ledger")
        self.world.stop_clean()

    def go_on(self):
        """New runs are charged on top of what was truly spent."""
        run = self.world.submit()["id"]
        charged = self.world.settle()[run]["charged"]
        self.assertEqual(self.spent(), {amount: self.before[amount] + charged[amount] for amount in AMOUNTS}, self.say("spent after one more run"))
        self.world.verify_ledger(self.folder / "ledger")
        self.world.stop_clean()


if __name__ == "__main__":
    unittest.main()
