"""Forks until nothing more can be forked."""
import csv, json, os, signal

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
made = 0
try:
    while made < 100_000:
        if os.fork() == 0:
            signal.pause()
        made += 1
except OSError:
    pass

with open(os.path.join(OUT, "metrics.json"), "w") as file:
    json.dump({"n": 255 if made > 254 else made}, file)
