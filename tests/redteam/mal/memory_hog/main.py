"""Takes memory until it is stopped."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
held = []
while True:
    held.append(bytearray(16 << 20))
