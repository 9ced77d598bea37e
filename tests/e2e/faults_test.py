"""What a machine does to a server: a full disk, old backups put back, a keeper that stalls, a clock that jumps.

After each: recovery without a hand, or a refusal that names the state and the command that decides it. Nothing acknowledged is
lost, no budget is spent twice, the ledger verifies, nothing is left behind.
COFFER_SEED replays a run, COFFER_POINTS takes more points in time.
"""
import errno
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

from counting import AMOUNTS, COUNT, Counting
from harness import ROOT, Output, Person, Server, beside, fresh
from leftovers import mounts_below
from notified import Notified

FOLDERS = ("front", "vault", "keeper")
DISK_BYTES = 64 << 20
FAKETIME = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
NAP = ROOT / "tests/e2e/programs/nap"
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


class FullDisk(Faults):
    """The data directory has a file system of 64 MiB of its own; environments are large and lie elsewhere."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("mounting a file system of 64 MiB needs root")
        super().setUp()
        server = Server(fresh(self.folder / "disk"), Output(False))
        self.mount(server.data, "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "none")
        self.mount(server.data / "env", "--bind", fresh(self.folder / "env"))
        self.notified = Notified(fresh(self.folder / "notices"))
        server.options = self.notified.command()
        self.begin(server)
        self.own = frozenset(mounts_below("self", server.data))
        self.filler = server.data / "filler"
        self.told = []

    def mount(self, place, *how):
        place.mkdir()
        subprocess.run(["mount", *how, place], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)

    def fill(self, spare=0):
        """Leaves `spare` bytes at most, and none at all without it. The server may take some meanwhile."""
        page = os.sysconf("SC_PAGESIZE")
        with open(self.filler, "ab") as file:
            while True:
                facts = os.statvfs(self.filler)
                more = max(facts.f_bavail * facts.f_frsize - spare, 0 if spare else page)
                if more == 0:
                    return
                try:
                    os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size + more)
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOSPC)
                    if more == page:
                        return

    def make_room(self):
        self.filler.unlink()
        # What the keeper took while the front had no room is stored a moment later, and goes on then.
        runs, before = self.world.settle(), None
        while runs.keys() != before:
            before = runs.keys()
            time.sleep(2)
            runs = self.world.settle()
        self.assertIsNone(self.server.process.poll(), self.say(f"the server ended:\n{self.server.last_words()}"))
        self.world.look_after()
        self.world.check(self.told)

    def is_refused(self, person, line):
        person.type(line, status=1, expect="(?i)disk is full|no space left")

    def submit(self):
        run = self.world.submit(status=None)
        if run and "id" in run:
            self.told.append(run["id"])
        else:
            self.assertRegex(str(run), "(?i)disk is full|no space left|grant_suspended", self.say("the refusal"))

    def test_during_add(self):
        big = self.folder / "big.bin"
        big.write_bytes(self.random.randbytes(8 << 20))
        for spare in (self.random.randrange(8 << 20), 0):
            self.fill(spare)
            self.is_refused(self.world.stew, f"data add clinic/big {big}")
            self.make_room()
        self.world.stew.type(f"data add clinic/big {big}", expect="clinic/big@v1")
        self.finish()

    def test_during_runs(self):
        """At seeded moments between the submission of a run and its release."""
        for _ in range(int(os.environ.get("COFFER_POINTS", "4"))):
            for _ in range(2):
                self.submit()
            time.sleep(self.random.uniform(0, 2.5))
            self.fill(self.random.choice((0, 0, self.random.randrange(256 << 10))))
            self.submit()
            time.sleep(self.random.uniform(0, 2))
            self.make_room()
        self.finish()

    def test_while_a_program_works(self):
        """A run that has started has room for what it will seal: it is released whatever fills the disk meanwhile."""
        run = self.world.ada.ask(f"run {NAP} --grant {self.world.grant} --param seconds=3")["id"]
        self.told.append(run)
        while self.world.ada.ask(f"runs show {run}")["state"] == "queued":
            time.sleep(0.05)
        self.fill()
        time.sleep(6)
        self.make_room()
        self.assertEqual(self.world.runs()[run]["state"], "done", self.say("the disk was filled while it worked"))
        self.world.fetch(run)
        self.finish()

    def test_during_release(self):
        held = self.world.give("held", "--auto-bits 0 --approvers rex --need 1")
        run = self.world.submit(grant=held)["id"]
        self.world.ada.type(f"runs wait {run}")
        self.fill()
        self.is_refused(self.world.people["rex"], f"review approve {run}/counts --reason ok")
        self.make_room()
        self.world.people["rex"].type(f"review approve {run}/counts --reason ok", expect="released")
        self.world.fetch(run)
        self.finish()

    def test_at_start(self):
        """A server that cannot start says why, and starts when there is room."""
        self.server.stop()
        self.fill()
        self.server.start(expect_ready=False)
        if self.server.process.poll() is not None:
            self.assertRegex(self.server.log.read_text(), "(?i)disk is full|no space left")
        self.server.stop()
        self.filler.unlink()
        self.server.start()
        self.finish()

    def finish(self):
        self.world.look_after()
        self.submit()
        self.world.settle()
        self.assertEqual(self.world.check(self.told)[self.told[-1]]["state"], "done", self.say("the last run"))
        self.check_notices()
        self.world.stop_clean(self.own)


    def check_notices(self):
        """Each once, whatever could not be written meanwhile; the disk is small all the time."""
        last = {"event": "released", "run": self.told[-1], "output": "counts"}
        told = self.notified.wait_for(self, [{"event": "disk_low"}, last])
        self.assertEqual([one for n, one in enumerate(told) if one in told[:n]], [], self.say("told twice"))


class OldBackups(Faults):
    """Copies of database, vault and keeper's memory, taken while the server works, are put back later."""

    def work(self, points):
        self.begin()
        self.copies = self.copy_at_work(points)
        self.world.settle()
        self.before = self.spent()

    def copy_at_work(self, points):
        """`points` copies at seeded moments, as a snapshot of the file system would be: processes stand still, nothing is flushed."""
        def client(seed):
            chance = random.Random(seed)

            def work(over):
                while not over.is_set():
                    self.world.submit(cut=chance.randrange(80, 280) / 10)
                    over.wait(chance.uniform(0.2, 2.0))

            return work

        copies = []
        with beside(*(client(self.random.random()) for _ in range(2))):
            for number in range(points):
                time.sleep(self.random.uniform(0.02, 0.6))
                copies.append(self.copy(self.folder / f"copy{number}"))
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
        time.sleep(1.1)  # a limit says the whole second of its signing, and must be later than the loss
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


class StalledKeeper(Faults):
    """It stands still for longer than anybody waits: a slow disk, or a long journal after a start."""

    def test_is_not_given_up(self):
        self.begin()
        told = [self.world.submit()["id"]]
        token = self.world.people["operator"].ask("user add kim --role researcher")["token"] + "\n"
        kim, login = Person("kim", self.server), f"login {self.server.url} --token -"
        keeper = self.server.pids()["keeper"]
        os.kill(keeper, signal.SIGSTOP)
        try:
            kim.type(login, stdin=token, status=1, expect="the keeper does not answer: try again")
            self.world.ada.type(f"run {COUNT} --grant {self.world.grant}", status=1, expect="the keeper does not answer: try again")
        finally:
            os.kill(keeper, signal.SIGCONT)
        told.append(self.world.submit()["id"])
        self.world.settle()
        runs = self.world.check(told)
        self.assertEqual([runs[run]["state"] for run in told], ["done", "done"])
        kim.type(login, stdin=token, expect="kim")
        self.assertEqual(self.server.pids()["keeper"], keeper, "another keeper came")
        self.world.stop_clean()


class JumpingClock(Faults):
    """The server's clock is another one after a restart, a day ahead or back; those of its clients stay."""

    def setUp(self):
        if not FAKETIME.exists():
            self.skipTest("libfaketime is missing: tools/deps tests")
        super().setUp()
        self.begin()
        self.told = []

    def jump(self, days):
        self.server.stop()
        self.server.env = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{days:+d}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        self.server.start()

    def submit(self, count):
        for _ in range(count):
            self.told.append(self.world.submit()["id"])
        time.sleep(self.random.uniform(0, 1.5))

    def settle(self):
        self.world.settle()
        runs = self.world.check(self.told)
        self.assertEqual(len(runs), len(self.told), self.say("a run is there twice"))
        return runs

    def test_runs_finish(self):
        for days in self.random.choice(((1, -1), (-1, 1))):
            # Two may be lost: three suspend a grant, and no limit of today is signed after a loss of tomorrow.
            self.world.grant, self.told = self.world.give(f"jump{days:+d}"), []
            self.submit(2)
            self.jump(days)
            self.submit(1)
            self.assertEqual(self.settle()[self.told[-1]]["state"], "done", self.say(f"a run at {days:+d} days"))
        self.world.stop_clean()

    def test_grants_expire(self):
        today = time.strftime("%Y-%m-%d", time.gmtime())
        self.world.stew.type("grant give clinic/tumours --to ada --purpose short --lane bounded --bits 1k --runs 10"
                             f" --until {today} --auto-bits 256 --yes")
        short = next(g["id"] for g in self.world.stew.ask("grant ls")["items"] if g["purpose"] == "short")
        self.world.ada.type(f"quote {COUNT} --grant {short}")
        self.jump(1)
        self.world.ada.type(f"run {COUNT} --grant {short}", status=1, expect="grant_expired")
        self.world.stop_clean()


if __name__ == "__main__":
    unittest.main()
