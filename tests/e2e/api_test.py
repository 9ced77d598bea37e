"""The API and its document, both ways: all that the document has is answered as it says, and nothing else is.

A day of work goes through a recorder between the client and the server, so that every call that
needs a signature is made by the real client. What only reads is called from a table.
"""
import json
import os
import re
import tempfile
import time
import unittest
import urllib.parse

from api_world import ABSENT, NOBODY, NOT_DRIVEN, World, events_of, fill
from contract import METHODS, SOURCE, send
from harness import ROOT, contents

WORLD = None


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
        places = {str(path.relative_to(WORLD.server.data)): content for path, content in contents(WORLD.server.data) if path.name != "operator.token"}
        self.assertIn("front/coffer.db", places)
        places["log"] = WORLD.server.log.read_bytes()
        found = {f"{place} holds {t[:8].decode()}…" for place, content in places.items() for t in tokens if t[4:36] in content}
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
