#!/usr/bin/env python3
"""tumours.py SOURCE TARGET: scikit-learn's breast_cancer.csv with a header, diagnosis as M or B.

SOURCE has a first line "569,30,malignant,benign" and rows of 30 numbers and the class, 0 for malignant.
"""
import csv
import sys

MEASURES = ["radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave_points", "symmetry", "fractal_dimension"]

with open(sys.argv[1], newline="") as source, open(sys.argv[2], "w", newline="") as target:
    rows = csv.reader(source)
    next(rows)
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([f"{kind}_{m}" for kind in ("mean", "error", "worst") for m in MEASURES] + ["diagnosis"])
    for row in rows:
        writer.writerow(row[:30] + ["MB"[int(row[30])]])
