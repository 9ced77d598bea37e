"""Load without an end: 8 clients at work; the four processes at rest afterwards are as large as they were early on, within a tenth.

Part of `make soak`. COFFER_LOAD_SECONDS: how long, after a quarter of it more until what the database keeps in memory has its size.
"""
import os
import random
import tempfile
import time
import unittest

from clients import Clients
from counting import Counting

GROWTH = 1.1


class TheServer(unittest.TestCase):
    def test_stays_as_large_as_it_was(self):
        seconds = float(os.environ.get("COFFER_LOAD_SECONDS", "1200"))
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-load-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        world = Counting(self, os.path.join(folder.name, "s"))
        self.addCleanup(world.server.stop)
        early, _ = self.work(world, seconds / 4)
        late, runs = self.work(world, seconds)
        said = f"resident at rest: {early}, after {runs} more runs {late}"
        print(said, flush=True)
        self.assertLessEqual(sum(late.values()), GROWTH * sum(early.values()), said)
        world.check()
        world.stop_clean()

    def work(self, world, seconds):
        """({process: resident bytes}, runs that were done) when the clients are."""
        clients = Clients(world, random.Random(seconds))
        with clients:
            time.sleep(seconds)
        self.assertEqual(clients.errors(), [], "a command said nothing readable")
        runs = len(clients.done_runs())
        self.assertGreater(runs, 1, "too little happened")
        world.settle()
        time.sleep(2)
        return world.server.resident(), runs


if __name__ == "__main__":
    unittest.main()
