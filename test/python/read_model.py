"""Opens a model with the safetensors package and predicts with numpy; see docs/model-file.md.

Usage: read_model.py MODEL ROWS; ROWS holds "id:value id:value ..." a line. Prints a prediction a line.
"""
import sys

import numpy as np
from safetensors import safe_open

with safe_open(sys.argv[1], framework="numpy") as model:
    weights = model.get_tensor("weights")
    base = int(model.metadata()["indexBase"])

for line in open(sys.argv[2]):
    entries = [entry.split(":") for entry in line.split()]
    prediction = np.float64(0)
    for id, value in entries:
        prediction += np.float64(weights[int(id) - base]) * np.float64(np.float32(value))
    print(repr(float(prediction)))
