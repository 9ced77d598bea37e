"""Counts the rows whose mean radius lies above a cut."""
import csv
import json
import os

with open("/params.json") as file:
    cut = float(json.load(file)["cut"])
with open("/data/tumours/tumours.csv", newline="") as file:
    above = sum(float(row["mean_radius"]) > cut for row in csv.DictReader(file))
with open(os.path.join(os.environ["COFFER_OUT"], "counts.json"), "w") as file:
    json.dump({"above": above}, file)
