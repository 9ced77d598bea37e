"""Data directories of older commits under today's server; a client and a server of different versions."""
import os
import pathlib
import re
import subprocess
import tarfile
import tempfile
import unittest

from contract import Recorder
from harness import COFFER, ROOT, Person, Server
from tiny import ROLES

FIXTURES = ROOT / "tests/fixtures"
FIXTURE_PORT = 40707
UIDS = {"front": 991001, "vault": 991001, "ledger": 991001, "operator.token": 991001, "env": 991003}


def unpack(fixture, folder):
    with tarfile.open(fixture) as archive:
        archive.extractall(folder)
    if os.geteuid() == 0:
        for name, uid in UIDS.items():
            top = folder / "data" / name
            for path in [top, *top.rglob("*")]:
                os.chown(path, uid, uid)


class AnOlderDirectory(unittest.TestCase):
    def world(self, fixture):
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-upgrade-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        path = pathlib.Path(folder.name)
        unpack(fixture, path)
        server = Server(path)
        self.addCleanup(server.stop)
        for profile in path.glob("home/*/.config/cofferdam/config.toml"):
            profile.write_text(profile.read_text().replace(f":{FIXTURE_PORT}", f":{server.port}"))
        for file in sorted(path.glob("home/*/.config/cofferdam/**/*"), reverse=True):
            if str(FIXTURE_PORT) in file.name:
                file.rename(file.with_name(file.name.replace(str(FIXTURE_PORT), str(server.port))))
        server.start()
        return server, {name: Person(name, server) for name in (*ROLES, "operator")}

    def test_goes_on_working(self):
        fixtures = sorted(FIXTURES.glob("*.tar.xz"))
        self.assertGreater(len(fixtures), 0)
        for fixture in fixtures:
            with self.subTest(fixture=fixture.name):
                self.goes_on(*self.world(fixture))

    def goes_on(self, server, people):
        ada, rex, folder = people["ada"], people["rex"], server.directory
        first, second = sorted(ada.ask("runs ls")["items"], key=lambda run: run["submitted"])
        self.assertEqual(first["state"], "done")
        ada.type(f"fetch {first['id']} -o {folder}/before", expect="proved by the ledger")
        self.assertIn(second["state"], ("held", "refused"))  # two weeks after it was made nobody approves any more
        if second["state"] == "held":
            rex.type(f"review approve {second['id']}/count --reason ok", expect="released")
            ada.type(f"fetch {second['id']} -o {folder}/held", expect="proved by the ledger")
        grant = (folder / "grant").read_text()
        before = ada.ask(f"grant show {grant}")["spent"]["runs"]
        ada.type(f"run {folder / 'program'} --grant {grant} --wait", expect="done")
        self.assertEqual(ada.ask(f"grant show {grant}")["spent"]["runs"], before + 1)
        people["stew"].type("data limit clinic/people --bits 900k")
        (folder / "more.csv").write_text("id,age\n9,61\n")
        people["stew"].type(f"data add clinic/people {folder / 'more.csv'} --append", expect="clinic/people@v2")
        line = "grant give clinic/people --to ada --purpose p --lane bounded --bits 10k --runs 5 --until 2099-12-31 --auto-bits 64 --yes"
        newer = people["stew"].ask(line)["id"]
        self.assertEqual(ada.ask(f"run {folder / 'program'} --grant {newer} --wait")["state"], "done")
        said = ada.type(f"ledger export -o {folder}/ledger")
        ada.type(f"ledger verify {folder}/ledger --key {re.search(r'--key (.+)', said)[1]}")
        server.stop()
        server.start()
        self.assertEqual(ada.ask(f"grant show {grant}")["spent"]["runs"], before + 1)


class AnotherVersion(unittest.TestCase):
    def test_is_named_beside_ours_when_something_fails(self):
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-versions-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        server = Server(folder.name)
        self.addCleanup(server.stop)
        server.start()
        version = subprocess.run([COFFER, "version"], capture_output=True, text=True).stdout.split()[1]
        both = f"this is coffer {version}, the server is coffer 9.9.9"
        same, newer = Recorder(server.port), Recorder(server.port, {"Coffer-Version": "9.9.9"})
        self.addCleanup(same.stop)
        self.addCleanup(newer.stop)
        token = server.operator_token()
        operator, stranger = Person("operator", server), Person("stranger", server)
        operator.login(token)
        wrong = token[:8] + ("x" if token[8] != "x" else "y") + token[9:]
        for recorder, named in (same, False), (newer, True):
            with self.subTest(url=recorder.url):
                said = stranger.type(f"login {recorder.url} --token -", stdin=wrong + "\n", status=1, expect="unauthenticated")
                self.assertEqual(both in said, named)
                operator.env = lambda url=recorder.url: Person.env(operator) | {"COFFER_SERVER": url}
                self.assertEqual(both in operator.type("runs show run_aaaaaaaaaaaaaaaa", status=1), named)
                self.assertNotIn(both, operator.type("user ls"))


if __name__ == "__main__":
    unittest.main()
