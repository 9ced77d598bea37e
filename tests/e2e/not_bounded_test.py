"""What bits do not count, and what stands against it: load of the machine (exclusive runs), outages (suspended grants)."""
import datetime
import os
import pathlib
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from counting import Counting
from harness import ROOT, Output, Server
from notified import Notified

NAP = ROOT / "tests/e2e/programs/nap"


def unix(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Probe(threading.Thread):
    """Asks for /healthz again and again; remembers when it was answered, and by how much later than asked."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.url, self.over, self.answers = server.url + "/healthz", threading.Event(), []

    def run(self):
        while not self.over.wait(0.1):
            asked = time.time()
            urllib.request.urlopen(self.url, timeout=60).read()
            self.answers.append((asked, time.time()))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(60)

    def between(self, first, last):
        return [answered for _, answered in self.answers if first <= answered <= last]


class OutsideTheBits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-bits-")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        folder = pathlib.Path(folder.name)
        cls.notified = Notified(folder)
        server = Server(folder / "s", Output(False))
        server.options = cls.notified.command()
        cls.world = Counting(cls(), folder / "s", server=server)
        cls.server, cls.stew, cls.ada = cls.world.server, cls.world.stew, cls.world.ada
        cls.addClassCleanup(cls.server.stop)

    def nap(self, grant, seconds, more="", status=0):
        return self.ada.ask(f"run {NAP} --grant {grant} --param seconds={seconds} {more}", status=status)

    def wait(self, run):
        return self.ada.ask(f"runs wait {run['id']}", status=None)

    def until_ready(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.2)
            try:
                return urllib.request.urlopen(self.server.url + "/readyz", timeout=10).read()
            except urllib.error.HTTPError:
                continue
        return self.fail("the server was not ready again")

    def until_running(self, run):
        end = time.monotonic() + 60
        while self.ada.ask(f"runs show {run['id']}")["state"] != "running":
            self.assertLess(time.monotonic(), end, "the run did not start")
            time.sleep(0.1)
        return run

    def lose(self, grant, count, cancel=False):
        """Starts `count` runs side by side and kills what executes them; whoever cancels then hides nothing."""
        runs = [self.nap(grant, 7) for _ in range(count)]
        for run in runs:
            self.until_running(run)
        time.sleep(0.5)
        self.assertTrue(self.server.kill("worker"))
        if cancel:
            time.sleep(1)  # until its death was noticed
            self.until_ready()
            time.sleep(1)  # the new worker asks what to do about what ran
            self.ada.type(f"runs cancel {runs[0]['id']}", expect="will be cancelled")
        for run in runs:
            self.assertEqual(self.wait(run)["cause"], "cancelled" if cancel else "lost")

    def test_nobody_is_answered_during_an_exclusive_run(self):
        exclusive = self.world.give("alone", "--auto-bits 256 --exclusive")
        with Probe(self.server) as probe:
            alone = self.nap(exclusive, 3, "--wait")
            beside = self.nap(self.world.grant, 3, "--wait")
        for run in (alone, beside):
            self.assertEqual(run["state"], "done", run)
        started, ended = unix(alone["started"]) + 1, unix(alone["ended"])
        self.assertGreater(ended, started)
        self.assertEqual(probe.between(started, ended), [])
        # Who asked meanwhile was answered afterwards; the same program under another grant silences nobody.
        self.assertEqual(len([1 for asked, answered in probe.answers if asked < ended <= answered]), 1)
        self.assertGreater(len(probe.between(unix(beside["started"]) + 1, unix(beside["ended"]))), 3)

    def test_a_run_beside_an_exclusive_one_waits(self):
        exclusive = self.world.give("waiting", "--auto-bits 256 --exclusive")
        first, alone, last = self.nap(self.world.grant, 1), self.nap(exclusive, 1), self.nap(exclusive, 0)
        first, alone, last = (self.wait(run) for run in (first, alone, last))
        self.assertEqual([run.get("state") for run in (first, alone, last)], ["done"] * 3, (first, alone, last))
        self.assertGreaterEqual(unix(alone["started"]), unix(first["ended"]))
        # Between two of them everybody is answered for a while.
        self.assertGreaterEqual(unix(last["started"]), unix(alone["ended"]) + 9)

    def test_repeated_loss_suspends_the_grant_until_its_owner_signs(self):
        grant, other = self.world.give("lossy"), self.world.give("other")
        self.lose(grant, 2)
        self.assertEqual(self.ada.ask(f"grant show {grant}")["state"], "active")
        self.lose(grant, 1, cancel=True)
        self.assertEqual(self.ada.ask(f"grant show {grant}")["state"], "suspended")
        self.ada.type(f"run {NAP} --grant {grant}", status=1, expect=rf"{grant}.*lost 3 times.*\[grant_suspended\]")
        self.ada.type(f"quote {NAP} --grant {grant}", status=1, expect=f"{grant}.*lost 3 times")
        self.notified.wait_for(self, [{"event": "suspended", "grant": grant}])
        self.stew.type("inbox", expect=rf"{grant} on clinic/tumours is suspended.*coffer data limit clinic/tumours")
        self.assertEqual(self.nap(other, 0, "--wait")["state"], "done")
        self.world.sign_limit()
        self.assertEqual(self.ada.ask(f"grant show {grant}")["state"], "active")
        self.assertEqual(self.nap(grant, 0, "--wait")["state"], "done")

    def test_what_waited_in_the_queue_starts_when_the_owner_has_signed(self):
        grant = self.world.give("queued")
        self.lose(grant, 2)
        # One after the other: so the slot of the one that suspends the grant comes before the other makes room.
        running = self.until_running(self.nap(grant, 7))
        full = self.until_running(self.nap(self.world.grant, 7))
        queued = self.nap(grant, 0)
        time.sleep(0.5)
        self.server.kill("worker")
        self.assertEqual([self.wait(run)["cause"] for run in (running, full)], ["lost"] * 2)
        time.sleep(2)
        self.assertEqual(self.ada.ask(f"runs show {queued['id']}")["state"], "queued")
        self.world.sign_limit()
        self.assertEqual(self.wait(queued)["state"], "done")


if __name__ == "__main__":
    unittest.main()
