"""The notify command: each event told once, ids only, also by a front that was killed; a slow command keeps no server from starting."""
import contextlib
import datetime
import json
import os
import pathlib
import signal
import sqlite3
import time
import unittest

from notified import Notified
from tiny import TinyWorld

SLOW_S = 50  # longer than a server waits for the processes of the last one


class Notify(unittest.TestCase):
    def setUp(self):
        self.world = TinyWorld.of(self.addCleanup, "notify")
        self.server = self.world.server
        self.told = Notified(self.world.directory)

    def test_each_event_is_told_once(self):
        world = self.world
        before = world.run(world.give())
        self.server.start_with(*self.told.command())
        world.ada.type(f"grant ask clinic/people --purpose study --program {world.program()}", expect="req_")
        request = world.stew.ask("inbox")["items"][0]["subject"]
        soon = (datetime.date.today() + datetime.timedelta(days=5)).isoformat()
        expiring = world.give(until=soon)
        released = world.run(expiring)
        narrow = world.give(runs=2)
        full = [world.run(narrow) for _ in range(2)]
        looked_at = world.give(auto=0, more="--approvers rex --need 1")
        held = world.run(looked_at)
        wanted = [
            {"event": "request", "request": request, "dataset": "clinic/people"},
            {"event": "released", "run": released["id"], "output": "count"},
            *({"event": "released", "run": run["id"], "output": "count"} for run in full),
            {"event": "budget", "grant": narrow},
            {"event": "held", "run": held["id"], "output": "count"},
        ]
        self.told.wait_for(self, wanted)
        self.wait_until_kept()
        self.server.kill("front")
        again = world.run(expiring)  # asks until the next front answers
        wanted.append({"event": "released", "run": again["id"], "output": "count"})
        wanted.append({"event": "grant_expiring", "grant": expiring, "dataset": "clinic/people"})
        told = self.told.wait_for(self, wanted)
        key = lambda one: json.dumps(one, sort_keys=True)
        self.assertEqual(sorted(told, key=key), sorted(wanted, key=key), f"{before['id']} was over before the command was given")

    def wait_until_kept(self):
        """A front that is killed between telling and keeping in mind what it told tells it again."""
        end = time.monotonic() + 60
        with contextlib.closing(sqlite3.connect(f"file:{self.server.data}/front/coffer.db?mode=ro", uri=True)) as database:
            while not database.execute("SELECT value = (SELECT MAX(rowid) FROM events) FROM noticed WHERE what = 'events'").fetchone()[0]:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.1)

    def pid_of_command(self):
        end = time.monotonic() + 60
        while not (found := [one["pid"] for one in self.told.lines() if "pid" in one]):
            self.assertLess(time.monotonic(), end, "the command did not say its pid")
            time.sleep(0.1)
        return found[0]

    def test_a_slow_command_keeps_no_server_from_starting(self):
        self.server.start_with(*self.told.command(then=f"; echo '{{\"pid\":'$$'}}' >> {self.told.path}; exec sleep {SLOW_S}"))
        run = self.world.run(self.world.give())
        self.told.wait_for(self, [{"event": "released", "run": run["id"], "output": "count"}])
        pid = self.pid_of_command()
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        self.server.kill_all()
        self.assertIn("ready on", self.server.start())
        self.assertTrue(pathlib.Path(f"/proc/{pid}").exists(), "the command had ended: nothing was shown")


if __name__ == "__main__":
    unittest.main()
