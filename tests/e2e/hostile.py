"""What tests of hostile input share: the state that a refusal leaves as it was, and how a refusal looks.

Whatever is random comes from SEED, which a failure prints; COFFER_SEED=N plays it again.
"""
import contextlib
import os
import time

from world import Case

SEED = int(os.environ.get("COFFER_SEED", "20260131"))
LONG = "x" * 4000
LISTS = {"datasets": "stew", "grants": "stew", "requests": "stew", "runs": "ada", "releases": "ada", "environments": "ada", "users": "operator"}


class Hostile(Case):
    def state(self):
        """All that a request could have changed: what is listed, each dataset's sums, the ledger, uploads that lie about."""
        seen = {}
        for noun, who in LISTS.items():
            seen[noun] = self.send(self.people[who], "GET", f"/v1/{noun}?limit=500").json()["items"]
        for dataset in seen["datasets"]:
            seen[dataset["name"]] = self.send(self.stew, "GET", "/v1/datasets/" + dataset["name"]).json()
        seen["ledger"] = self.send(None, "GET", "/ledger/checkpoint").body.decode().splitlines()[:3]
        seen["uploads"] = sorted(os.listdir(self.world.server.data / "front/uploads"))
        seen["environments"] = [e for e in seen["environments"] if e["state"] == "ready"]
        return seen

    def settled(self):
        """The state when no run is under way: what began earlier would change by itself."""
        end = time.monotonic() + 60
        while True:
            seen = self.state()
            if all(run["state"] not in ("queued", "running") for run in seen["runs"]):
                return seen
            self.assertLess(time.monotonic(), end, "a run does not end")
            time.sleep(0.2)

    @contextlib.contextmanager
    def unchanged(self):
        before = self.settled()
        yield
        after = self.state()
        for part in before.keys() | after.keys():
            self.assertEqual(after.get(part), before.get(part), f"{part} changed (seed {SEED})")

    def refused(self, exchange, status, *words):
        """The answer is a problem with one of these statuses that says these words."""
        statuses = status if isinstance(status, tuple) else (status,)
        self.assertIn(exchange.status, statuses, f"{exchange}")
        self.assertEqual(exchange.kind(), "application/problem+json", f"{exchange}")
        for word in words:
            self.assertIn(str(word), exchange.body.decode(), f"{exchange}")
