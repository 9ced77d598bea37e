"""Two servers on one directory: one serves, the other says so and disturbs nothing; of one that was killed the next takes over at once."""
import concurrent.futures
import fcntl
import os
import time
import unittest

from harness import Server, look_after
from leftovers import left_behind
from tiny import TinyWorld

TOGETHER = 4  # servers started at the same moment
ROUNDS = 8
LOCK_FD = 4  # of DIR/lock.processes in each process


class OneDirectory(unittest.TestCase):
    def setUp(self):
        self.world = TinyWorld.of(self.addCleanup, "two")
        self.server = self.world.server
        self.grant = self.world.give(runs=100)
        self.program = self.world.program()

    def other(self, port=None):
        other = Server(self.server.directory, port=port)
        self.addCleanup(other.stop)
        return other

    def test_a_second_server_is_refused_and_disturbs_nothing(self):
        pids = self.server.pids()
        run = self.world.ada.ask(f"run {self.program} --grant {self.grant}")["id"]
        for _ in range(3):
            self.assertIn("[server_running]", self.other().start(expect_ready=False))
        self.assertEqual(self.world.ada.ask(f"runs wait {run}")["state"], "done")
        self.assertEqual(self.server.pids(), pids, "a process of the first server ended")

    def test_of_those_started_together_one_serves(self):
        for _ in range(3):
            self.server.stop()
            together = [self.other(self.server.port if n == 0 else None) for n in range(TOGETHER)]
            with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
                said = list(pool.map(lambda each: each.start(expect_ready=False), together))
            serving = [each for each, words in zip(together, said) if "ready on" in words]
            refused = [words for words in said if "[server_running]" in words]
            self.assertEqual((len(serving), len(refused)), (1, TOGETHER - 1), said)
            serving[0].stop()
        self.finish([])

    def test_after_a_kill_the_next_one_starts_at_once(self):
        told = []
        for _ in range(ROUNDS):
            told.append(self.submit())
            self.server.kill_all()  # its processes are still ending when the next one starts
            self.server.start()
        self.finish(told)

    @unittest.skipUnless(os.geteuid() == 0, "an ordinary user may not look at what a process of the server has open")
    def test_each_process_holds_the_lock_that_the_next_server_waits_for(self):
        lock = self.server.data / "lock.processes"
        held = {name: lock.samefile(f"/proc/{pid}/fd/{LOCK_FD}") for name, pid in self.server.pids().items()}
        self.assertEqual(held, dict.fromkeys(("keeper", "worker", "builder", "front"), True))

    def test_the_next_server_waits_for_what_is_left_of_the_last(self):
        self.server.stop()
        with open(self.server.data / "lock.processes") as left, concurrent.futures.ThreadPoolExecutor(1) as pool:
            fcntl.flock(left, fcntl.LOCK_EX)  # as a process does that a slow disk keeps from ending
            started = pool.submit(self.server.start)
            end = time.monotonic() + 20
            while "waits for the processes of the last server" not in self.server.log.read_text():
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            self.assertFalse(started.done())
            self.assertEqual(self.server.pids(), {})
            fcntl.flock(left, fcntl.LOCK_UN)
            self.assertIn("ready on", started.result())

    def submit(self):
        line = f"run {self.program} --grant {self.grant}"
        run = self.world.ada.ask(line, status=None) or {}
        if "id" not in run:
            self.look_after()
            run = self.world.ada.ask(line)
        return run["id"]

    def look_after(self):
        look_after(self.world.stew, self.grant, "clinic/people", "1M")

    def settled(self):
        """All runs, once none is under way."""
        end = time.monotonic() + 120
        while True:
            runs = self.world.ada.ask("runs ls")["items"]
            if all(run["state"] in ("done", "failed") for run in runs):
                return runs
            self.assertLess(time.monotonic(), end, runs)
            self.look_after()
            time.sleep(0.3)

    def finish(self, told):
        """What was acknowledged is there and ends, budgets are the sums, nothing is left behind."""
        if self.server.process.poll() is not None:
            self.server.start()
        runs = self.settled()
        self.assertEqual({run["id"] for run in runs}, set(told))
        spent = self.world.ada.ask(f"grant show {self.grant}")["spent"]
        self.assertEqual(spent["bits"], sum(run["charged"]["bits"] for run in runs))
        self.server.stop()
        self.assertEqual(left_behind(self.server), [])


if __name__ == "__main__":
    unittest.main()
