"""Loads released weights with NumPy alone and predicts a table: predict.py WEIGHTS TABLE."""
import csv
import json
import struct
import sys

import numpy as np

DTYPES = {"F16": "<f2", "F32": "<f4"}


def load_tensors(path):
    """-> {name: array} of a safetensors file."""
    with open(path, "rb") as file:
        raw = file.read()
    (length,) = struct.unpack("<Q", raw[:8])
    data = raw[8 + length :]
    return {
        name: np.frombuffer(data[t["data_offsets"][0] : t["data_offsets"][1]], DTYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in json.loads(raw[8 : 8 + length]).items()
    }


weights = load_tensors(sys.argv[1])
with open(sys.argv[2], newline="") as file:
    rows = [r for r in csv.DictReader(file) if all(v != "" for v in r.values())]
names = [n for n in rows[0] if n != "diagnosis"]
X = np.array([[float(r[n]) for n in names] for r in rows])
logit = X @ weights["coef"].astype("f8") + weights["intercept"].astype("f8")
said = np.where(logit > 0, "M", "B")
print(f"{len(rows)} rows: {np.sum(said == 'M')} malignant, {np.sum(said == 'B')} benign")
