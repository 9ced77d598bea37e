"""Sleeps past its time, with children that ignore every signal."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
import signal, time

for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(s, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
while True:
    time.sleep(1)
