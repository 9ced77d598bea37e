"""Hostile input by HTTP: what strangers, and people with tokens, may send; each has its own clear error and changes nothing."""
import contextlib
import json
import pathlib
import random
import re
import resource
import shlex
import socket
import subprocess
import time
import unittest

import http_tricks
from contract import Recorder, send
from harness import COFFER, UNTIL, Output, Server
from hostile import LONG, SEED, Hostile
from http_tricks import GET, HOST, POST, SMUGGLED
from mutations import mutate
from world import begin

MUTATIONS = 300
WORLD = None


def setUpModule():
    global WORLD
    WORLD = begin("strangers")


class Signed(Hostile):
    """What was signed is taken as it was signed, once, from whom it is for; and not a bit of it otherwise."""

    def kept_back(self, person, line, holds):
        """The request that the command would have sent: (target, body)."""
        recorder = Recorder(WORLD.server.port, holds=holds)
        try:
            env = person.env() | {"COFFER_SERVER": recorder.url}
            done = subprocess.run([COFFER, *shlex.split(line)], env=env, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60)
            found = [e for e in recorder.exchanges if e.status == 409 and e.method == "POST"]
            self.assertTrue(found, f"{line}\n{done.stdout}{done.stderr}")
            return found[0].target, json.loads(found[0].sent)
        finally:
            recorder.stop()

    def test_mutated(self):
        held = self.ada.ask(f"run {WORLD.program()} --grant {WORLD.give(auto=0, more='--approvers rex')} --wait")
        self.assertEqual(held["state"], "held", held)
        rex, chance = self.people["rex"], random.Random(SEED)
        self.accept(rex, f"review show {held['id']}/count")
        give = f"grant give clinic/people --to ada --purpose mutated --lane bounded --bits 1k --runs 3 --until {UNTIL} --yes"
        requests = {
            "grant": (self.stew, *self.kept_back(self.stew, give, "/grants")),
            "limit": (self.stew, *self.kept_back(self.stew, "data limit clinic/people --bits 2M", "/limit")),
            "run": (self.ada, *self.kept_back(self.ada, f"run {WORLD.program(name='mutated')} --grant {WORLD.give()}", "/runs")),
            "approval": (rex, *self.kept_back(rex, f"review approve {held['id']}/count --reason ok", "/approvals")),
        }
        for kind, (person, target, body) in requests.items():
            others = [other["envelope"] for name, (_, _, other) in requests.items() if name != kind]
            with self.subTest(kind), self.unchanged():
                for number in range(MUTATIONS):
                    what, mutated = mutate(chance, body, others)
                    answer = self.send(person, "POST", target, mutated)
                    if not 400 <= answer.status < 500:
                        self.fail(f"seed {SEED}, mutation {number} of a valid {kind}, {what}: wanted a refusal\n{mutated[:3000]!r}\n{answer}")
        for kind, (person, target, body) in requests.items():
            foreign = self.ben if person is not self.ben else self.ada
            with self.subTest(f"{kind}, from somebody else"), self.unchanged():
                self.refused(self.send(foreign, "POST", target, body), (400, 403, 404, 409))
            with self.subTest(f"{kind}, as it was signed"):
                answer = self.send(person, "POST", target, body)
                self.assertIn(answer.status, (200, 201, 202), f"{answer}")
        self.wait(self.ada.ask("runs ls")["items"][0]["id"])
        for kind, (person, target, body) in requests.items():
            with self.subTest(f"{kind}, replayed"), self.unchanged():
                answer = self.send(person, "POST", target, body)
                # The same again is the same, or no longer there to decide.
                self.assertIn(answer.status, (404,) if kind == "approval" else (200, 201, 202, 409), f"{answer}")


class Tokens(Hostile):
    def ask(self, authorization, source="127.0.0.9"):
        with socket.create_connection(("127.0.0.1", WORLD.server.port), timeout=10, source_address=(source, 0)) as s:
            line = b"" if authorization is None else b"Authorization: " + authorization.encode("latin-1") + b"\r\n"
            s.sendall(b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + line + b"\r\n")
            return Connections.read_all(s)

    def test_forged_foreign_and_replaced(self):
        good = self.ada.token()
        elsewhere = Server(WORLD.directory / "elsewhere", Output(False))
        elsewhere.start()
        self.addCleanup(elsewhere.stop)
        operator = self.people["operator"]
        before = operator.ask("user add lou --role researcher")["token"]
        after = operator.ask("user token lou")["token"]
        flipped = good[:10] + ("a" if good[10] != "a" else "b") + good[11:]
        forged = {
            "none": None, "empty": "Bearer ", "another scheme": f"Basic {good}", "no scheme": good, "cut": f"Bearer {good[:-1]}", "longer": f"Bearer {good}a",
            "one letter": f"Bearer {flipped}", "upper case": f"Bearer {good.upper()}",
            "twice": f"Bearer {good} {good}", "long": "Bearer " + LONG, "bytes": "Bearer \xff\xfe",
            "of another server": f"Bearer {elsewhere.operator_token()}", "replaced": f"Bearer {before}", "injection": "Bearer ' OR '1'='1",
        }
        with self.unchanged():
            for what, authorization in forged.items():
                with self.subTest(what):
                    answer = self.ask(authorization)
                    self.assertTrue(answer.startswith(b"HTTP/1.1 401 "), answer)
                    self.assertIn(b'"code":"unauthenticated"', answer)
                    self.assertIn(b"coffer login", answer)
        for token in (good, after):
            self.assertTrue(self.ask(f"Bearer {token}").startswith(b"HTTP/1.1 200 "))

    def test_who_guesses_is_slowed_down_and_others_are_not(self):
        said = [self.ask(f"Bearer cft_{i:032d}", source="127.0.0.8") for i in range(40)]
        self.assertTrue(said[0].startswith(b"HTTP/1.1 401 "), said[0])
        self.assertIn(b'"code":"rate_limited"', said[-1])
        self.assertTrue(self.ask(f"Bearer {self.ada.token()}", source="127.0.0.7").startswith(b"HTTP/1.1 200 "))
        end = time.monotonic() + 20
        while not (answer := self.ask(f"Bearer {self.ada.token()}", source="127.0.0.8")).startswith(b"HTTP/1.1 200 "):
            self.assertLess(time.monotonic(), end, answer)
            time.sleep(0.2)

    def test_somebody_elses_things_are_not_there(self):
        run = self.ada.ask(f"run {WORLD.program()} --grant {WORLD.give()} --wait")
        release = run["outputs"][0]["release"]
        with self.unchanged():
            for method, target in (("GET", f"/v1/runs/{run['id']}"), ("GET", f"/v1/runs/{run['id']}/log"), ("POST", f"/v1/runs/{run['id']}/cancel"),
                                   ("GET", f"/v1/releases/{release}"), ("GET", f"/v1/runs/{run['id']}/outputs/count/release"),
                                   ("GET", f"/v1/runs/{run['id']}/outputs/count/sealed"), ("GET", f"/v1/grants/{run['grants'][0]}")):
                with self.subTest(target):
                    self.refused(self.send(self.ben, method, target), (403, 404))
            self.refused(self.send(self.ben, "POST", "/v1/users", {"name": "moe", "roles": ["operator"]}), 403, "role_required", "operator")
        self.assertEqual(self.send(self.ada, "GET", f"/v1/releases/{release}").status, 200)


class Bodies(Hostile):
    POSTS = ("/v1/users", "/v1/environments", "/v1/programs", "/v1/runs", "/v1/grants", "/v1/quotes", "/v1/approvals", "/v1/requests", "/v1/keys")

    def who(self, target):
        return self.people["operator"] if target in ("/v1/users", "/v1/environments") else self.stew if target == "/v1/grants" else self.ada

    def test_what_is_no_document(self):
        deep = 10_000
        bodies = {
            "deep arrays": (b"[" * deep + b"]" * deep, "64 deep"), "deep objects": (b'{"a":' * deep + b"1" + b"}" * deep, "64 deep"),
            "only opened": (b"[" * deep, "64 deep"),
            "half": (b'{"name":"mo', ""), "twice": (b'{"name":"a1","name":"a2"}', "stands twice"), "not UTF-8": (b'{"name":"\xff"}', "UTF-8"),
            "NaN": (b'{"name":NaN}', ""), "more behind": (b"{} {}", ""), "a list": (b"[]", ""), "nothing": (b"", ""),
            "null": (b"null", ""), "a number": (b"1" * 5000, ""),
            "surrogate": (b'{"name":"\\ud800"}', ""), "control": (b'{"name":"\n"}', ""), "comment": (b"{}//", ""), "mark": (b"\xef\xbb\xbf{}", ""),
        }
        with self.unchanged():
            for target in self.POSTS:
                for what, (body, word) in bodies.items():
                    with self.subTest(f"{target}, {what}"):
                        self.refused(self.send(self.who(target), "POST", target, body, {"Content-Type": "application/json"}), 400, word)
                with self.subTest(f"{target}, 9 MiB"):
                    length = b"Content-Length: %d\r\n" % (9 << 20)
                    answer = self.cut(self.who(target), "POST", target, b" " * (9 << 20), 9 << 20, length)
                    self.assertIn(b"HTTP/1.1 413 ", answer)
                    self.assertIn(b"8 MiB", answer)
        self.assertEqual(self.send(self.people["operator"], "POST", "/v1/users", {"name": "mona", "roles": ["auditor"]}).status, 201)

    def cut(self, person, method, target, body, sent, headers=b""):
        with socket.create_connection(("127.0.0.1", WORLD.server.port), timeout=10) as s:
            head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token()}\r\n".encode()
            with contextlib.suppress(OSError):  # refused before all of it was sent
                s.sendall(head + headers + b"\r\n" + body[:sent])
                s.shutdown(socket.SHUT_WR)
            return Connections.read_all(s)

    def test_cut_off_half_way(self):
        user = json.dumps({"name": "half", "roles": ["auditor"]}).encode()
        kind = b"Content-Type: application/json\r\n"
        with self.unchanged():
            for sent in range(0, len(user), 3):
                length = f"Content-Length: {len(user)}\r\n".encode()
                answer = self.cut(self.people["operator"], "POST", "/v1/users", user, sent, kind + length)
                self.assertNotIn(b"HTTP/1.1 2", answer)
                self.assertNotIn(b"HTTP/1.1 5", answer)
            chunked = b"%x\r\n" % len(user) + user + b"\r\n0\r\n\r\n"
            for sent in range(0, len(chunked) - 1, 5):
                answer = self.cut(self.people["operator"], "POST", "/v1/users", chunked, sent, kind + b"Transfer-Encoding: chunked\r\n")
                self.assertNotIn(b"HTTP/1.1 2", answer)
        whole = self.cut(self.people["operator"], "POST", "/v1/users", user, len(user), kind + f"Content-Length: {len(user)}\r\n".encode())
        self.assertIn(b"HTTP/1.1 201", whole)

    def test_an_upload_cut_off_half_way_goes_on_where_it_stands(self):
        content = random.Random(SEED).randbytes(100_000)
        where = self.send(self.ada, "POST", "/v1/uploads", headers={"Upload-Length": str(len(content))}).headers["Location"]
        piece = b"Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 100000\r\n"
        self.cut(self.ada, "PATCH", where, content, 50_000, piece)
        at = int(self.send(self.ada, "HEAD", where).headers["Upload-Offset"])
        self.assertLessEqual(at, 50_000)
        headers = {"Content-Type": "application/offset+octet-stream"}
        for wrong in (0 if at else 1, at + 1, 100_000, 1 << 52):
            self.refused(self.send(self.ada, "PATCH", where, content[:10], {**headers, "Upload-Offset": str(wrong)}), 409, "upload_offset", at)
        self.refused(self.send(self.ada, "PATCH", where, content + b"x", {**headers, "Upload-Offset": str(at)}), 413, "too_large")
        at = int(self.send(self.ada, "HEAD", where).headers["Upload-Offset"])
        self.refused(self.send(self.ben, "DELETE", where), 404, "upload_unknown")
        self.assertEqual(self.send(self.ada, "PATCH", where, content[at:], {**headers, "Upload-Offset": str(at)}).status, 204)
        self.assertEqual((WORLD.server.data / "front/uploads" / where.rsplit("/", 1)[1]).read_bytes(), content)
        self.assertEqual(self.send(self.ada, "DELETE", where).status, 204)


class Connections(Hostile):
    """What a stranger may do with sockets; others are served meanwhile and afterwards."""

    @staticmethod
    def read_all(s):
        said = b""
        with contextlib.suppress(OSError):
            while piece := s.recv(1 << 16):
                said += piece
        return said

    def talk(self, data, timeout=3):
        """All that the server says to these bytes until it closes or falls silent."""
        with socket.create_connection(("127.0.0.1", WORLD.server.port), timeout=timeout, source_address=("127.0.0.6", 0)) as s:
            with contextlib.suppress(OSError):
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            return self.read_all(s)

    def test_header_tricks(self):
        with self.unchanged():
            for what, (data, status) in http_tricks.TRICKS.items():
                with self.subTest(what):
                    answer = self.talk(data)
                    statuses = status if isinstance(status, tuple) else (status,)
                    self.assertIn(answer[:13], [b"HTTP/1.1 %d " % s for s in statuses], answer)
                    self.assertEqual(len(re.findall(rb"HTTP/1.1 \d", answer)), 1, "what stands behind it was answered too")
                    self.assertIn(b"application/problem+json", answer)
            token = self.people["operator"].token().encode()
            for what, chunks in http_tricks.CHUNKS.items():
                with self.subTest(f"chunk {what}"):
                    answer = self.talk(POST + b"Authorization: Bearer " + token + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + SMUGGLED)
                    self.assertIn(answer[:13], (b"HTTP/1.1 400 ", b"HTTP/1.1 413 "), answer)
                    self.assertEqual(len(re.findall(rb"HTTP/1.1 \d", answer)), 1, answer)
        for what, data, count in (("pipelined", SMUGGLED * 20, 20), ("an empty line before", b"\r\n" + SMUGGLED, 1),
                                  ("a full head", GET + HOST + b"X: " + b"y" * (15 << 10) + b"\r\n\r\n", 1),
                                  ("another host", GET + b"Host: evil.example\r\n\r\n", 1)):
            with self.subTest(what):
                answer = self.talk(data)
                self.assertEqual(answer.count(b"HTTP/1.1 200 "), count, answer[:2000])
                self.assertNotIn(b"evil", answer)

    def served(self):
        """Somebody at another address is answered, at the second or third try at the latest."""
        for _ in range(3):
            with contextlib.suppress(OSError):
                if send(WORLD.server.port, "GET", "/v1/whoami", self.ada.token(), timeout=5).status == 200:
                    return True
            time.sleep(0.05)
        return False

    def held(self):
        """Connections that the server holds, whoever may look into its process: established, or closed by the client only."""
        lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(line[1].endswith(f":{WORLD.server.port:04X}") and line[3] in ("01", "08") for line in lines)

    def test_slow_clients_are_cut_off_and_others_are_served(self):
        heads = [socket.create_connection(("127.0.0.1", WORLD.server.port), source_address=("127.0.0.2", 0)) for _ in range(100)]
        bodies = [socket.create_connection(("127.0.0.1", WORLD.server.port), source_address=("127.0.0.3", 0)) for _ in range(50)]
        head = POST + f"Authorization: Bearer {self.people['operator'].token()}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n".encode()
        start, ends = time.monotonic(), {}
        with self.unchanged():
            for s in bodies:
                s.sendall(head)
            open_ones = {s: ("head", b"X") for s in heads} | {s: ("body", b" ") for s in bodies}
            while open_ones and time.monotonic() - start < 60:
                for s, (kind, byte) in list(open_ones.items()):
                    try:
                        s.sendall(byte)
                        if s.recv(4096, socket.MSG_DONTWAIT) == b"" or kind == "body":
                            raise ConnectionError
                    except BlockingIOError:
                        continue
                    except OSError:
                        ends.setdefault(kind, []).append(time.monotonic() - start)
                        open_ones.pop(s)
                        s.close()
                self.assertTrue(self.served(), "somebody else is not served")
                time.sleep(0.3)
        self.assertEqual(len(open_ones), 0, f"after a minute {len(open_ones)} slow connections are open")
        self.assertEqual({kind: len(found) for kind, found in ends.items()}, {"head": 100, "body": 50})

    def test_ten_thousand_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(10_000, hard - 500)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted + 500), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.assertTrue(self.served())
        before, crowd = self.held(), []
        with self.unchanged():
            try:
                for number in range(wanted):
                    s = socket.socket()
                    s.setblocking(False)
                    s.bind((f"127.1.{number // 100}.1", 0))
                    s.connect_ex(("127.0.0.1", WORLD.server.port))
                    crowd.append(s)
                    if number % 1000 == 999:
                        self.assertTrue(self.served(), f"nobody else is served beside {number + 1} connections")
                self.assertLess(self.held(), before + 1000, "connections are limited")
            finally:
                for s in crowd:
                    s.close()
        end = time.monotonic() + 10
        while self.held() > before and time.monotonic() < end:
            time.sleep(0.1)
        self.assertLessEqual(self.held(), before, "connections that were closed are still held")
        self.assertTrue(self.served())


if __name__ == "__main__":
    unittest.main()
