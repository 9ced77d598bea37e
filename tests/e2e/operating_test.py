"""Plays docs/operating.md: every line with a prompt is typed, what stands under it must be said. And the refusals at start."""
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest

from harness import COFFER, ROOT, Output, Person, Server
from tiny import MANIFEST, build_tally, oci_archive

DOCUMENT = ROOT / "docs/operating.md"
PROMPT = re.compile(r"^    (root#|\w+\$) (.+)$")
SHELL = ("cp", "mv", "rm", "curl")


def steps():
    """[(who, line, [what must be said])] of the document."""
    out = []
    for text in DOCUMENT.read_text().splitlines():
        prompt = PROMPT.match(text)
        if prompt:
            out.append((prompt[1].rstrip("#$"), prompt[2], []))
        elif text.startswith("    ") and out:
            out[-1][2].append(text.strip())
    return out


def folder_of(test, name):
    folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix=f"coffer-{name}-")
    test.addCleanup(folder.cleanup)
    os.chmod(folder.name, 0o755)
    return pathlib.Path(folder.name)


class Machine:
    """Where the story is played: a folder instead of /, a process instead of a unit."""

    def __init__(self, folder):
        self.root = folder
        self.output = Output("COFFER_SHOW" in os.environ)
        for name in ("var/lib", "backups", "scratch", "safe", "bin", "work"):
            (folder / name).mkdir(parents=True)
        (folder / "bin/coffer").symlink_to(COFFER)
        self.server = Server(folder, self.output)
        self.server.data = folder / "var/lib/coffer"
        self.people = {}
        self.token, self.grant = "", ""

    def real(self, text):
        text = re.sub(r"(?<![\w.])/(var/lib|backups|scratch|safe)/", str(self.root) + r"/\1/", text)
        return text.replace(":7070", f":{self.server.port}").replace("GRANT", self.grant)

    def systemctl(self, line):
        if "stop" in line or "restart" in line:
            self.server.stop()
        if "stop" not in line:
            return self.server.start(expect_ready=False)
        return ""

    def install(self):
        words = [ROOT / "tools/install", COFFER, self.root / "installed", "/usr"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def shell(self, who, line):
        if "data limit" in line:
            time.sleep(1.1)  # a limit says the whole second of its signing
        home = self.people.setdefault(who, Person(who, self.server)).home
        env = {"HOME": str(home), "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", self.real(line)], env=env, cwd=self.root / "work", text=True, capture_output=True, timeout=300,
            input=self.token + "\n" if line.endswith("--token -") else "",
        )
        return done.returncode, done.stdout + done.stderr

    def play(self, who, line):
        """(exit status, what was said) of one line of the document."""
        if line.startswith("systemctl "):
            return 0, self.systemctl(line)
        if line.startswith("journalctl "):
            return 0, self.server.log.read_text()
        if line.startswith("make install "):
            return 0, self.install()
        if line.split()[0] not in (*SHELL, "coffer"):
            raise AssertionError(f"nobody plays this line of docs/operating.md: {line}")
        status, said = self.shell(who, line)
        self.token = next(iter(re.findall(r"cft_\S+", said)), self.token)
        self.grant = next(iter(re.findall(r"signed (grant_\w+)", said)), self.grant)
        return status, said


class TheDocument(unittest.TestCase):
    def test_is_true(self):
        machine = Machine(folder_of(self, "operating"))
        self.addCleanup(machine.server.stop)
        work = machine.root / "work"
        tally = build_tally(machine.root / "tally")
        oci_archive(work / "tiny.tar", {"bin/tally": tally.read_bytes()})
        (work / "people.csv").write_text("age\n" + "41\n" * 60)
        (work / "program").mkdir()
        (work / "program/coffer.toml").write_text(MANIFEST.format(name="tally", dataset="clinic/people", note="n"))
        played = steps()
        self.assertGreater(len(played), 40)
        for who, line, wanted in played:
            machine.output.write(f"{who}$ {line}\n")
            status, said = machine.play(who, line)
            machine.output.write(said + "\n")
            refused = any(re.fullmatch(r"\[\w+\]", words) for words in wanted)
            if line.startswith("coffer") and "doctor" not in line:
                self.assertEqual(status, 1 if refused else 0, f"{who}$ {line}\n{said}")
            for words in wanted:
                self.assertIn(words, said, f"{who}$ {line}")


class Installing(unittest.TestCase):
    def setUp(self):
        self.prefix = folder_of(self, "install") / "usr"
        done = subprocess.run([ROOT / "tools/install", COFFER, "", self.prefix], check=True, capture_output=True, text=True)
        self.files = [pathlib.Path(line) for line in done.stdout.splitlines()]

    def test_puts_what_it_says_and_nothing_else(self):
        self.assertEqual(sorted(self.files), sorted(p for p in self.prefix.rglob("*") if p.is_file()))
        said = subprocess.run([self.prefix / "bin/coffer", "version"], capture_output=True, text=True).stdout
        self.assertRegex(said, r"coffer \d+\.\d+\.\d+")
        completion = self.prefix / "share/bash-completion/completions/coffer"
        subprocess.run(["bash", "-n", completion], check=True)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd here")
    def test_units_are_understood(self):
        for more, kind in ([], "system"), (["--user"], "user"):
            unit = self.prefix / "lib/systemd" / kind / "coffer.service"
            env = os.environ | {"XDG_RUNTIME_DIR": str(self.prefix), "HOME": str(self.prefix)}
            done = subprocess.run(["systemd-analyze", *more, "verify", unit], capture_output=True, text=True, env=env)
            self.assertEqual((done.returncode, done.stderr), (0, ""), str(unit))
            self.assertIn(f"ExecStart={self.prefix}/bin/coffer server", unit.read_text())


class Rotating(unittest.TestCase):
    def test_a_log_that_is_copied_and_cut_goes_on_from_its_beginning(self):
        server = Server(folder_of(self, "rotate"))
        self.addCleanup(server.stop)
        server.start()
        before = server.log.read_bytes()
        shutil.copy(server.log, server.directory / "server.log.1")
        os.truncate(server.log, 0)
        old = server.kill("builder")
        end = time.monotonic() + 20
        while server.pids().get("builder") in (None, old) and time.monotonic() < end:
            time.sleep(0.05)
        after = server.log.read_bytes()
        self.assertEqual((server.directory / "server.log.1").read_bytes(), before)
        self.assertTrue(after.startswith(b'{"time"'), after[:80])
        self.assertIn(b'"process ended"', after)

    def test_sighup_stops_as_sigterm_does(self):
        server = Server(folder_of(self, "hup"))
        self.addCleanup(server.stop)
        server.start()
        server.process.send_signal(signal.SIGHUP)
        self.assertEqual(server.process.wait(40), 0)


class RefusalsAtStart(unittest.TestCase):
    """Each code of the last table, beside a start that works."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-refuses-")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.folder = pathlib.Path(folder.name)
        cls.server = Server(cls.folder / "a")
        cls.addClassCleanup(lambda: cls.server.stop())
        cls.server.start()
        operator = Person("operator", cls.server)
        operator.login(cls.server.operator_token())
        cls.server.stop()
        shutil.copy2(cls.server.data / "keeper/journal", cls.folder / "journal.older")
        cls.server.start()
        operator.type("user add stew --role owner")
        token = operator.ask("user token stew")["token"]
        Person("stew", cls.server).login(token)
        cls.server.stop()

    def setUp(self):
        self.data = self.server.data
        self.journal = self.data / "keeper/journal"

    def refused(self, code, server=None):
        said = (server or self.server).start(expect_ready=False)
        self.assertIn(f"[{code}]", said)
        self.assertIn(f"| `{code}` |", DOCUMENT.read_text())
        return said

    def tearDown(self):
        self.server.start()  # the permitted neighbour
        self.server.stop()

    def test_a_second_server(self):
        self.server.start()
        second = Server(self.folder / "b")
        second.data = self.data
        self.assertIn(str(self.data), self.refused("server_running", second))
        self.server.stop()

    def test_what_is_left_of_a_killed_server(self):
        self.server.start()
        self.server.stop()
        with open(self.data / "lock.processes") as left:
            fcntl.flock(left, fcntl.LOCK_EX)  # as a process does that a stuck disk keeps from ending
            self.refused("server_ending")

    def test_no_file_of_the_certificate(self):
        done = subprocess.run([*self.server.command(), "--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("front: --tls-cert /nowhere/cert.pem: cannot open", done.stderr)
        self.assertEqual(done.stderr.count('"name":"front"'), 2, "it was started again")

    def test_an_address_in_use(self):
        with socket.create_server(("127.0.0.1", self.server.port)):
            self.assertIn(f"127.0.0.1:{self.server.port}", self.refused("address_in_use"))

    def test_no_tls_beyond_this_machine(self):
        done = subprocess.run([COFFER, "server", "--data", str(self.data), "--listen", "0.0.0.0:1"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("[tls_required]", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "an ordinary user's processes all are that user's")
    def test_a_closed_directory_above(self):
        closed = Server(self.folder / "closed")
        closed.directory.mkdir(mode=0o700)
        self.refused("data_closed", closed)

    def test_an_older_keeper(self):
        newer = self.journal.read_bytes()
        self.journal.write_bytes((self.folder / "journal.older").read_bytes())
        self.assertIn("coffer recover show", self.refused("keeper_older"))
        self.journal.write_bytes(newer)

    def test_a_newer_database(self):
        self.set_schema(self.schema() + 1)
        self.assertIn("newer coffer", self.refused("database_newer"))
        self.set_schema(self.schema() - 1)

    def schema(self):
        with sqlite3.connect(self.data / "front/coffer.db") as database:
            return database.execute("PRAGMA user_version").fetchone()[0]

    def set_schema(self, version):
        keep = os.stat(self.data / "front/coffer.db")
        with sqlite3.connect(self.data / "front/coffer.db") as database:
            database.execute(f"PRAGMA user_version={version}")
        for file in (self.data / "front").glob("coffer.db*"):
            os.chown(file, keep.st_uid, keep.st_gid)

    def test_no_master_key(self):
        key = self.data / "keeper/master.key"
        key.chmod(0o644)
        self.refused("master_key")
        key.chmod(0o600)
        key.rename(self.folder / "key")
        self.refused("master_key")
        (self.folder / "key").rename(key)

    def test_a_damaged_journal(self):
        whole = self.journal.read_bytes()
        at = len(whole) // 2
        self.journal.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        self.assertIn("journal", self.refused("corrupt"))
        self.journal.write_bytes(whole)

    def test_a_backup_and_half_a_restore(self):
        for mark, code in ("backup.json", "is_a_backup"), ("restore.unfinished", "restore_unfinished"):
            (self.data / mark).write_text("")
            self.refused(code)
            (self.data / mark).unlink()

    def test_every_code_of_the_table_is_played(self):
        codes = set(re.findall(r"(?m)^\| `(\w+)` \|", DOCUMENT.read_text().split("## 10.")[1]))
        source = pathlib.Path(__file__).read_text()
        self.assertEqual({code for code in codes if f'"{code}"' not in source and f"[{code}]" not in source + DOCUMENT.read_text().split("## 10.")[0]}, set())


if __name__ == "__main__":
    unittest.main()
