"""The story of the README, step by step, on real data. `make demo` shows it, `make test` checks it.

Each step raises Failed when something else happens than the story says.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import mal
from harness import ROOT, UNTIL, Failed, Person, Server, add_people, fresh, tumours_csv

LOGISTIC = ROOT / "examples/logistic"


class Story:
    def __init__(self, directory, output, port=None):
        self.directory = fresh(directory)
        self.output = output
        self.server = Server(self.directory, output, port)
        self.people = {}

    def begin(self):
        out = self.output
        out.title("A server on a fresh directory")
        out.say(f"coffer server --data {self.server.data} --listen 127.0.0.1:{self.server.port}")
        out.write(self.server.start() + "\n")
        roles = {"stew": "owner", "ada": "researcher", "rex": "reviewer", "mal": "researcher", "eve": "auditor"}
        self.people = add_people(self.server, roles)
        operator = self.people["operator"]
        out.say("The operator added " + ", ".join(f"{n} ({r})" for n, r in roles.items()))
        operator.type("env add python-sklearn --preset sklearn", expect="sha256:")
        self.environment = operator.ask("env show python-sklearn")["digest"]

    def step1(self):
        """stew adds a table. Ungraded it cannot be granted."""
        self.output.title("1. stew, the owner, adds the Wisconsin breast-cancer table")
        stew = self.people["stew"]
        self.table = self.directory / "tumours.csv"
        tumours_csv(self.server, self.environment, self.table)
        stew.type(f"data add clinic/tumours {self.table}", expect=r"clinic/tumours@v1")
        stew.type(
            f"grant give clinic/tumours --to ada --purpose research --lane bounded --bits 64k --runs 20 --until {UNTIL} --yes",
            status=1,
            expect="grade",
        )
        columns = self.directory / "columns.csv"
        stew.type(f"data scan clinic/tumours -o {columns}", expect="diagnosis")
        stew.type(f"data grade clinic/tumours --class general --grade 3 --columns {columns}", expect="general")
        stew.type("data limit clinic/tumours --bits 1M", expect="1,000,000")

    def step2(self):
        """ada tries on the twin and asks."""
        self.output.title("2. ada, the researcher, tries her program on the twin and asks for a grant")
        ada = self.people["ada"]
        ada.type("data show clinic/tumours", expect="diagnosis")
        ada.type("env fetch python-sklearn", expect="sha256:")
        ada.type(f"try {LOGISTIC}", expect="accuracy")
        ada.type(f"quote {LOGISTIC}", expect="bits")
        ada.type(f"grant ask clinic/tumours --purpose 'Does a linear model tell malignant from benign?' --program {LOGISTIC}", expect="req_")

    def step3(self):
        """stew reads one sentence and signs, for ada and for mal."""
        self.output.title("3. stew reads one sentence and signs")
        stew = self.people["stew"]
        stew.type("inbox", expect="req_")
        request = stew.ask("inbox")["items"][0]["subject"]
        purpose = "'Does a linear model tell malignant from benign?'"
        stew.type(
            f"grant give clinic/tumours --request {request} --purpose {purpose} --lane bounded --bits 64k --runs 20"
            f" --until {UNTIL} --program any --auto-bits 256 --approvers rex --need 1 --yes",
            expect="ada may run any program on clinic/tumours.*64,000 bits.*diagnosis",
        )
        stew.type(
            f"grant give clinic/tumours --to mal --purpose 'Wants to learn' --lane bounded --bits 8k --runs 40 --until {UNTIL}"
            " --auto-bits 128 --yes",
            expect="mal may run any program",
        )
        self.grants = {g["grantees"][0]: g["id"] for g in stew.ask("grant ls")["items"]}
        self.copy = self.directory / "copy-of-the-database"
        self.server.stop()
        shutil.copytree(self.server.data / "front", self.copy, symlinks=True)
        self.output.say("(The operator keeps a copy of the database as it is now.)")
        self.server.start()

    def step4(self):
        """ada runs on the real rows."""
        self.output.title("4. ada runs the same directory on the real rows")
        ada = self.people["ada"]
        ada.type(f"run {LOGISTIC} --grant {self.grants['ada']} --wait", expect="held")
        run = ada.ask("runs show @last")
        self.run = run["id"]
        verdicts = {o["name"]: o["verdict"] for o in run["outputs"]}
        if verdicts != {"metrics": "released", "weights": "held"}:
            raise Failed(f"wanted metrics released and weights held, saw {verdicts}")
        ada.type(f"fetch {self.run}/metrics -o {self.directory / 'metrics'}", expect="metrics.json")
        metrics = next((self.directory / "metrics").rglob("metrics.json")).read_text()
        self.output.write(metrics)
        if json.loads(metrics)["rows"] != 569 or json.loads(metrics)["accuracy"] < 0.95:
            raise Failed(f"these are no metrics of the real rows: {metrics}")

    def step5(self):
        """rex reads the evidence and approves; ada uses the weights."""
        self.output.title("5. rex, the reviewer, reads the evidence and approves; ada uses the weights")
        rex, ada = self.people["rex"], self.people["ada"]
        rex.type("inbox", expect="held")
        rex.type(f"review show {self.run}/weights", expect="(?i)at most 496 bits.*diagnosis")
        rex.type(f"review approve {self.run}/weights --reason ok", expect="released")
        ada.type(f"fetch {self.run}/weights -o {self.directory / 'weights'}", expect="weights.safetensors")
        ada.type(f"data twin clinic/tumours -o {self.directory / 'twin'} --rows 200", expect="twin of clinic/tumours@v1")
        weights = next((self.directory / "weights").rglob("weights.safetensors"))
        twin = next((self.directory / "twin").rglob("tumours.csv"))
        packages = next((self.server.data / "env" / self.environment.removeprefix("sha256:") / "root").glob("**/numpy/__init__.py")).parents[1]
        self.output.write(f"ada$ python3 examples/logistic/predict.py {weights} {twin}\n")
        done = subprocess.run(
            [sys.executable, "-S", str(LOGISTIC / "predict.py"), str(weights), str(twin)],
            env={"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}, text=True, capture_output=True,
        )
        self.output.write(done.stdout)
        if done.returncode != 0 or "rows:" not in done.stdout:
            raise Failed(f"the weights do not predict: {done.stdout}{done.stderr}")

    def step6(self):
        """mal tries everything."""
        self.output.title("6. mal, granted and hostile, sends one program after another")
        mal_person = self.people["mal"]
        rows = mal.play(mal_person, self.grants["mal"], self.table, self.directory / "mal", self.output)
        grant = mal_person.ask(f"grant show {self.grants['mal']}")
        spent = sum(run["charged"]["bits"] for _, run, _, _ in rows)
        self.output.say(f"mal has spent {grant['spent']['bits']} of {grant['budget']['bits']} bits and {grant['spent']['runs']} of {grant['budget']['runs']} runs")
        if grant["spent"]["bits"] != spent or grant["reserved"]["bits"] != 0:
            raise Failed(f"spent {grant['spent']} is not the sum over the runs, {spent}")

    def step7(self):
        """The ledger, offline; a flipped byte; an old database."""
        self.output.title("7. Anyone verifies the ledger; an old database does not start")
        eve, operator = self.people["eve"], self.people["operator"]
        exported = self.directory / "ledger"
        said = eve.type(f"ledger export -o {exported}", expect="entries in")
        vkey = re.search(r"--key (\S+)", said)[1]
        eve.type(f"ledger verify {exported} --key {vkey}", expect="(?i)verif|entries")
        copy = self.directory / "ledger-with-a-flipped-byte"
        shutil.copytree(exported, copy)
        bundle = sorted((copy / "tile/entries").rglob("*"))[-1]
        if bundle.is_dir():
            bundle = sorted(p for p in (copy / "tile/entries").rglob("*") if p.is_file())[-1]
        raw = bytearray(bundle.read_bytes())
        raw[len(raw) // 2] ^= 1
        bundle.write_bytes(raw)
        eve.type(f"ledger verify {copy} --key {vkey}", status=1, expect="entry")
        before = self.people["ada"].ask(f"grant show {self.grants['ada']}")["spent"]
        self.server.stop()
        self.output.say("The database is replaced by the copy made after step 3.")
        front = self.server.data / "front"
        keep = front.stat()
        shutil.rmtree(front)
        shutil.copytree(self.copy, front, symlinks=True)
        for path in [front, *front.rglob("*")]:
            try:
                shutil.chown(path, keep.st_uid, keep.st_gid)
            except PermissionError:
                pass
        front.chmod(keep.st_mode & 0o7777)
        self.output.write(self.server.start(expect_ready=False) + "\n")
        if self.server.process.poll() is None:
            raise Failed("the server started on an old database")
        operator.type(f"recover show --data {self.server.data}", expect="missing|lost")
        operator.type(f"recover accept --reason 'disk failed, copy of yesterday' --data {self.server.data}", expect="Accepted: the gap is entry 109")
        self.output.write(self.server.start() + "\n")
        after = self.people["ada"].ask(f"grant show {self.grants['ada']}")["spent"]
        if before != after:
            raise Failed(f"spent was {before} and is {after} after the recovery")
        self.people["ada"].type(f"grant show {self.grants['ada']}", expect="SPENT")

    def play(self):
        self.begin()
        for step in (self.step1, self.step2, self.step3, self.step4, self.step5, self.step6, self.step7):
            step()


def person(name, server):
    return Person(name, server)
