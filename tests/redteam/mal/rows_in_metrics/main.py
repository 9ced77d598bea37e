"""Hides four cells of one row in numbers that are declared to be metrics."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))

with open(os.path.join(OUT, "metrics.json"), "w") as file:
    json.dump({"a": float(ROWS[0]["mean_radius"]), "b": float(ROWS[0]["mean_texture"]), "c": float(ROWS[0]["mean_perimeter"]), "d": float(ROWS[0]["mean_area"]), "e": float(ROWS[0]["worst_area"])}, file)
