"""Trains a logistic regression and leaves metrics.json and weights.safetensors in /out.

The weights apply to the columns as they stand in the file: the scaling is folded into them.
"""
import csv
import json
import os
import struct

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def read_table(path):
    """-> X [rows, 30] float64, y [rows] 0 or 1 (malignant). Rows with blanks are left out."""
    with open(path, newline="") as file:
        rows = [r for r in csv.DictReader(file) if all(v != "" for v in r.values())]
    names = [n for n in rows[0] if n != "diagnosis"]
    X = np.array([[float(r[n]) for n in names] for r in rows])
    y = np.array([1 if r["diagnosis"] == "M" else 0 for r in rows])
    return X, y


def save_tensors(path, tensors):
    """The safetensors format: u64 length of a JSON header, the header, the data. float32 only."""
    header, blobs, at = {}, [], 0
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name], dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, at + len(data)]}
        blobs.append(data)
        at += len(data)
    head = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + b"".join(blobs))


data, out = os.environ["COFFER_DATA"], os.environ["COFFER_OUT"]
with open(os.environ["COFFER_PARAMS"]) as file:
    params = json.load(file)
X, y = read_table(os.path.join(data, "tumours", "tumours.csv"))
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
folds = StratifiedKFold(params["folds"], shuffle=True, random_state=int(os.environ["COFFER_SEED"]) % 2**31)
chance = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
metrics = {"accuracy": float(((chance > 0.5) == y).mean()), "auc": float(roc_auc_score(y, chance)), "rows": len(y)}
with open(os.path.join(out, "metrics.json"), "w") as file:
    json.dump(metrics, file)

scaler, regression = model.fit(X, y)[0], model[1]
coef = regression.coef_[0] / scaler.scale_
intercept = regression.intercept_ - (coef * scaler.mean_).sum()
save_tensors(os.path.join(out, "weights.safetensors"), {"coef": coef, "intercept": intercept})
