"""A workload of 8 clients on a counting server: runs, versions, exports of the ledger; each remembers what was acknowledged."""
import random
import re
import threading

RUNNERS = 6


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
    """Adds one version after the other, and looks after the grant."""

    def once(self):
        self.world.look_after()
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


class Clients:
    """All 8, at work while the context lasts."""

    def __init__(self, world, seeds):
        self.runners = [Runner(world, seeds.random()) for _ in range(RUNNERS)]
        self.owner, self.auditor = Owner(world, seeds.random()), Auditor(world, seeds.random())
        self.all = [*self.runners, self.owner, self.auditor]

    def __enter__(self):
        for client in self.all:
            client.start()
        return self

    def __exit__(self, *_):
        for client in self.all:
            client.over.set()
        for client in self.all:
            client.join(120)

    def errors(self):
        return [error for client in self.all for error in client.errors]

    def acknowledged_runs(self):
        return [run for runner in self.runners for run in runner.acknowledged]

    def done_runs(self):
        return [run for runner in self.runners for run in runner.done]
