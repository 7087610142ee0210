"""scikit-learn's SGDClassifier; a rung is a number of epochs. Its alpha is our l2."""

from ladder import climb
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import SGDClassifier

losses = {"hinge": "hinge", "log": "log_loss"}


def train(data, rows, loss, l2, epochs):
    x, y = data
    model = SGDClassifier(
        loss=losses[loss], alpha=l2, fit_intercept=False, max_iter=int(epochs), tol=None, random_state=1
    )
    return model.fit(x, y).coef_


def load(path, width):
    x, y = load_svmlight_file(path, n_features=width)
    # The reader gives 64-bit indices, which the learner refuses.
    x.indices, x.indptr = x.indices.astype("int32"), x.indptr.astype("int32")
    return x, y


climb(load, train)
