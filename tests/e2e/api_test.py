"""The API and its document, both ways: all that the document has is answered as it says, and nothing else is.

A day of work goes through a recorder between the client and the server, so that every call that
needs a signature is made by the real client. What only reads is called from a table.
"""
import json
import os
import re
import sys
import tempfile
import time
import unittest
import urllib.parse

from contract import METHODS, SOURCE, Contract, Recorder, send
from harness import ROOT, UNTIL, Failed, Output
from story import Story

COUNT = ROOT / "tests/e2e/programs/count"
NOBODY = None
WORLD = None

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


def setUpModule():
    global WORLD
    folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-api-")
    unittest.addModuleCleanup(folder.cleanup)
    os.chmod(folder.name, 0o755)
    WORLD = World(folder.name)
    unittest.addModuleCleanup(WORLD.recorder.stop)
    unittest.addModuleCleanup(WORLD.server.stop)
    WORLD.play()


class Case(unittest.TestCase):
    def report(self, faults):
        """`faults`: [(exchange, [text])]. Fails with what was sent, what came, what is wrong."""
        wrong = [(e, f) for e, f in faults if f]
        if wrong:
            shown = "\n\n".join(f"{e}\n  wrong: " + "\n  wrong: ".join(f) for e, f in wrong[:12])
            self.fail(f"{len(wrong)} of {len(faults)} exchanges are wrong:\n{shown}")

    def refused(self, exchange, status, code, field=None, words=()):
        faults = WORLD.problem_faults(exchange, status, code)
        if exchange.method == "HEAD":
            return exchange, faults
        if not faults and field is not None and field not in exchange.json().get("field", ""):
            faults.append(f"the field is {exchange.json().get('field')!r}, wanted {field!r}")
        if not faults:
            faults += [f"the detail does not say {w!r}" for w in words if w not in exchange.json()["detail"]]
        return exchange, faults

    def operations(self, **wanted):
        return [op for op in WORLD.contract.operations.values() if all(getattr(op, k) == v for k, v in wanted.items())]


    def role_faults(self, operations):
        """Calls by somebody of each role that the document permits, which shall not fail for the role."""
        people, faults = {"owner": "stew", "researcher": "ada", "reviewer": "rex", "auditor": "eve", "operator": "operator"}, []
        for operation in operations:
            for role in operation.roles:
                exchange = WORLD.send(operation.method, fill(operation, ABSENT), people[role], b"{}" if operation.body else b"")
                refused = exchange.json().get("code") if exchange.kind() == "application/problem+json" else None
                faults.append((exchange, [f"the document permits the role {role}"] if refused in ("role_required", "denied") else []))
        return faults


class TheDocument(Case):
    def test_every_operation_was_answered_as_it_says(self):
        done = {WORLD.operation_of(e).id for e in WORLD.exchanges() if WORLD.operation_of(e) and e.status in WORLD.operation_of(e).successes}
        missing = sorted(WORLD.contract.operations.keys() - done - NOT_DRIVEN.keys())
        self.assertEqual(missing, [], "these operations of openapi.json never succeeded in the day's work")
        self.assertEqual(sorted(NOT_DRIVEN.keys() & done), [], "these are driven: take them out of NOT_DRIVEN")

    def test_every_command_of_the_day_worked(self):
        self.assertEqual(WORLD.broken, [], "\n".join(WORLD.broken))

    def test_every_answer_is_in_it(self):
        self.report([(e, WORLD.answer_faults(e)) for e in WORLD.exchanges()])

    def test_what_the_client_sends_is_in_it(self):
        self.report([(e, WORLD.request_faults(e)) for e in WORLD.day])

    def test_every_read_succeeds(self):
        expected = {409: "the offset is no longer 0", 404: "what was dropped is gone"}
        wrong = [e for e in WORLD.reads if e.status >= 400 and e.status not in expected]
        self.assertEqual([str(e) for e in wrong], [], "calls with valid parameters that were refused")

    def test_is_served_as_it_stands_in_the_source(self):
        served = WORLD.send("GET", "/v1/openapi.json")
        self.assertEqual(json.loads(served.body), json.loads(SOURCE.read_text()))

    def test_names_every_code_that_it_uses(self):
        codes = set(WORLD.contract.document["components"]["schemas"]["ErrorCode"]["enum"])
        used = {(op.id, code) for op in self.operations() for code in op.document.get("x-codes", [])}
        self.assertEqual(sorted(u for u in used if u[1] not in codes), [])

    def test_has_every_path_that_is_answered(self):
        """Every piece of a documented path, and every documented path with more behind it."""
        paths, faults = {fill(op, ABSENT) for op in self.operations()}, []
        for path in sorted(paths):
            pieces = path.strip("/").split("/")
            nearby = {"/" + "/".join(pieces[:i]) for i in range(1, len(pieces) + 1)} | {path.rstrip("/") + "/surprise"}
            for target in nearby:
                if any(op.pattern.fullmatch(target) for op in self.operations()):
                    continue
                faults.append(self.refused(WORLD.send("GET", target), 404, "not_found"))
        for target in ("/v2/runs", "/v1/openapi.yaml", "/ledger/tile", "/ledger/tile/entries"):
            faults.append(self.refused(WORLD.send("GET", target), 404, "not_found"))
        for target in ("/..", "/v1/%2e%2e/whoami", "/v1//whoami/../whoami"):
            faults.append(self.refused(WORLD.send("GET", target), 400, "bad_request"))
        self.report(faults)

    def test_has_every_method_that_is_answered(self):
        faults = []
        for path in {op.path for op in self.operations()}:
            there = {op.method for op in self.operations(path=path)}
            for method in set(METHODS) - there - {"HEAD"}:
                target = fill(self.operations(path=path)[0], ABSENT)
                answer = WORLD.send(method, target)
                faults.append(self.refused(answer, 405, "method_not_allowed"))
                allowed = set(answer.headers.get("Allow", "").split(", "))
                if allowed != there:
                    faults.append(f"{method} {target}: Allow is {allowed}, wanted {there}")
        self.report(faults)

    def test_pages_are_the_whole_list(self):
        for operation in self.operations(method="GET"):
            if not any(p["name"] == "cursor" for p in WORLD.contract.parameters(operation, "query")):
                continue
            with self.subTest(operation=operation.id):
                who = {"inbox": "ada", "users": "operator", "reviews": "rex", "requests": "ada"}.get(operation.id, "stew")
                whole = WORLD.send("GET", operation.path + "?limit=500", who).json()
                self.assertIsNone(whole["next_cursor"])
                items, cursor = [], ""
                while cursor is not None:
                    page = WORLD.send("GET", f"{operation.path}?limit=3" + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else ""), who)
                    self.assertEqual(page.status, 200, str(page))
                    self.assertLessEqual(len(page.json()["items"]), 3)
                    items += page.json()["items"]
                    cursor = page.json()["next_cursor"]
                self.assertEqual(items, whole["items"], f"{operation}: pages of 3 are not the list")


class WhoAsks(Case):
    def test_without_a_token_nothing_is_answered(self):
        faults = []
        for operation in self.operations(open=False):
            exchange = WORLD.send(operation.method, fill(operation, ABSENT))
            exchange, wrong = self.refused(exchange, 401, "unauthenticated")
            if exchange.headers.get("WWW-Authenticate", "").split(" ")[0] != "Bearer":
                wrong.append("no WWW-Authenticate: Bearer")
            faults.append((exchange, wrong))
        self.report(faults)

    def test_another_role_is_refused_and_the_role_named(self):
        faults = []
        for operation in self.operations():
            if operation.roles:
                exchange = WORLD.send(operation.method, fill(operation, ABSENT), "eve")
                faults.append(self.refused(exchange, 403, "role_required", words=operation.roles))
        self.assertGreater(len(faults), 10)
        self.report(faults)

    def test_each_role_of_an_operation_may_call_it(self):
        self.report(self.role_faults(self.operations()))

    def test_health_metrics_and_the_checkpoint_need_no_token_here(self):
        for target in ("/healthz", "/readyz", "/metrics", "/ledger/checkpoint", "/v1/version", "/"):
            answer = WORLD.send("GET", target)
            self.assertEqual(answer.status, 200, str(answer))
        self.assertEqual(WORLD.send("GET", "/readyz").json()["status"], "ok")
        for line in WORLD.send("GET", "/metrics").body.decode().splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+0-9.eE]+)$')
        checkpoint = WORLD.send("GET", "/ledger/checkpoint").body.decode().splitlines()
        self.assertRegex(checkpoint[1], r"^\d+$")
        self.assertRegex(checkpoint[-1], r"^— ", "a signed note ends in a signature line")

    def test_zz_failed_logins_are_slowed_down(self):
        """20 at once, then one every two seconds; an address without tokens is not looked up, whatever it brings."""
        bad = "cft_" + "a" * 32 + "_" + "a" * 16
        answers = [send(WORLD.server.port, "GET", "/v1/whoami", bad) for _ in range(26)]
        codes = [a.status for a in answers]
        self.assertEqual(set(codes[:20]), {401}, f"20 may fail; the answers were {codes}")
        self.assertEqual(codes[-1], 429, f"the 26th is too many; the answers were {codes}")
        exchange, wrong = self.refused(answers[-1], 429, "rate_limited")
        self.report([(exchange, wrong or ([] if "Retry-After" in exchange.headers else ["no Retry-After"]))])
        self.report([self.refused(WORLD.send("GET", "/v1/whoami", "ada"), 429, "rate_limited")])
        self.assertEqual(WORLD.send("GET", "/healthz").status, 200, "what needs no token goes on")
        end = time.monotonic() + 10
        while (answer := WORLD.send("GET", "/v1/whoami", "ada")).status == 429 and time.monotonic() < end:
            time.sleep(0.3)
        self.assertEqual(answer.status, 200, f"a good token is accepted again after a moment\n{answer}")


class WhatIsSent(Case):
    def examples(self):
        """One request with a JSON body for each operation that takes one, as somebody sent it who may."""
        living = {t: who for who, t in WORLD.tokens.items()}
        found = {}
        for exchange in WORLD.day:
            operation = WORLD.operation_of(exchange)
            who = living.get(exchange.sent_headers.get("Authorization", "").removeprefix("Bearer "))
            if operation and operation.body and who and exchange.status in operation.successes:
                found.setdefault(operation.id, (operation, exchange, who))
        self.assertEqual(sorted(op.id for op in self.operations() if op.body and op.id not in found), [])
        return found.values()

    def again(self, example, body, more=""):
        operation, exchange, who = example
        return WORLD.send(operation.method, exchange.target + more, who, body)

    def test_an_unknown_field_is_named(self):
        faults = [self.refused(self.again(x, {**json.loads(x[1].sent), "surprise": 1}), 400, "unknown_field", "surprise") for x in self.examples()]
        self.report(faults)

    def test_a_missing_field_is_named(self):
        faults = []
        for example in self.examples():
            body = json.loads(example[1].sent)
            for name in WORLD.contract.resolve(example[0].body).get("required", []):
                less = {k: v for k, v in body.items() if k != name}
                faults.append(self.refused(self.again(example, less), 400, "bad_request", name))
        self.report(faults)

    def test_a_field_of_another_type_is_named(self):
        faults = []
        for example in self.examples():
            body = json.loads(example[1].sent)
            faults += [self.refused(self.again(example, {**body, name: True}), 400, "bad_request", name) for name in body]
        self.report(faults)

    def test_a_body_that_is_no_json_is_refused(self):
        deep = (b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000)
        bodies = (b"{", b"null", b"[]", b'"text"', b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", *deep)
        faults = [self.refused(self.again(example, body), 400, None) for example in self.examples() for body in bodies]
        self.assertGreater(len(faults), 100)
        self.report(faults)

    def test_a_body_where_none_belongs_is_refused(self):
        answer = WORLD.send("POST", "/v1/users/ada/token", "operator", {"surprise": 1})
        self.report([self.refused(answer, 400, "bad_request")])

    def test_an_unknown_parameter_is_named(self):
        people, faults = {"owner": "stew", "researcher": "ada", "operator": "operator"}, []
        for operation in self.operations():
            who = NOBODY if operation.open else people[operation.roles[0]] if operation.roles else "ada"
            exchange = WORLD.send(operation.method, fill(operation, ABSENT) + "?surprise=1", who, headers={"Upload-Length": "1", "Upload-Offset": "0"})
            faults.append(self.refused(exchange, 400, "unknown_field", "surprise"))
        self.report(faults)

    def test_a_parameter_out_of_range_is_named(self):
        cases = [("/v1/runs?limit=0", "limit"), ("/v1/runs?limit=501", "limit"), ("/v1/runs?limit=ten", "limit"), ("/v1/runs?grant=g", "grant"),
                 ("/v1/runs/run_x", "run"), ("/v1/ledger/entries/-1", "index"), ("/v1/ledger/entries?since=yesterday", "since")]
        self.report([self.refused(WORLD.send("GET", target, "ada"), 400, "bad_request", field) for target, field in cases])
        self.assertEqual(WORLD.send("GET", "/v1/runs?limit=500", "ada").status, 200)

    def test_an_idempotency_key_means_one_body(self):
        key = {"Idempotency-Key": "the-same-key"}
        body = {"name": "ida", "roles": ["researcher"]}
        first = WORLD.send("POST", "/v1/users", "operator", body, key)
        self.assertEqual(first.status, 201, str(first))
        second = WORLD.send("POST", "/v1/users", "operator", body, key)
        self.assertEqual((second.status, second.body), (first.status, first.body), "the same body has the same answer")
        other = WORLD.send("POST", "/v1/users", "operator", {**body, "name": "ivo"}, key)
        self.report([self.refused(other, 409, "idempotency_conflict", "Idempotency-Key")])
        bare = WORLD.send("POST", "/v1/users", "operator", body)
        self.report([self.refused(bare, 409, "name_taken")])
        route = WORLD.send("POST", "/v1/users/ida/token", "operator", headers=key)
        self.assertEqual(route.status, 201, f"another route has its own keys\n{route}")
        self.assertNotEqual(route.json()["token"], first.json()["token"])


class RunEvents(Case):
    def test_are_numbered_from_one_to_the_last(self):
        self.assertEqual(WORLD.live.kind(), "text/event-stream", str(WORLD.live))
        events = events_of(WORLD.live.body)
        self.assertEqual([e[0] for e in events], [str(i + 1) for i in range(len(events))])
        self.assertEqual([e[2]["state"] for e in events][0], "queued", "the first event of a run")
        self.assertEqual([e[2]["state"] for e in events][-1], "done", "the stream ends after a final state")
        faults = [f for _, name, data in events for f in WORLD.contract.faults({"$ref": "#/components/schemas/RunEvent"}, data) + ([] if name == data["kind"] else [f"{name} is not {data['kind']}"])]
        self.assertEqual(faults, [])
        log = WORLD.send("GET", f"/v1/runs/{WORLD.watched}/log", "ada").json()
        self.assertEqual([e[2] for e in events], log["events"], "the stream and the log say the same")

    def test_go_on_after_the_last_seen(self):
        whole = events_of(WORLD.live.body)
        for seen in range(len(whole) + 2):
            answer = WORLD.send("GET", f"/v1/runs/{WORLD.watched}/events", "ada", headers={"Last-Event-ID": str(seen)})
            self.assertEqual(events_of(answer.body), whole[seen:], f"after Last-Event-ID: {seen}")

    def test_a_last_event_id_is_a_number(self):
        answer = WORLD.send("GET", f"/v1/runs/{WORLD.watched}/events", "ada", headers={"Last-Event-ID": "x"})
        self.report([self.refused(answer, 400, "bad_request", "Last-Event-ID")])

    def test_are_not_for_others(self):
        self.report([self.refused(WORLD.send("GET", f"/v1/runs/{WORLD.watched}/events", "mal"), 404, "not_found")])


class Secrets(Case):
    """Tokens, and what a client can read of a refusal."""

    def test_no_token_lies_in_the_clear(self):
        """Neither in the database nor in the log; operator.token is where the first one is written."""
        tokens = set(re.findall(rb"cft_[a-z2-7]{32}_[a-z2-7]{16}", b"".join(
            e.body + e.sent_headers.get("Authorization", "").encode() for e in WORLD.day)))
        self.assertGreater(len(tokens), 6)
        # What comes and goes meanwhile holds no token: environments, ciphertext, staged inputs.
        folders = [p for p in WORLD.server.data.iterdir() if p.is_dir() and p.name not in ("env", "vault", "stage")]
        places = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
        self.assertTrue(any(p.parent.name == "front" for p in places), f"no database among {places}")
        found = {f"{p.relative_to(WORLD.server.data)} holds {t[:8].decode()}…" for p in [*places, WORLD.server.log] for t in tokens if t[4:36] in p.read_bytes()}
        self.assertEqual(sorted(found), [], f"tokens in the clear, of {len(tokens)}")

    def test_a_refusal_has_a_code_that_the_document_knows(self):
        self.report([(e, WORLD.answer_faults(e)) for e in WORLD.exchanges() if e.status == 403 and b"exhausted" in e.body])
        known = set(WORLD.contract.document["components"]["schemas"]["ErrorCode"]["enum"])
        said = set(re.findall(r'Kind\{"(\w+)", \d+\}', (ROOT / "src/api/problems.cpp").read_text()))
        self.assertGreater(len(said), 50)
        self.assertEqual(sorted(said - known), [], "codes of the server that the document lacks")

    def test_the_client_renews_a_token(self):
        WORLD.people["operator"].type("user token mal", show=False, expect="cft_")


if __name__ == "__main__":
    unittest.main()
