"""A server on which runs can be counted: one dataset, one small program, one grant; what must hold of it whatever happened."""
import re
import tempfile
import time

from harness import ROOT, UNTIL, Output, Server, add_people, fresh, look_after, tumours_csv
from leftovers import left_behind

COUNT = ROOT / "tests/e2e/programs/count"
LIMIT = "100M"  # bits
AMOUNTS = ("bits", "runs", "cpu_ms")
ROLES = {"stew": "owner", "ada": "researcher", "rex": "reviewer", "eve": "auditor"}


class Counting:
    """`say` puts what replays a failure before its text."""

    def __init__(self, test, directory, say=str, server=None):
        self.test, self.say = test, say
        self.directory = fresh(directory)
        self.server = server or Server(self.directory, Output(False))
        self.server.start()
        self.people = add_people(self.server, ROLES)
        self.stew, self.ada = self.people["stew"], self.people["ada"]
        self.people["operator"].type("env add python-sklearn --preset sklearn", expect="sha256:")
        table = self.directory / "tumours.csv"
        tumours_csv(self.server, self.people["operator"].ask("env show python-sklearn")["digest"], table)
        self.stew.type(f"data add clinic/tumours {table}", expect="clinic/tumours@v1")
        self.stew.type("data grade clinic/tumours --class general --grade 2 --accept-proposed")
        self.sign_limit()
        self.grant = self.give("counting")

    def sign_limit(self):
        self.stew.type(f"data limit clinic/tumours --bits {LIMIT}")

    def look_after(self):
        look_after(self.stew, self.grant, "clinic/tumours", LIMIT)

    def give(self, purpose, more="--auto-bits 256 --auto-total 10M"):
        self.stew.type(f"grant give clinic/tumours --to ada --purpose {purpose} --lane bounded --bits 10M --runs 100000"
                       f" --until {UNTIL} --cpu-hours 4000 {more} --yes")
        return next(g["id"] for g in self.stew.ask("grant ls")["items"] if g["purpose"] == purpose)

    def submit(self, cut=15.0, grant=None, status=0):
        return self.ada.ask(f"run {COUNT} --grant {grant or self.grant} --param cut={cut}", status=status)

    def runs(self):
        return {r["id"]: r for r in self.ada.ask("runs ls")["items"] if self.grant in r["grants"]}

    def settle(self, patience=120):
        """Waits until no run is under way; returns all runs."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            runs = self.runs()
            open_runs = [(r["id"], r["state"]) for r in runs.values() if r["state"] in ("queued", "running")]
            if not open_runs:
                return runs
            self.look_after()
            time.sleep(0.3)
        return self.test.fail(self.say(f"still under way: {open_runs}"))

    def check(self, acknowledged=(), causes=("lost",)):
        """Nothing acknowledged is lost, runs that failed say one of the causes, spent is the sum over the runs, the ledger verifies."""
        runs = self.runs()
        self.test.assertEqual(set(acknowledged) - runs.keys(), set(), self.say("runs were acknowledged and are lost"))
        for run in runs.values():
            allowed = causes if run["state"] == "failed" else (None,)
            self.test.assertIn(run["state"], ("done", "failed"), self.say(f"{run['id']} is {run['state']} {run['cause']}"))
            self.test.assertIn(run["cause"], allowed, self.say(f"{run['id']} failed: {run['cause']}"))
        grant = self.ada.ask(f"grant show {self.grant}")
        for amount in AMOUNTS:
            total = sum(run["charged"][amount] for run in runs.values())
            self.test.assertEqual(grant["spent"][amount], total, self.say(f"{amount}: spent is not the sum over {len(runs)} runs"))
            self.test.assertEqual(grant["reserved"][amount], 0, self.say(f"{amount} stay reserved"))
        with tempfile.TemporaryDirectory(dir="/var/tmp") as out:
            self.verify_ledger(f"{out}/ledger")
        return runs

    def verify_ledger(self, target):
        said = self.people["eve"].type(f"ledger export -o {target}")
        self.people["eve"].type(f"ledger verify {target} --key {re.search(r'--key (.+)', said)[1]}")

    def fetch(self, run):
        """A release is still there, opens, and is in the ledger."""
        with tempfile.TemporaryDirectory(dir="/var/tmp") as out:
            self.ada.type(f"fetch {run} -o {out}/r", expect="proved by the ledger")

    def stop_clean(self, own=frozenset()):
        """Stops the server; nothing of it is left on the machine."""
        self.server.stop()
        self.test.assertEqual(left_behind(self.server, own), [], self.say("left behind"))
