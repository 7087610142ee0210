"""Snap ML on two threads with its own reader; a rung is a number of epochs. Its regularizer is l2 * rows."""

from ladder import climb
from snapml import LogisticRegression, SupportVectorMachine
from snapml.Loaders import load_from_svmlight_format


def train(data, rows, loss, l2, epochs):
    kind = SupportVectorMachine if loss == "hinge" else LogisticRegression
    model = kind(
        max_iter=int(epochs), regularizer=l2 * rows, n_jobs=2, fit_intercept=False, tol=1e-9, random_state=1
    )
    return model.fit(data).coef_


climb(lambda path, width: load_from_svmlight_format(path, width), train)
