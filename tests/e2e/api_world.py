"""A server after a day of work, every call of it recorded: what api_test looks at."""
import json
import os
import re
import sys
import urllib.parse

from contract import SOURCE, Contract, Recorder, send
from harness import ROOT, UNTIL, Failed, Output
from story import Story

COUNT = ROOT / "tests/e2e/programs/count"
NOBODY = None

# Operations that this file does not drive, each with the reason.
NOT_DRIVEN = {}

# What reads: operation, who asks, values of the path, query. A word in <> is an object of the day.
READS = [
    ("version", NOBODY, {}, {}),
    ("openapi", NOBODY, {}, {}),
    ("whoami", "ada", {}, {}),
    ("whoami", "operator", {}, {}),
    ("inbox", "ada", {}, {}),
    ("inbox", "stew", {}, {"limit": 1}),
    ("inbox", "rex", {}, {}),
    ("users", "operator", {}, {"limit": 500}),
    ("users", "ada", {}, {}),
    ("user", "ada", {"user": "stew"}, {}),
    ("chunk", "stew", {"dataset_id": "<dataset_id>", "chunk": "<chunk>"}, {}),
    ("chunk", "ada", {"dataset_id": "<public_id>", "chunk": "<public_chunk>"}, {}),
    ("datasets", "ada", {}, {"q": "tumours", "limit": 10}),
    ("dataset", "stew", {"org": "clinic", "name": "tumours"}, {}),
    ("dataset", "ada", {"org": "clinic", "name": "tumours"}, {}),
    ("dataset", "ada", {"org": "clinic", "name": "weights"}, {}),
    ("versionInfo", "ada", {"org": "clinic", "name": "tumours", "version": "latest"}, {}),
    ("versionInfo", "stew", {"org": "clinic", "name": "tumours", "version": "1"}, {}),
    ("versionInfo", "stew", {"org": "clinic", "name": "spare", "version": "1"}, {}),
    ("versionOwner", "stew", {"org": "clinic", "name": "tumours", "version": "1"}, {}),
    ("chunkList", "stew", {"org": "clinic", "name": "tumours", "version": "1"}, {}),
    ("requests", "stew", {}, {}),
    ("requests", "ada", {}, {}),
    ("request", "ada", {"request": "<request>"}, {}),
    ("grants", "ada", {}, {}),
    ("grants", "eve", {}, {}),
    ("grant", "ada", {"grant": "<grant>"}, {}),
    ("grant", "stew", {"grant": "<revoked>"}, {}),
    ("environments", "ada", {}, {}),
    ("environment", "ada", {"environment": "python-sklearn"}, {}),
    ("environment", "ada", {"environment": "<environment>"}, {}),
    ("environmentLog", "ada", {"environment": "python-sklearn"}, {"offset": 0}),
    ("environmentLog", "ada", {"environment": "<environment>"}, {}),
    ("program", "ada", {"digest": "<program>"}, {}),
    ("runs", "ada", {}, {"state": "done", "grant": "<grant>"}),
    ("runs", "eve", {}, {}),
    ("runs", "stew", {}, {}),
    ("run", "ada", {"run": "<run>"}, {}),
    ("run", "ada", {"run": "<cancelled>"}, {}),
    ("runLog", "ada", {"run": "<run>"}, {}),
    ("runEvents", "ada", {"run": "<run>"}, {}),
    ("reviews", "rex", {}, {}),
    ("outputSealed", "ada", {"run": "<run>", "output": "weights"}, {}),
    ("releaseKey", "ada", {"run": "<run>", "output": "metrics"}, {}),
    ("releases", "ada", {}, {"run": "<run>"}),
    ("release", "ada", {"release": "<release>"}, {}),
    ("ledgerEntries", "eve", {}, {}),
    ("ledgerEntries", "eve", {}, {"kind": "run", "since": "2020-01-01T00:00:00Z", "until": "2090-01-01T00:00:00Z"}),
    ("ledgerEntries", "ada", {}, {"run": "<run>"}),
    ("ledgerEntries", "stew", {}, {"dataset": "clinic/tumours", "user": "ada"}),
    ("ledgerEntry", "ada", {"index": "0"}, {}),
    ("ledgerProof", "ada", {"index": "0"}, {}),
    ("checkpoint", NOBODY, {}, {}),
    ("tile", NOBODY, {"level": "entries", "tile": "<tile>"}, {}),
    ("status", NOBODY, {}, {}),
    ("healthz", NOBODY, {}, {}),
    ("readyz", NOBODY, {}, {}),
    ("metrics", NOBODY, {}, {}),
]

# Objects that are not there, for calls that shall be refused before anything is looked up.
ABSENT = {
    "user": "nobody", "upload": "up_" + "a" * 16, "dataset_id": "ds_" + "a" * 16, "chunk": "0" * 64, "org": "no", "name": "where",
    "version": "1", "request": "req_" + "a" * 16, "grant": "grant_" + "a" * 16, "environment": "nowhere", "digest": "sha256:" + "0" * 64,
    "run": "run_" + "a" * 16, "output": "none", "release": "rel_" + "a" * 16, "index": "999999", "level": "0", "tile": "x999/999",
}


def fill(operation, values):
    quoted = {k: urllib.parse.quote(v, safe="/" if k == "tile" else "") for k, v in values.items()}
    return operation.path.format(**quoted) if "{" in operation.path else operation.path


def events_of(body):
    """[(id, event, data)] of a text/event-stream; comments are left out."""
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if fields:
            found.append((fields.get("id"), fields.get("event"), json.loads(fields.get("data", "null"))))
    return found


class World:
    """A server after a day of work: everybody has done everything once."""

    def __init__(self, folder):
        self.contract = Contract(SOURCE.read_text())
        self.story = Story(os.path.join(folder, "story"), Output("-v" in sys.argv and "COFFER_SHOW" in os.environ))
        self.server = self.story.server
        self.recorder = Recorder(self.server.port)
        self.server.url = self.recorder.url
        self.made, self.reads, self.broken = {}, [], []

    def send(self, method, target, who=NOBODY, body=b"", headers=None):
        return send(self.server.port, method, target, self.tokens[who] if who else None, body, headers)

    def play(self):
        story = self.story
        for step in (story.begin, story.step1, story.step2, story.step3, story.step4):
            step()
        self.people = story.people
        self.tokens = {name: self.token_of(person) for name, person in self.people.items()}
        self.review()
        self.cancel_and_watch()
        self.accounts()
        self.datasets()
        self.grants()
        self.uploads()
        self.do(self.people["eve"], f"ledger export -o {story.directory / 'ledger'}")
        self.do(self.people["ada"], f"ledger prove 1 -o {story.directory / 'one.tlog-proof'}")
        self.collect()
        self.read()
        self.remove_environment()
        self.day = tuple(self.recorder.exchanges)

    @staticmethod
    def token_of(person):
        config = (person.home / ".config/cofferdam/config.toml").read_text()
        return re.search(r'token = "(\w+)"', config)[1]

    def do(self, person, line, **expected):
        """A command of the day; what fails is kept for a test, so that the others go on."""
        try:
            return person.type(line, show=False, **expected)
        except Failed as failure:
            self.broken.append(str(failure))
            return ""

    def review(self):
        rex, ada, run = self.people["rex"], self.people["ada"], self.story.run
        self.do(rex, f"review show {run}/weights", expect="diagnosis")
        self.do(rex, f"review approve {run}/weights --reason ok", expect="released")
        self.do(ada, f"fetch {run} -o {self.story.directory / 'all'}", expect="weights")

    def cancel_and_watch(self):
        """A run that is cancelled while another is watched from its first event to its last."""
        ada, grant = self.people["ada"], self.story.grants["ada"]
        watched = ada.ask(f"run {COUNT} --grant {grant}")["id"]
        self.made["cancelled"] = ada.ask(f"run {COUNT} --grant {grant} --param cut=20")["id"]
        self.do(ada, f"runs cancel {self.made['cancelled']}")
        self.watched = watched
        self.live = self.send("GET", f"/v1/runs/{watched}/events", "ada")
        self.do(ada, f"runs wait {self.made['cancelled']}", status=1, expect="cancelled")

    def accounts(self):
        operator = self.people["operator"]
        self.do(operator, "user add tom --role researcher")
        self.reads.append(self.send("POST", "/v1/users/tom/token", "operator"))
        self.do(operator, "user rm tom")
        self.do(operator, "user ls", expect="ada")

    def datasets(self):
        stew, folder = self.people["stew"], self.story.directory
        (folder / "weights.bin").write_bytes(bytes(range(256)) * 40)
        (folder / "README.md").write_text("# Tumours\n")
        self.do(stew, f"data add clinic/weights {folder / 'weights.bin'} --public", expect="clinic/weights@v1")
        self.do(stew, f"data add clinic/spare {folder / 'weights.bin'} --note spare", expect="clinic/spare@v1")
        self.do(stew, "data rm clinic/spare@v1")
        self.do(stew, f"data card clinic/tumours --file {folder / 'README.md'} --visible members")

    def grants(self):
        """mal's grant ends; ada is given one that is too small for a run."""
        stew, ada = self.people["stew"], self.people["ada"]
        self.do(stew, f"grant revoke {self.story.grants['mal']}")
        small = stew.ask(
            f"grant give clinic/tumours --to ada --purpose tiny --lane bounded --bits 1 --runs 1 --until {UNTIL} --yes")
        self.do(ada, f"run {COUNT} --grant {small['id']}", status=1)
        self.do(ada, f"quote {COUNT} --grant {small['id']}", status=1)

    def uploads(self):
        self.reads.append(made := self.send("POST", "/v1/uploads", "ada", headers={"Upload-Length": "5", "Tus-Resumable": "1.0.0"}))
        where = made.headers["Location"]
        piece = {"Content-Type": "application/offset+octet-stream"}
        self.reads.append(self.send("PATCH", where, "ada", b"abc", {**piece, "Upload-Offset": "0"}))
        self.reads.append(self.send("PATCH", where, "ada", b"abc", {**piece, "Upload-Offset": "0"}))
        self.offset = self.send("HEAD", where, "ada")
        self.reads += [self.offset, self.send("DELETE", where, "ada"), self.send("HEAD", where, "ada")]

    def collect(self):
        """The names of the day's objects."""
        ada, stew, story = self.people["ada"], self.people["stew"], self.story
        run = ada.ask(f"runs show {story.run}")
        self.made |= {
            "run": story.run, "release": run["outputs"][0]["release"], "grant": story.grants["ada"], "revoked": story.grants["mal"],
            "program": run["program"]["digest"], "environment": "python-sklearn@" + story.environment,
            "request": self.send("GET", "/v1/requests", "ada").json()["items"][0]["id"],
            "tile": f"000.p/{int(self.send('GET', '/ledger/checkpoint').body.splitlines()[1])}",
        }
        for name, word in (("tumours", ""), ("weights", "public_")):
            identity = stew.ask(f"data show clinic/{name}")["dataset_id"]
            chunk = next(p.name for p in (self.server.data / "vault" / identity / "chunks").rglob("*") if p.is_file())
            self.made |= {(word or "dataset_") + "id": identity, word + "chunk": chunk}

    def value(self, text):
        return self.made[text[1:-1]] if isinstance(text, str) and text.startswith("<") else text

    def read(self):
        for name, who, path, query in READS:
            operation = self.contract.operations[name]
            target = fill(operation, {k: self.value(v) for k, v in path.items()})
            if query:
                target += "?" + urllib.parse.urlencode({k: self.value(v) for k, v in query.items()})
            self.reads.append(self.send("GET", target, who))
        archive = fill(self.contract.operations["environmentArchive"], {"environment": "python-sklearn"})
        whole = int(self.send("HEAD", archive, "ada").headers["Content-Length"])
        self.reads.append(self.send("GET", archive, "ada", headers={"Range": f"bytes={whole - 10}-"}))

    def remove_environment(self):
        self.reads.append(self.send("DELETE", "/v1/environments/python-sklearn", "operator"))
        self.reads.append(self.send("GET", "/v1/environments/python-sklearn", "operator"))

    def exchanges(self):
        return [*self.day, *self.reads]

    def operation_of(self, exchange):
        found = self.contract.find(exchange.method, exchange.path)
        return found or (exchange.method == "HEAD" and self.contract.find("GET", exchange.path)) or None

    def answer_faults(self, exchange):
        """What the document does not say of this answer."""
        operation = self.operation_of(exchange)
        if operation is None:
            return ["the document has no such operation"]
        if exchange.status not in operation.successes:
            return self.problem_faults(exchange)
        kind, schema = self.contract.answer(operation, exchange.status)
        faults = [f"lacks the header {h}" for h in operation.successes[exchange.status].get("headers", {}) if h not in exchange.headers]
        if exchange.method == "HEAD":
            return faults
        if kind is None:
            return faults + (["a body that the document does not have"] if exchange.body and exchange.status != 206 else [])
        if exchange.kind() != kind:
            faults.append(f"{exchange.kind()}, not {kind}")
        elif kind == "application/json" and schema.get("format") != "binary":
            faults += self.contract.faults(schema, exchange.json())
        return faults

    def problem_faults(self, exchange, status=None, code=None):
        if exchange.method == "HEAD":
            return [] if status in (None, exchange.status) else [f"status {exchange.status}, wanted {status}"]
        if exchange.kind() != "application/problem+json":
            return [f"status {exchange.status} {exchange.kind()} is neither a documented success nor a problem"]
        problem = exchange.json()
        faults = self.contract.faults(self.contract.problem, problem)
        for name, wanted in (("status", exchange.status), ("type", f"urn:cofferdam:{problem.get('code')}"), ("code", code)):
            if wanted is not None and problem.get(name) != wanted:
                faults.append(f"{name} is {problem.get(name)!r}, wanted {wanted!r}")
        if status is not None and exchange.status != status:
            faults.append(f"status {exchange.status}, wanted {status}")
        return faults

    def request_faults(self, exchange):
        """What the document does not have of what the client sent."""
        operation = self.operation_of(exchange)
        if operation is None:
            return []
        known = {p["name"] for p in self.contract.parameters(operation, "query")}
        faults = [f"sent the parameter {name}" for name in exchange.query if name not in known]
        if operation.body is not None:
            faults += self.contract.faults(operation.body, json.loads(exchange.sent))
        elif exchange.sent and not operation.takes_bytes and exchange.sent != b"{}":
            faults.append(f"sent a body: {exchange.sent[:80]!r}")
        return faults
