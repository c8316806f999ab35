"""Makes golden.json: figures that scikit-learn and numpy compute, and what they compute them of.

Run as `python golden.py` in this folder; made with scikit-learn 1.9.1 and numpy 2.4.6. Scores are multiples of 1/64, so
that 32 bits hold them exactly and ties are common, but where a figure resolves ties in its own way.
"""

import json

import numpy as np
from sklearn import metrics, neighbors

rng = np.random.default_rng(11)


def with_ties(shape):
    return rng.integers(-128, 128, shape) / 64


def multilabel():
    targets = rng.random((80, 5)) < [0.5, 0.2, 0.05, 0.9, 0.0]
    scores = with_ties(targets.shape) + targets
    seen = range(4)
    precision = [metrics.average_precision_score(targets[:, c], scores[:, c]) for c in seen]
    auc = [metrics.roc_auc_score(targets[:, c], scores[:, c]) for c in seen]
    return {
        "scores": scores.tolist(),
        "targets": targets.tolist(),
        "average_precision": precision + [None],
        "roc_auc": auc + [None],
        "mean_average_precision": metrics.average_precision_score(targets[:, :4], scores[:, :4], average="macro"),
        "mean_roc_auc": float(np.mean(auc)),
    }


def exclusive():
    classes = 7
    labels = rng.integers(0, classes - 1, 90)
    scores = np.argsort(rng.random((90, classes)), axis=1) / 4.0
    scores[np.arange(90), labels] += 1 / 8 + rng.integers(0, 4, 90) / 4
    named = range(classes)
    matrix = metrics.confusion_matrix(labels, scores.argmax(1), labels=named)
    return {
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "top1": metrics.top_k_accuracy_score(labels, scores, k=1, labels=named),
        "top5": metrics.top_k_accuracy_score(labels, scores, k=5, labels=named),
        "mean_class_accuracy": metrics.balanced_accuracy_score(labels, scores.argmax(1)),
        "support": matrix.sum(1).tolist(),
        "right": matrix.diagonal().tolist(),
    }


def clusters():
    pairs = []
    for classes, kinds in [(4, 6), (2, 2), (10, 3), (1, 5)]:
        labels, found = rng.integers(0, classes, 60), rng.integers(0, kinds, 60)
        found = np.where(rng.random(60) < 0.6, labels, found)
        figure = metrics.normalized_mutual_info_score(labels, found, average_method="arithmetic")
        pairs.append({"labels": labels.tolist(), "clusters": found.tolist(), "information": figure})
    return pairs


def votes():
    gallery, queries, labels = rng.normal(size=(50, 6)), rng.normal(size=(20, 6)), rng.integers(0, 4, 50)
    gallery, queries = gallery.astype("f4"), queries.astype("f4")
    k, temperature = 9, 0.07
    model = neighbors.KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda distances: np.exp((1 - distances) / temperature)
    )
    model.fit(gallery.astype("f8"), labels)
    return {
        "gallery": gallery.tolist(), "queries": queries.tolist(), "labels": labels.tolist(), "classes": 4,
        "k": k, "temperature": temperature, "votes": model.predict_proba(queries.astype("f8")).tolist(),
    }


def expected_error(confidence, true, bins):
    """Guo et al. 2017: bins open below, but for the first."""
    number = np.clip(np.ceil(confidence * bins).astype(int), 1, bins) - 1
    error = 0.0
    for b in range(bins):
        if (number == b).any():
            error += (number == b).mean() * abs(true[number == b].mean() - confidence[number == b].mean())
    return float(error)


def calibration():
    logits = rng.normal(size=(120, 5)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    probabilities = probabilities.astype("f4").astype("f8")
    labels = np.array([rng.choice(5, p=p / p.sum()) for p in probabilities])
    each = (rng.random((70, 3)).astype("f4")).astype("f8")
    targets = rng.random(each.shape) < each**2
    # scikit-learn wants rows whose sum is 1 to 64 bits; the sum of squares is its definition
    squares = ((probabilities - np.eye(5)[labels]) ** 2).sum(1).mean()
    normal = probabilities / probabilities.sum(1, keepdims=True)
    assert abs(squares - metrics.brier_score_loss(labels, normal, labels=range(5))) < 1e-6
    right = probabilities.argmax(1) == labels
    return {
        "exclusive": {
            "probabilities": probabilities.tolist(), "labels": labels.tolist(), "bins": 15,
            "expected_error": expected_error(probabilities.max(1), right, 15), "brier": float(squares),
        },
        "of_each_class": {
            "probabilities": each.tolist(), "targets": targets.tolist(), "bins": 10,
            "expected_error": expected_error(each.ravel(), targets.ravel(), 10),
            "brier": metrics.brier_score_loss(targets.ravel(), each.ravel()),
        },
    }


CASES = {
    "multilabel": multilabel(), "exclusive": exclusive(), "clusters": clusters(), "votes": votes(),
    "calibration": calibration(),
}
with open("golden.json", "w") as file:
    json.dump(CASES, file)
    file.write("\n")
