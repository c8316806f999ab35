"""The best ten of all rows by faiss's exact index, on the vectors that our side has written.

Reads `rows.f32` and `columns.f32` ([size, width], unit vectors) and `top.i64`, our best ten of each row. Vectors are in
the index before the clock starts. Prints one JSON object.
"""

import argparse
import json
import pathlib
import time

import faiss
import numpy as np

K = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("width", type=int)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    faiss.omp_set_num_threads(options.threads)
    vectors = {
        name: np.fromfile(options.folder / f"{name}.f32", "<f4").reshape(-1, options.width)
        for name in ("rows", "columns")
    }
    index = faiss.IndexFlatIP(options.width)
    index.add(vectors["columns"])
    seconds = {}
    for k in (1, K):
        started = time.perf_counter()
        _, found = index.search(vectors["rows"], k)
        seconds[k] = time.perf_counter() - started
    own = np.arange(len(found))[:, None]
    ours = np.fromfile(options.folder / "top.i64", "<i8").reshape(-1, K)
    # near-ties may stand in another order: their products differ in the last bits
    same = np.mean([len(np.intersect1d(a, b)) for a, b in zip(ours, found)]) / K
    print(json.dumps({
        "seconds_top1": seconds[1],
        "seconds_top10": seconds[K],
        "recall": [float((found[:, :depth] == own).any(1).mean()) for depth in (1, 5, 10)],
        "same": float(same),
        "threads": faiss.omp_get_max_threads(),
        "versions": {"faiss-cpu": faiss.__version__},
    }))


if __name__ == "__main__":
    main()
