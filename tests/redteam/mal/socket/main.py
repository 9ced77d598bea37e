"""Leaves a socket where its metrics should be."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
import socket

with socket.socket(socket.AF_UNIX) as s:
    s.bind(os.path.join(OUT, "metrics.json"))
