"""What the Python peers share: load once, train for every rung of a ladder, weights to OUT.0, OUT.1, ..., one line of
JSON with the seconds. Usage of each: PEER.py FILE LOSS L2 ROWS WIDTH RUNG[,RUNG...] OUT."""

import json
import sys
import time


def climb(load, train):
    """load(path, width) -> data; train(data, rows, loss, l2, rung) -> weights, feature 1 first."""
    path, loss, l2, rows, width, rungs, out = sys.argv[1:]
    begin = time.perf_counter()
    data = load(path, int(width))
    result = {"load": time.perf_counter() - begin, "rungs": []}
    for k, rung in enumerate(rungs.split(",")):
        begin = time.perf_counter()
        weights = train(data, int(rows), loss, float(l2), rung)
        result["rungs"].append({"train": time.perf_counter() - begin})
        weights.astype("float64").ravel().tofile(f"{out}.{k}")
    print(json.dumps(result))
