"""Leaves the whole table beside its metrics."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))

with open(os.path.join(OUT, "table.csv"), "w", newline="") as file:
    writer = csv.DictWriter(file, ROWS[0].keys())
    writer.writerows(ROWS)

with open(os.path.join(OUT, "metrics.json"), "w") as file:
    json.dump({"n": len(ROWS) % 256}, file)
