"""Leaves a FIFO where its metrics should be: who opens it waits for ever."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
os.mkfifo(os.path.join(OUT, "metrics.json"))
