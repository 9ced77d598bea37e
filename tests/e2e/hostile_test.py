"""Hostile input by files and commands: each has its own clear error and changes nothing; beside it stands what is permitted."""
import gzip
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
import unittest
import urllib.parse

import oci
import toml_terms
from hostile import LONG, Hostile
from world import begin

GIB = 1 << 30
SMALL_FILES = 200_000
WORLD = None


def setUpModule():
    global WORLD
    WORLD = begin("hostile")


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
        "a long row": (b"ward,n\na,1,2\n", "malformed"), "no end of a quote": (b'ward,n\n"a,1\n', "malformed"),
        "latin-1": (b"ward,n\n\xfc,1\n", ("malformed", "out_of_range")),
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
            'import os\nos.chdir("/out")\nfor _ in range(200):\n    os.mkdir("d"), os.chdir("d"), open("x", "w")': ("refused", "undeclared"),
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
            body = {"name": "bad-digest", "preset": None, "pip": None, "requirements": None, "apt": []}
            body |= {"oci": self.upload(operator, good), "oci_digest": "sha256:" + "0" * 64}
            self.assertEqual(self.send(operator, "POST", "/v1/environments", body).status, 202)
            while (document := self.send(operator, "GET", "/v1/environments/bad-digest").json())["state"] not in ("failed", "ready"):
                time.sleep(0.05)
            self.assertIn("damaged", document["error"] or "")
            self.assertEqual(self.traces(), before)
        path.write_bytes(good)
        self.refuse(operator, f"env add small --oci {path} --apt nano", "usage", "--apt", status=2)
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


if __name__ == "__main__":
    unittest.main()
