"""coffer backup while the server works, coffer restore into an empty directory: nothing is lost, nothing is spent twice."""
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

from harness import COFFER, Person, Server, beside
from tiny import TinyWorld

WORLD = None


def setUpModule():
    global WORLD
    WORLD = TinyWorld.of(unittest.addModuleCleanup, "backup")


def operate(*words, status=0, code=None, env=None):
    """A command of the operator on the server's machine; what it said."""
    done = subprocess.run([COFFER, *map(str, words)], text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=300, env=env)
    said = done.stdout + done.stderr
    if done.returncode != status or (code and f"[{code}]" not in said):
        raise AssertionError(f"coffer {' '.join(map(str, words))}\nexit status {done.returncode}, wanted {status} {code or ''}:\n{said}")
    return said


def digests(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


class Case(unittest.TestCase):
    def setUp(self):
        self.server, self.stew, self.ada = WORLD.server, WORLD.stew, WORLD.people["ada"]
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-restored-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.folder = pathlib.Path(folder.name)
        self.key = self.server.data / "keeper/master.key"
        if self.server.process.poll() is not None:
            self.server.start()

    def run_counter(self, grant):
        run = WORLD.run(grant)
        self.assertEqual(run["state"], "done")
        return run

    def backup(self, name="backup"):
        return json.loads(operate("backup", "--data", self.server.data, "-o", self.folder / name, "--json"))

    def restore(self, name="backup", data="machine/data", more=(), key=True):
        words = ["restore", self.folder / name, "--data", self.folder / data, "--json", *more]
        return json.loads(operate(*words, *(["--master-key", self.key] if key else [])))

    def restored_server(self):
        """The server of the new machine, at the old one's address."""
        server = Server(self.folder / "machine", port=self.server.port)
        self.addCleanup(server.stop)
        server.start()
        return server

    def refuse(self, words, code):
        return operate(*words, status=1, code=code)


class Backups(Case):
    def test_a_backup_becomes_a_server_on_which_every_budget_is_spent(self):
        grant = WORLD.give(runs=20)
        kept = self.run_counter(grant)
        made = self.backup()
        self.assertGreater(made["entries"], 10)
        lost = self.run_counter(grant)
        self.server.stop()
        self.assertEqual(self.restore()["budgets"], "spent")
        server = self.restored_server()
        shown = self.ada.ask(f"runs show {kept['id']}")
        self.assertEqual((shown["state"], shown["charged"]), ("done", kept["charged"]))
        self.ada.type(f"fetch {kept['id']}/count -o {self.folder}/fetched", expect="proved by the ledger")
        self.assertEqual(json.loads((self.folder / "fetched/count.json").read_text()), {"n": 61}, "60 rows and their head")
        self.ada.ask(f"runs show {lost['id']}", status=1)
        said = self.ada.type(f"run {WORLD.program()} --grant {grant}", status=1)
        self.assertIn("[dataset_frozen]", said)
        time.sleep(1.1)  # a limit says the whole second of its signing
        self.stew.type("data limit clinic/people --bits 1M")
        self.run_counter(grant)
        self.check_ledger()
        server.stop()

    def check_ledger(self):
        said = self.ada.type(f"ledger export -o {self.folder}/ledger")
        key = said.split("--key ")[1].strip()
        self.ada.type(f"ledger verify {self.folder}/ledger --key {key}")

    def test_with_the_keepers_memory_budgets_go_on_from_its_sums(self):
        grant = WORLD.give(runs=20)
        self.run_counter(grant)
        self.backup()
        self.run_counter(grant)
        before = self.ada.ask(f"grant show {grant}")["spent"]
        self.server.stop()
        more = ("--keeper", self.server.data / "keeper")
        restored = self.restore(more=more, key=False)
        self.assertEqual(restored["budgets"], "database_behind")
        self.assertGreater(restored["keeper_entries"], restored["entries"])
        server = Server(self.folder / "machine", port=self.server.port)
        self.assertIn("coffer recover show", server.start(expect_ready=False))
        data = self.folder / "machine/data"
        self.assertIn("entries are missing", operate("recover", "show", "--data", data))
        operate("recover", "accept", "--reason", "disk failed", "--data", data)
        self.restored_server()
        self.assertEqual(self.ada.ask(f"grant show {grant}")["spent"], before)
        self.run_counter(grant)

    def test_an_older_keeper_is_accepted_by_name_and_counts_every_budget_as_spent(self):
        grant = WORLD.give(runs=20)
        journal = self.server.data / "keeper/journal"
        older = journal.read_bytes()
        run = self.run_counter(grant)
        self.server.stop()
        journal.write_bytes(older)
        self.assertIn("[keeper_older]", self.server.start(expect_ready=False))
        self.assertIn("every budget counts as spent", operate("recover", "show", "--data", self.server.data))
        operate("recover", "accept", "--reason", "an old disk", "--data", self.server.data)
        self.server.start()
        self.assertIn("[dataset_frozen]", self.ada.type(f"run {WORLD.program()} --grant {grant}", status=1))
        self.assertEqual(self.ada.ask(f"runs show {run['id']}")["state"], "done")
        time.sleep(1.1)
        self.stew.type("data limit clinic/people --bits 1M")
        self.run_counter(grant)
        self.check_ledger()

    def test_moving_loses_nothing(self):
        grant = WORLD.give(runs=20)
        self.run_counter(grant)
        before = self.ada.ask(f"grant show {grant}")
        self.server.stop()
        self.backup()
        restored = self.restore(more=("--keeper", self.server.data / "keeper"), key=False)
        self.assertEqual(restored["budgets"], "go_on")
        self.restored_server()
        self.assertEqual(self.ada.ask(f"grant show {grant}"), before)
        self.run_counter(grant)

    def test_what_is_copied_under_load_fits_together(self):
        seed = int(os.environ.get("COFFER_SEED", random.SystemRandom().randrange(1 << 32)))
        chance = random.Random(seed)
        grant = WORLD.give(runs=2000, bits="100k")
        acknowledged, came, made = [], [], []
        program = WORLD.program()

        def submit(over):
            while not over.is_set():
                run = self.ada.ask(f"run {program} --grant {grant}", status=None)
                if run and "id" in run:
                    acknowledged.append(run["id"])

        def come_and_go(over):
            while not over.is_set():
                name = f"clinic/comes{len(came)}"
                table = self.folder / "big.bin"
                table.write_bytes(chance.randbytes(3 << 20))
                self.stew.type(f"data add {name} {table}", show=False)
                self.stew.type(f"data rm {name}@v1", show=False)
                came.append(name)

        with beside(submit, come_and_go):
            for n in range(4):
                time.sleep(chance.random())
                before = set(acknowledged)
                self.backup(f"backup{n}")
                made.append(before)
        self.assertTrue(came and acknowledged, f"seed {seed}: nothing happened meanwhile")
        self.server.stop()
        for n, before in enumerate(made):
            restored = self.restore(f"backup{n}", f"machine{n}/data")
            self.assertEqual(restored["budgets"], "spent", f"seed {seed}")
            if n + 1 < len(made):
                continue
            server = Server(self.folder / f"machine{n}", port=self.server.port)
            self.addCleanup(server.stop)
            server.start()
            runs = {r["id"] for r in self.ada.ask("runs ls")["items"]}
            self.assertEqual(before - runs, set(), f"seed {seed}: acknowledged before the backup and not in it")
            server.stop()


class Refusals(Case):
    def test_a_backup_is_never_changed(self):
        self.backup()
        words = ("backup", "--data", self.server.data, "-o", self.folder / "backup")
        before = digests(self.folder / "backup")
        self.refuse(words, "target_exists")
        self.assertEqual(digests(self.folder / "backup"), before)
        self.refuse(("backup", "--data", self.folder, "-o", self.folder / "x"), "not_found")
        self.refuse(("backup", "--data", self.server.data, "-o", self.server.data / "x"), "invalid_argument")
        self.refuse(("backup", "--data", self.folder / "backup", "-o", self.folder / "x"), "is_a_backup")

    def test_half_a_backup_is_known_by_its_name_and_made_again(self):
        words = [COFFER, "backup", "--data", str(self.server.data), "-o", str(self.folder / "half")]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        partial = self.folder / "half.partial"
        while not partial.exists() and process.poll() is None:
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertFalse((self.folder / "half").exists())
        if partial.exists():
            self.refuse(("restore", partial, "--data", self.folder / "d", "--master-key", self.key), "no_backup")
        operate("backup", "--data", self.server.data, "-o", self.folder / "half")
        self.assertFalse(partial.exists())

    @unittest.skipUnless(os.geteuid() == 0, "only root makes a small disk")
    def test_a_full_disk_is_said_and_nothing_is_left_on_it(self):
        for size in ("16k", "200k", "420k"):
            small = self.folder / f"disk{size}"
            small.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", small], check=True)
            try:
                said = self.refuse(("backup", "--data", self.server.data, "-o", small / "b"), "unavailable")
                self.assertRegex(said, "disk is full|No space left")
                self.assertEqual(list(small.iterdir()), [])
            finally:
                subprocess.run(["umount", small], check=True)
        self.backup()

    def test_only_into_an_empty_directory(self):
        self.backup()
        data = self.folder / "machine/data"
        data.mkdir(parents=True)
        (data / "lost+found").mkdir()
        (data / "mine.txt").write_text("mine")
        words = ("restore", self.folder / "backup", "--data", data, "--master-key", self.key)
        self.refuse(words, "not_empty")
        self.assertEqual(sorted(p.name for p in data.iterdir()), ["lost+found", "mine.txt"])
        (data / "mine.txt").unlink()
        operate(*words)
        self.refuse(words, "not_empty")

    def test_no_server_starts_on_a_backup_or_half_a_restore(self):
        self.backup()
        server = Server(self.folder / "x")
        server.data = self.folder / "backup"
        self.assertIn("[is_a_backup]", server.start(expect_ready=False))
        (self.folder / "y/data").mkdir(parents=True)
        (self.folder / "y/data/restore.unfinished").write_text("")
        self.assertIn("[restore_unfinished]", Server(self.folder / "y").start(expect_ready=False))

    def test_a_flipped_bit_anywhere_is_found(self):
        self.run_counter(WORLD.give())
        self.backup()
        backup = self.folder / "backup"
        seed = int(os.environ.get("COFFER_SEED", random.SystemRandom().randrange(1 << 32)))
        chance = random.Random(seed)
        kinds = ("front/coffer.db", "keeper/journal", "files.txt", "vault/*/chunks/*/*", "vault/*/lists/*", "programs/*/coffer.toml",
                 "runs/*/*.sealed", "env/*/env.json")
        for kind in kinds:
            file = chance.choice(sorted(backup.glob(kind)))
            whole = file.read_bytes()
            at = chance.randrange(len(whole))
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1:])
            data = self.folder / f"d-{kind.split('/')[0]}-{len(kind)}"
            with self.subTest(file=str(file), at=at, seed=seed):
                self.refuse(("restore", backup, "--data", data, "--master-key", self.key), "backup_damaged")
                server = Server(data.parent / "z")
                server.data = data
                if data.exists():
                    self.assertIn("[restore_unfinished]", server.start(expect_ready=False))
            file.write_bytes(whole)

    def test_what_an_attacker_lists_anew_is_still_compared_with_what_was_signed(self):
        """Who can write the backup can write its list; digests that were signed stay."""
        self.run_counter(WORLD.give())
        self.backup()
        backup = self.folder / "backup"
        head = json.loads((backup / "backup.json").read_text())
        lines = (backup / "files.txt").read_text()
        program = sorted(backup.glob("programs/*/coffer.toml"))[0]
        old = hashlib.sha256(program.read_bytes()).hexdigest()
        program.write_bytes(program.read_bytes()[:-1] + b"#")
        lines = lines.replace(old, hashlib.sha256(program.read_bytes()).hexdigest())
        (backup / "files.txt").write_text(lines)
        head["list"] = "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
        (backup / "backup.json").write_text(json.dumps(head))
        self.refuse(("restore", backup, "--data", self.folder / "d", "--master-key", self.key), "backup_damaged")

    def test_another_key_and_another_keeper_open_nothing(self):
        self.backup()
        other = self.folder / "other.key"
        other.write_text("11" * 32)
        said = operate("restore", self.folder / "backup", "--data", self.folder / "d", "--master-key", other, status=1)
        self.assertRegex(said, "(?i)journal|keeper")
        operate("restore", self.folder / "backup", "--data", self.folder / "e", status=2)
        stranger = Server(self.folder / "stranger")
        stranger.start()
        Person("o", stranger).login(stranger.operator_token())
        stranger.stop()
        words = ("restore", self.folder / "backup", "--data", self.folder / "f", "--keeper", stranger.data / "keeper")
        said = operate(*words, status=1)
        self.assertRegex(said, r"keeper_older|keeper_of_another")

    def test_of_a_newer_coffer_names_both(self):
        made = self.backup()
        file = self.folder / "backup/backup.json"
        head = json.loads(file.read_text())
        head["v"], head["version"] = 2, "9.9.9"
        file.write_text(json.dumps(head))
        said = self.refuse(("restore", self.folder / "backup", "--data", self.folder / "d", "--master-key", self.key), "backup_newer")
        self.assertIn("9.9.9", said)
        self.assertGreater(made["files"], 3)


if __name__ == "__main__":
    unittest.main()
