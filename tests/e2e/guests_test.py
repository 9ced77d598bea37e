"""Real AI frameworks train in cells: scikit-learn, XGBoost and PyTorch on CPU, on public tables.

The training scripts are those of the folder `shared/guests` beside the checkout; each ends with an
error below its floor of accuracy. Without that folder the test says so and is skipped.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import ROOT, Server, add_people, fresh

GUESTS = ROOT.parent / "shared" / "guests"

MAIN = '''"""Runs a guest's script and hands its score to the gate."""
import json, runpy, sys
sys.path.insert(0, "/program")
sys.argv = ["{script}", "--data", "/data/tables/tables", "--out", "/tmp"{more}]
if __name__ == "__main__":
    runpy.run_path("/program/{script}", run_name="__main__")
    with open("/tmp/metrics.json") as file:
        score = json.load(file)["score"]
    with open("/out/metrics.json", "w") as file:
        json.dump({{"score": score}}, file)
'''

MANIFEST = """[program]
name = "{name}"
entry = ["python3", "main.py"]
environment = "{environment}"

[inputs]
tables = "guests/tables"

[resources]
cpus = 2
memory = "4GiB"
time = "300s"
output = "1MiB"

[[outputs]]
name = "metrics"
kind = "metrics"
lane = "bounded"
[outputs.fields]
score = {{ min = 0.0, max = 1.0, digits = 4 }}
"""


@unittest.skipUnless(GUESTS.is_dir(), f"no guest scripts at {GUESTS}")
class Guests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-guests-")
        cls.addClassCleanup(cls.folder.cleanup)
        os.chmod(cls.folder.name, 0o755)
        cls.server = Server(fresh(os.path.join(cls.folder.name, "s")))
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.people = add_people(cls.server, {"stew": "owner", "ada": "researcher"})
        cls.add_environment("sklearn")
        cls.add_tables()

    @classmethod
    def add_environment(cls, preset):
        cls.people["operator"].type(f"env add {preset} --preset {preset}", expect="sha256:", timeout=900)
        return cls.people["operator"].ask(f"env show {preset}")["digest"]

    @classmethod
    def add_tables(cls):
        digest = cls.people["operator"].ask("env show sklearn")["digest"].removeprefix("sha256:")
        packages = next((cls.server.data / "env" / digest / "root").glob("**/numpy/__init__.py")).parents[1]
        tables = pathlib.Path(cls.folder.name) / "tables"
        subprocess.run([sys.executable, "-S", str(GUESTS / "make_data.py"), str(tables)], check=True,
                       env={"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"})
        cls.people["stew"].type(f"data add guests/tables {tables} --public", expect="guests/tables@v1")

    def train(self, script, environment, more=""):
        """Runs it in a cell; returns its released score."""
        name = f"{script.removesuffix('.py').replace('_', '-')}{'-' + str(len(more)) if more else ''}"
        program = fresh(os.path.join(self.folder.name, name))
        for source in (script, "common.py"):
            shutil.copy(GUESTS / source, program)
        (program / "main.py").write_text(MAIN.format(script=script, more=more))
        (program / "coffer.toml").write_text(MANIFEST.format(name=name, environment=environment))
        ada = self.people["ada"]
        run = ada.ask(f"run {program} --wait", status=None)
        log = ada.type(f"runs log {run['id']}", show=False)
        self.assertEqual(run["state"], "done", f"{name} is {run['state']} {run['cause']}:\n{log}")
        self.assertEqual(run["charged"]["bits"], 0, "public data costs nothing")
        out = os.path.join(self.folder.name, name + "-out")
        ada.type(f"fetch {run['id']} -o {out}", expect="proved by the ledger")
        score = json.loads(next(pathlib.Path(out).rglob("metrics.json")).read_text())["score"]
        self.assertGreater(score, 0.9)
        return score

    def test_scikit_learn(self):
        self.train("sklearn_logreg.py", "sklearn")

    def test_scikit_learn_with_worker_processes(self):
        self.train("sklearn_loky.py", "sklearn")

    def test_xgboost(self):
        self.add_environment("xgboost")
        self.train("xgboost_tree.py", "xgboost")

    def test_pytorch(self):
        self.add_environment("torch-cpu")
        self.train("torch_mlp.py", "torch-cpu")
        self.train("torch_mlp.py", "torch-cpu", ', "--workers", "2"')


if __name__ == "__main__":
    unittest.main()
