"""Says by an exception, its text and its line what the first row is."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))

if ROWS[0]["diagnosis"] == "M":
    raise KeyError(",".join(ROWS[0].values()))
raise ValueError(",".join(ROWS[0].values()))
