"""A world that is made in seconds and weighs little: an environment of one static program, one dataset, one grant.

For tests that copy, keep or restore whole data directories.
"""
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import tempfile

from harness import ROOT, UNTIL, Output, Server, add_people

SOURCE = ROOT / "tests/e2e/programs/tally/tally.c"
ROLES = {"stew": "owner", "ada": "researcher", "rex": "reviewer"}

MANIFEST = """[program]
name = "{name}"
entry = ["/bin/tally"]
environment = "tiny"

[inputs]
people = "{dataset}"

[params]
note = "{note}"

[resources]
cpus = 1
memory = "64MiB"
time = "20s"
output = "1MiB"

[[outputs]]
name = "count"
kind = "metrics"
lane = "bounded"
[outputs.fields]
n = {{ min = 0, max = 255, digits = 0 }}
"""


def build_tally(target):
    subprocess.run(["cc", "-Os", "-static", "-s", "-o", str(target), str(SOURCE)], check=True)
    return target


def add_member(archive, name, content, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))


def oci_archive(target, files):
    """An OCI image archive of one layer with {path: content}, all executable."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, content in files.items():
            add_member(tar, path, content, 0o755)
    blobs = {}

    def put(content, media_type):
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}

    layer_at = put(layer.getvalue(), "application/vnd.oci.image.layer.v1.tar")
    config = {"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]}, "rootfs": {"type": "layers", "diff_ids": [layer_at["digest"]]}}
    config_at = put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config_at, "layers": [layer_at]}
    manifest_at = put(json.dumps(manifest).encode(), manifest["mediaType"])
    with tarfile.open(target, "w") as tar:
        add_member(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add_member(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest_at]}).encode())
        for digest, content in blobs.items():
            add_member(tar, "blobs/sha256/" + digest, content)
    return target


class TinyWorld:
    def __init__(self, folder, output=None, port=None):
        self.directory = pathlib.Path(folder)
        self.server = Server(self.directory / "server", output or Output(False), port)
        self.programs = 0

    @classmethod
    def of(cls, add_cleanup, name):
        """One that is played, and gone with the test or module whose `add_cleanup` this is."""
        folder = tempfile.TemporaryDirectory(dir="/var/tmp", prefix=f"coffer-{name}-")
        add_cleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        world = cls(folder.name, Output("COFFER_SHOW" in os.environ))
        add_cleanup(world.server.stop)
        return world.play()

    def play(self):
        self.server.start()
        self.people = add_people(self.server, ROLES)
        self.stew, self.ada, self.operator = self.people["stew"], self.people["ada"], self.people["operator"]
        self.add_environment()
        self.dataset("clinic/people", "age\n" + "41\n" * 60)
        return self

    def add_environment(self):
        tally = build_tally(self.directory / "tally")
        archive = oci_archive(self.directory / "tiny.tar", {"bin/tally": tally.read_bytes()})
        self.operator.type(f"env add tiny --oci {archive}", expect="sha256:")

    def dataset(self, name, text, file_name="people.csv", bits="1M"):
        folder = self.directory / name.replace("/", "-")
        folder.mkdir(exist_ok=True)
        (folder / file_name).write_text(text)
        self.stew.type(f"data add {name} {folder / file_name}", expect="@v1")
        if bits:
            self.stew.type(f"data grade {name} --class general --grade 2 --accept-proposed")
            self.stew.type(f"data limit {name} --bits {bits}")
        return name

    def program(self, dataset="clinic/people", name="tally", note="n"):
        self.programs += 1
        folder = self.directory / f"program{self.programs}"
        folder.mkdir()
        (folder / "coffer.toml").write_text(MANIFEST.format(name=name, dataset=dataset, note=note))
        return folder

    def give(self, dataset="clinic/people", to="ada", bits="10k", runs=20, auto=64, until=UNTIL, more=""):
        line = f"grant give {dataset} --to {to} --purpose p --lane bounded --bits {bits} --runs {runs} --until {until} --auto-bits {auto} --yes {more}"
        return self.stew.ask(line)["id"]

    def run(self, grant, program=None, more=""):
        return self.ada.ask(f"run {program or self.program()} --grant {grant} --wait {more}")
