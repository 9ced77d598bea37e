"""Hostile input: each has its own clear error and changes nothing; beside it stands what is permitted.

Whatever is random comes from a seed that a failure prints; COFFER_SEED=N plays it again.
"""
import contextlib
import gzip
import json
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import unittest
import urllib.parse

import http_tricks
import oci
import toml_terms
from contract import Recorder, send
from harness import COFFER, Output, Server
from http_tricks import GET, HOST, POST, SMUGGLED
from mutations import mutate
from world import UNTIL, Case, begin

SEED = int(os.environ.get("COFFER_SEED", "20260131"))
MUTATIONS = 300
LONG = "x" * 4000
GIB = 1 << 30
SMALL_FILES = 200_000
LISTS = {"datasets": "stew", "grants": "stew", "requests": "stew", "runs": "ada", "releases": "ada", "environments": "ada", "users": "operator"}
WORLD = None


def setUpModule():
    global WORLD
    WORLD = begin("hostile")


class Hostile(Case):
    def state(self):
        """All that a request could have changed: what is listed, each dataset's sums, the ledger, uploads that lie about."""
        seen = {}
        for noun, who in LISTS.items():
            seen[noun] = self.send(self.people[who], "GET", f"/v1/{noun}?limit=500").json()["items"]
        for dataset in seen["datasets"]:
            seen[dataset["name"]] = self.send(self.stew, "GET", "/v1/datasets/" + dataset["name"]).json()
        seen["ledger"] = self.send(None, "GET", "/ledger/checkpoint").body.decode().splitlines()[:3]
        seen["uploads"] = sorted(os.listdir(WORLD.server.data / "front/uploads"))
        seen["environments"] = [e for e in seen["environments"] if e["state"] == "ready"]
        return seen

    @contextlib.contextmanager
    def unchanged(self):
        before = self.state()
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


class Tables(Hostile):
    GOOD = b"age,ward\n31,a\n42,b\n53,c\n"
    BROKEN = {
        "nul bytes": (b"age,ward\n31,a\0\n42,b\n", "NUL"),
        "ragged rows": (b"age,ward\n31\n42,b,c\n53,c\n", "another number of fields", "line 2"),
        "unterminated quote": (b'age,ward\n31,"a\n42,b\n', "no end"),
        "stray quote": (b'age,ward\n31,5" pipe\n', "stray"),
        "huge field": (b"age,ward\n31," + b"x" * (3 << 20) + b"\n", "longer than 1 MiB"),
        "latin-1": ("age,ward\n31,Mühle\n".encode("latin-1"), "UTF-8"),
        "utf-16": ("age,ward\n31,a\n".encode("utf-16"), "UTF-8"),
    }

    def test_a_broken_table_is_data_and_nothing_of_it_is_published_unread(self):
        for number, (what, (content, *words)) in enumerate(self.BROKEN.items()):
            with self.subTest(what):
                path, name = WORLD.directory / f"broken{number}.csv", f"broken/t{number}"
                path.write_bytes(content)
                WORLD.dataset(name, path=path)
                with self.unchanged():
                    self.refuse(self.stew, f"data grade {name} --class general --grade 2 --accept-proposed", "broken_table", path.name, "--columns", *words)
                columns = WORLD.directory / f"broken{number}.columns"
                self.accept(self.stew, f"data scan {name} -o {columns}")
                self.accept(self.stew, f"data grade {name} --class general --grade 2 --columns {columns}", "nothing else of it is public")
                self.assertEqual(self.stew.ask(f"data show {name}")["version"]["card"]["files"], [], "not proposed, so not published")
        good = WORLD.directory / "good.csv"
        good.write_bytes(self.GOOD)
        WORLD.dataset("broken/good", path=good)
        self.accept(self.stew, "data grade broken/good --class general --grade 2 --accept-proposed", "good.csv")

    OUTPUT = """[[outputs]]
name = "rows"
kind = "table"
lane = "bounded"
rows_max = 3
columns = [{ name = "ward", values = ["a", "b"], key = true }, { name = "n", min = 0, max = 9, digits = 0 }]
"""
    LEFT = {
        "nothing": (b"", "malformed"), "NUL bytes": (b"ward,n\na\0,1\n", "out_of_range"), "a short row": (b"ward,n\na\n", "malformed"),
        "a long row": (b"ward,n\na,1,2\n", "malformed"), "no end of a quote": (b'ward,n\n"a,1\n', "malformed"), "latin-1": (b"ward,n\n\xfc,1\n", ("malformed", "out_of_range")),
        "a mark": (b"\xef\xbb\xbfward,n\na,1\n", "malformed"), "a blank line": (b"ward,n\n\na,1\n", "malformed"), "no header": (b"a,1\n", "malformed"),
        "a huge field": (b"ward,n\n" + b"a" * 900_000 + b",1\n", ("malformed", "out_of_range")), "another value": (b"ward,n\nz,1\n", "out_of_range"),
        "too many rows": (b"ward,n\n" + b"a,1\nb,1\n" * 2, ("malformed", "out_of_range")), "a table": (b"n,ward\r\n2,b\r\n1,a\r\n", None),
    }

    def test_of_a_broken_table_in_out_nothing_is_released(self):
        grant, runs = WORLD.give(auto=64, bits="10k"), {}
        for what, (content, _) in self.LEFT.items():
            program = WORLD.program()
            text = (program / "coffer.toml").read_text()
            (program / "coffer.toml").write_text(text[:text.index("[[outputs]]")] + self.OUTPUT)
            (program / "main.py").write_text("import pathlib\npathlib.Path('/out/rows.csv').write_bytes(pathlib.Path('content').read_bytes())\n")
            (program / "content").write_bytes(content)
            runs[what] = self.ada.ask(f"run {program} --grant {grant}")["id"]
        for what, (_, refusals) in self.LEFT.items():
            with self.subTest(what):
                run = self.wait(runs[what])
                output = run["outputs"][0]
                self.assertEqual((run["state"], output["verdict"]), ("refused", "refused") if refusals else ("done", "released"), run)
                self.assertIn(output["refusal"], refusals if isinstance(refusals, tuple) else (refusals,))

    def test_a_broken_list_of_columns_grades_nothing(self):
        columns = WORLD.directory / "columns.csv"
        self.accept(self.stew, f"data scan clinic/people -o {columns}")
        good = columns.read_bytes()
        head, rest = good.split(b"\n", 1)
        grade = f"data grade clinic/people --class general --grade 2 --columns {columns}"
        broken = {
            "empty": (b"", "header"),
            "another header": (b"a,b\n1,2\n", "header"),
            "nul bytes": (good.replace(b"people.csv", b"people\0csv"), "line 2"),
            "ragged": (head + b"\npeople.csv\n", "line 2"),
            "unterminated quote": (good + b'"people.csv,', "line 5"),
            "not UTF-8": (good + b"\xff\n", "UTF-8"),
            "unknown kind": (good.replace(b"people.csv,ward,", b"people.csv,ward,secret", 1), "kind"),
            "unknown file": (good.replace(b"people.csv", b"../../people.csv"), "line 2", "file"),
            "range upside down": (good.replace(b",20,", b",900,", 1) if b",20," in good else good.replace(b"integer,,", b"integer,,900", 1), "min"),
        }
        with self.unchanged():
            for what, (content, *words) in broken.items():
                with self.subTest(what):
                    columns.write_bytes(content)
                    self.refuse(self.stew, grade, ("invalid_argument", "bad_request"), "columns.csv", *words)
        columns.write_bytes(good)
        self.accept(self.stew, grade)


class Names(Hostile):
    BAD = ["..", "../../etc", "a\nb", LONG, "a/../b", ".x", "é", "a b", "A", "x" * 64]
    GOOD = ["a", "0.x", "a-b_c.d", "x" * 63]

    def test_datasets(self):
        with self.unchanged():
            for name in self.BAD:
                for whole in (f"clinic/{name}", f"{name}/people"):
                    with self.subTest(whole[:40]):
                        self.refuse(self.stew, f"data add {shlex.quote(whole)} {WORLD.table}", "usage", "[a-z0-9][a-z0-9._-]{0,62}", status=2)
        for name in self.GOOD:
            WORLD.dataset(f"names/{name}")

    def test_users_and_environments(self):
        operator = self.people["operator"]
        with self.unchanged():
            for name in self.BAD:
                with self.subTest(name[:40]):
                    self.refuse(operator, f"user add --role auditor -- {shlex.quote(name)}", "bad_request", "name", "[a-z0-9][a-z0-9._-]{0,62}")
                    self.refuse(operator, f"env add --pip numpy -- {shlex.quote(name)}", "bad_request", "name", "[a-z0-9][a-z0-9._-]{0,62}")
        for name in self.GOOD:
            self.accept(operator, f"user add {name} --role auditor", "cft_")

    def test_past_the_client(self):
        """NUL, too, which no argument of a command can hold."""
        operator = self.people["operator"]
        environment = {"preset": "sklearn", "pip": None, "requirements": None, "oci": None, "apt": []}
        with self.unchanged():
            for name in [*self.BAD, "a\0b", "", "-x", "\ud800"]:
                with self.subTest(name[:40]):
                    self.refused(self.send(operator, "POST", "/v1/users", {"name": name, "roles": ["auditor"]}), 400, "bad_request")
                    self.refused(self.send(operator, "POST", "/v1/environments", {"name": name, **environment}), 400, "bad_request")
                    quoted = urllib.parse.quote(name.encode("utf-8", "surrogatepass"), safe="")
                    for target in (f"/v1/datasets/clinic/{quoted}", f"/v1/datasets/{quoted}/people", f"/v1/environments/{quoted}x/log", f"/v1/runs/{quoted}x",
                                   f"/v1/releases/{quoted}x", f"/v1/users/{quoted}x", f"/ledger/tile/0/{quoted}x"):
                        self.refused(self.send(operator, "GET", target), (400, 404))
        for target in ("/v1/datasets/clinic/people", "/v1/environments/python-sklearn/log", "/v1/users/ada"):
            self.assertEqual(self.send(operator, "GET", target).status, 200, target)

    def test_in_a_program(self):
        """Names of inputs, outputs and of the program's own files."""
        grant, form = WORLD.give(), "[a-z0-9][a-z0-9._-]{0,62}"
        with self.unchanged():
            for name in ["..", "a\nb", LONG, "a\0b", "a/b", "", "/etc"]:
                quoted = json.dumps(name)
                with self.subTest(name[:40]):
                    alias = WORLD.program(inputs=f'{quoted} = "clinic/people"')
                    self.refuse(self.ada, f"run {alias} --grant {grant}", "invalid_argument", "coffer.toml", "inputs.", "[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
                    output = WORLD.program()
                    text = (output / "coffer.toml").read_text()
                    (output / "coffer.toml").write_text(text.replace('name = "count"', f"name = {quoted}"))
                    self.refuse(self.ada, f"run {output} --grant {grant}", "invalid_argument", "coffer.toml", "outputs.", form)
            for name in ("a\nb", "\x1b[2J", "\udcff"):
                with self.subTest(name):
                    program = WORLD.program()
                    (program / name).write_text("")
                    self.refuse(self.ada, f"run {program} --grant {grant}", "program_tree", "path", "control character" if name != "\udcff" else "UTF-8")
        program = WORLD.program(inputs='"Pe_0.-x" = "clinic/people"')
        (program / "ein Bär .txt").write_text("")
        self.submit(self.ada, f"run {program} --grant {grant}")

    def test_of_files_in_a_dataset(self):
        folder = WORLD.directory / "odd"
        folder.mkdir()
        for name, word in (("a\nb", "control character"), ("\udcff", "UTF-8")):
            with self.subTest(name), self.unchanged():
                (folder / name).write_text("x\n1\n")
                self.refuse(self.stew, f"data add names/odd {folder}", "invalid_argument", "path", word)
                (folder / name).unlink()
        (folder / "ein Bär .csv").write_text("x\n1\n")
        self.accept(self.stew, f"data add names/odd {folder}", "names/odd@v1")


class Sizes(Hostile):
    def used(self):
        """Bytes on the disk below the world: server, vault, homes. A sparse file has few."""
        return 1024 * int(subprocess.run(["du", "-sk", WORLD.directory], capture_output=True, text=True).stdout.split()[0])

    def sparse(self, path, size):
        with open(path, "wb") as file:
            file.truncate(size)
        return path

    def test_ten_sparse_gibibytes_fill_no_disk(self):
        used, grant = self.used(), WORLD.give()
        with self.unchanged():
            program = WORLD.program()
            self.sparse(program / "weights.bin", 10 * GIB)
            self.refuse(self.ada, f"run {program} --grant {grant}", ("invalid_argument", "program_tree"), "weights.bin", "64 MiB")
            archive = self.sparse(WORLD.directory / "sparse.tar", 17 * GIB)
            self.refuse(self.people["operator"], f"env add sparse --oci {archive}", "archive_too_large", "sparse.tar", "17 GiB", "16 GiB")
            archive.unlink()
            self.refused(self.send(self.ada, "POST", "/v1/uploads", headers={"Upload-Length": str(65 * GIB)}), 413, "too_large", "64 GiB")
            where = self.send(self.ada, "POST", "/v1/uploads", headers={"Upload-Length": str(10 * GIB)}).headers["Location"]
            body = {"upload": where.rsplit("/", 1)[1], "digest": "sha256:" + "0" * 64}
            self.refused(self.send(self.ada, "POST", "/v1/programs", body), 409, "upload_incomplete", 10 * GIB)
            self.assertEqual(self.send(self.ada, "DELETE", where).status, 204)
        self.assertLess(self.used() - used, GIB // 8)
        self.accept(self.stew, f"data add sizes/sparse {self.sparse(WORLD.directory / 'zeros', GIB // 4)}", "256 MiB")
        self.assertLess(self.used() - used, GIB // 8, "what is all zeros is stored once")

    def test_two_hundred_thousand_files(self):
        memory = tempfile.TemporaryDirectory(dir="/dev/shm")
        self.addCleanup(memory.cleanup)
        program = pathlib.Path(shutil.copytree(WORLD.program(), f"{memory.name}/program"))
        self.accept(self.ada, f"quote {program}")
        folder = program / "many"
        for i in range(SMALL_FILES // 1000):
            (folder / str(i)).mkdir(parents=True)
            for j in range(1000):
                os.close(os.open(f"{folder}/{i}/{j}", os.O_CREAT | os.O_WRONLY))
        with self.unchanged():
            self.refuse(self.ada, f"quote {program}", "invalid_argument", "50000 files")
        self.accept(self.stew, f"data add sizes/many {folder}", "200,000 files")

    def test_what_a_program_leaves(self):
        """In /out: too much, too many, too deep, no value; each run ends at once and its neighbour is released."""
        write = 'open("/out/count.json", "w").write({})'
        endings = {
            'open("/out/count.json", "wb").truncate(10 << 30)': ("refused", "malformed"),
            'open("/out/other", "wb").truncate(10 << 30)': ("refused", "undeclared"),
            'f = open("/out/count.json", "wb")\nfor _ in range(10 << 10):\n    f.write(bytes(1 << 20))': ("failed", "output_size"),
            f'for i in range({SMALL_FILES}):\n    open(f"/out/{{i}}", "w").close()': ("failed", "output_size"),
            'import os\nfor i in range(200):\n    os.mkdir("/out/d"), os.chdir("/out/d"), open("x", "w")' .replace("/out/d", "d").replace("import os", "import os\nos.chdir('/out')"): ("refused", "undeclared"),
            write.format("'[' * 10000"): ("refused", "malformed"),
            write.format("'{\"n\":1}\\0'"): ("refused", "malformed"),
            write.format("'{\"n\":1,\"n\":2}'"): ("refused", "malformed"),
            write.format("'{\"n\":1e999999999}'"): ("refused", ("malformed", "out_of_range")),
            write.format("'{\"n\":7}'"): ("done", None),
        }
        used, grant, runs = self.used(), WORLD.give(bits="100k", auto=64), {}
        for code in endings:
            program = WORLD.program()
            (program / "main.py").write_text(code + "\n")
            runs[code] = self.ada.ask(f"run {program} --grant {grant}")["id"]
        for code, (state, why) in endings.items():
            with self.subTest(code):
                run = self.wait(runs[code])
                found = run["cause"] if run["state"] == "failed" else run["outputs"][0]["refusal"]
                self.assertEqual(run["state"], state, run)
                self.assertIn(found, why if isinstance(why, tuple) else (why,), run)
        self.assertLess(self.used() - used, GIB // 8)


class Archives(Hostile):
    """Images as environments. A build that failed is shown as such, with its reason; nothing else is left of it."""

    PROGRAM = oci.tar([("bin/sh", b"#!"), ("etc/issue", b"small")])
    BAD = {
        "bomb": (oci.archive([oci.bomb(33 * GIB)]), "32 GiB"),
        "dots": (oci.archive([oci.tar([("../../etc/passwd", b"x")])]), ".."),
        "link-circle": (oci.archive([oci.tar([("a", oci.link("b")), ("b", oci.link("a")), ("a/x", b"x")])]), "link"),
        "hard-link-out": (oci.archive([oci.tar([("a", oci.link("../../etc/shadow", tarfile.LNKTYPE))])]), ""),
        "another-machine": (oci.archive([PROGRAM], architecture="s390x"), "amd64"),
        "cut": (oci.archive([PROGRAM])[:3000], ""),
        "no-tar": (b"\0" * 4096 + b"x" * 4096, ""),
        "gzip-cut": (oci.archive([gzip.compress(PROGRAM)[:-20]]), "layer"),
        "no-index": (oci.tar([("manifest.json", b"[]")]), "skopeo copy"),
        "deep-json": (oci.tar([("index.json", b"[" * 10_000)]), "deep"),
    }

    def traces(self):
        data = WORLD.server.data
        return {"state": self.state(), "roots": sorted(os.listdir(data / "env")), "builder": sorted(p.name for p in (data / "builder").glob("*oci*"))}

    def test_images(self):
        operator, before = self.people["operator"], self.traces()
        path = WORLD.directory / "image.tar"
        for name, (archive, word) in self.BAD.items():
            with self.subTest(name):
                path.write_bytes(archive)
                used = Sizes.used(self)
                said = self.refuse(operator, f"env add bad-{name} --oci {path}", "environment_failed", f"bad-{name}", word)
                self.assertNotIn("reader was stopped", said, "a limit of the machine and not the one that has a name")
                self.assertLess(Sizes.used(self) - used, GIB)
                self.assertEqual(self.send(operator, "GET", f"/v1/environments/bad-{name}").json()["state"], "failed")
                self.assertEqual(self.traces(), before)
        upwards = oci.tar([("a", oci.link("../../../..")), ("a/etc/more", b"inside")])  # a link that leads nowhere but into the image itself
        good = oci.archive([oci.zstd_zeros(self.PROGRAM, 4), gzip.compress(upwards)])
        with self.subTest("another digest than was said"):
            body = {"name": "bad-digest", "preset": None, "pip": None, "requirements": None, "apt": [], "oci": self.upload(operator, good), "oci_digest": "sha256:" + "0" * 64}
            self.assertEqual(self.send(operator, "POST", "/v1/environments", body).status, 202)
            while (document := self.send(operator, "GET", "/v1/environments/bad-digest").json())["state"] not in ("failed", "ready"):
                time.sleep(0.05)
            self.assertIn("damaged", document["error"] or "")
            self.assertEqual(self.traces(), before)
        path.write_bytes(good)
        self.accept(operator, f"env add small --oci {path}", "ready")
        root = WORLD.server.data / "env" / operator.ask("env show small")["digest"].removeprefix("sha256:") / "root"
        self.assertEqual((root / "etc/more").read_text(), "inside")


class Manifests(Hostile):
    def test_every_field_of_coffer_toml_wrong_in_turn(self):
        grant = WORLD.give()
        line = f"run {{}} --grant {grant}"
        program = WORLD.program()
        toml = program / "coffer.toml"
        with self.unchanged():
            for what, text, words in toml_terms.wrong():
                with self.subTest(what):
                    toml.write_bytes(text if isinstance(text, bytes) else text.encode())
                    self.refuse(self.ada, line.format(program), ("invalid_argument", "declaration"), "coffer.toml", *words)
        for what, text in toml_terms.right():
            with self.subTest(what):
                toml.write_text(text)
                self.accept(self.ada, f"quote {program}")


class Signed(Hostile):
    """What was signed is taken as it was signed, once, from whom it is for; and not a bit of it otherwise."""

    def kept_back(self, person, line, holds):
        """The request that the command would have sent: (target, body)."""
        recorder = Recorder(WORLD.server.port, holds)
        try:
            env = {k: v for k, v in person.env().items() if v != ""} | {"COFFER_SERVER": recorder.url}
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
            "one letter": f"Bearer {flipped}", "upper case": f"Bearer {good.upper()}", "twice": f"Bearer {good} {good}", "long": "Bearer " + LONG, "bytes": "Bearer \xff\xfe",
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
            "deep arrays": (b"[" * deep + b"]" * deep, "64 deep"), "deep objects": (b'{"a":' * deep + b"1" + b"}" * deep, "64 deep"), "only opened": (b"[" * deep, "64 deep"),
            "half": (b'{"name":"mo', ""), "twice": (b'{"name":"a1","name":"a2"}', "stands twice"), "not UTF-8": (b'{"name":"\xff"}', "UTF-8"),
            "NaN": (b'{"name":NaN}', ""), "more behind": (b"{} {}", ""), "a list": (b"[]", ""), "nothing": (b"", ""), "null": (b"null", ""), "a number": (b"1" * 5000, ""),
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
        self.assertIn(b"HTTP/1.1 201", self.cut(self.people["operator"], "POST", "/v1/users", user, len(user), kind + f"Content-Length: {len(user)}\r\n".encode()))

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
