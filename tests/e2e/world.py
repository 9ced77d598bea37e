"""A small clinic for tests of refusals: a server, people, a table, programs and grants on demand.

A refusal is one line that ends in its code, exit status 1 (2: the command line is wrong), and names
the field and the limit.
"""
import os
import pathlib
import random
import re
import shlex
import subprocess
import tempfile
import unittest

from contract import send
from harness import COFFER, ROOT, UNTIL, Output, Server, add_people

ROLES = {"stew": "owner", "ada": "researcher", "ben": "researcher", "rex": "reviewer"}
ROWS = 60

MANIFEST = """[program]
name = "{name}"
entry = ["python3", "main.py"]
environment = "{environment}"

[inputs]
{inputs}

[resources]
cpus = 1
memory = "128MiB"
time = "20s"
output = "1MiB"
{resources}
[[outputs]]
name = "count"
kind = "metrics"
lane = "{lane}"
[outputs.fields]
n = {{ min = 0, max = 255, digits = 0 }}
"""

# Counts the lines of its inputs; ends with an error where it cannot see them all.
PROGRAM = """import json, os, pathlib, time
def unreadable(error):
    raise error
files = [pathlib.Path(folder, name) for folder, _, names in os.walk("/data", onerror=unreadable) for name in names]
time.sleep({sleep})
pathlib.Path("/out/count.json").write_text(json.dumps({{"n": sum(len(file.read_bytes().splitlines()) for file in files) % 256}}))
"""


class World:
    def __init__(self, folder):
        self.directory = pathlib.Path(folder)
        self.server = Server(self.directory / "server", Output("COFFER_SHOW" in os.environ))
        self.programs = 0

    def play(self):
        self.server.start()
        self.people = add_people(self.server, ROLES)
        self.people["operator"].type("env add python-sklearn --preset sklearn", expect="sha256:")
        self.stew = self.people["stew"]
        self.table = self.directory / "people.csv"
        chance = random.Random(1)
        rows = "".join(f"{chance.randrange(20, 90)},{chance.choice('abc')}\n" for _ in range(ROWS))
        self.table.write_text("age,ward\n" + rows)
        self.dataset("clinic/people", bits="1M")

    def dataset(self, name, bits=None, data_class="general", grade=2, path=None):
        """Adds one; graded and limited where `bits` is given."""
        self.stew.type(f"data add {name} {path or self.table}", expect=re.escape(name) + "@v1")
        if bits:
            self.stew.type(f"data grade {name} --class {data_class} --grade {grade} --accept-proposed")
            self.stew.type(f"data limit {name} --bits {bits}")
        return name

    def program(self, *, inputs="people = \"clinic/people\"", resources="", lane="bounded", sleep=0, environment="python-sklearn", name="counter"):
        self.programs += 1
        folder = self.directory / f"program{self.programs}"
        folder.mkdir()
        manifest = MANIFEST.format(name=name, inputs=inputs, resources=resources, lane=lane, environment=environment)
        for line in resources.splitlines():  # the last word on a key holds: TOML has each once
            key = line.split("=")[0].strip()
            manifest = re.sub(rf"(?m)^{key} = .*\n(?=[\s\S]*^{key} = )", "", manifest)
        (folder / "coffer.toml").write_text(manifest)
        (folder / "main.py").write_text(PROGRAM.format(sleep=sleep))
        return folder

    def give(self, dataset="clinic/people", to="ada", bits="10k", runs=20, auto=64, more=""):
        """A grant that is signed; its id."""
        line = f"grant give {dataset} --to {to} --purpose p --lane bounded --bits {bits} --runs {runs} --until {UNTIL} --auto-bits {auto} --yes {more}"
        return self.stew.ask(line)["id"]


def typed(person, line):
    """(exit status, what it said) of a command that may be refused."""
    done = subprocess.run([COFFER, *shlex.split(line)], env=person.env(), stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=120, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


class Case(unittest.TestCase):
    """A test among the people of the module's world."""

    world = None

    def setUp(self):
        self.people, self.stew, self.ada, self.ben = self.world.people, self.world.stew, self.world.people["ada"], self.world.people["ben"]

    def refuse(self, person, line, code, *words, status=1):
        """The command is refused in one line with this code and these words."""
        exit_status, said = typed(person, line)
        problems = []
        if exit_status != status:
            problems.append(f"exit status {exit_status}, wanted {status}")
        last = said.strip().splitlines()[-1] if said.strip() else ""
        codes = code if isinstance(code, tuple) else (code,)
        if not any(f"[{c}]" in last for c in codes):
            problems.append(f"wanted the code {' or '.join(codes)} in the last line")
        problems += [f"wanted the word {w!r}" for w in words if str(w) not in said]
        if problems:
            self.fail(f"{person.name}$ coffer {line}\nit said:\n{said}\n" + "\n".join(problems))
        return last

    def accept(self, person, line, expect=None):
        return person.type(line, expect=expect, show=False)

    def send(self, person, method, target, body=b"", headers=None):
        """A request past every check of the client; `person` None: without a token."""
        return send(self.world.server.port, method, target, person.token() if person else None, body, headers)

    def upload(self, person, content):
        """Bytes that lie at the server, unused; their id."""
        where = self.send(person, "POST", "/v1/uploads", headers={"Upload-Length": str(len(content))}).headers["Location"]
        piece = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        self.assertEqual(self.send(person, "PATCH", where, content, piece).status, 204)
        return where.rsplit("/", 1)[1]

    def submit(self, person, line):
        """The run is accepted; it is cancelled at once, since nothing waits for it."""
        typed(person, f"runs cancel {person.ask(line)['id']}")

    def wait(self, run, person=None):
        return (person or self.ada).ask(f"runs wait {run}", status=None)


def begin(name):
    """The world of a test module, for its setUpModule(); it ends with the module."""
    folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix=f"coffer-{name}-")
    unittest.addModuleCleanup(folder.cleanup)
    os.chmod(folder.name, 0o755)
    Case.world = World(folder.name)
    unittest.addModuleCleanup(Case.world.server.stop)
    Case.world.play()
    return Case.world
