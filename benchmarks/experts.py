"""Several distributions as one: the product of powers of them, normalised."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp


def log_product(logs: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """The logs of a product of experts.

    Args:
        logs: Float32 (experts, n, pieces), the logs of the distributions of each.
        powers: Float (experts,).

    Returns:
        Float32 (n, pieces).

    Example:
        >>> logs = np.log([[[0.5, 0.25, 0.25]], [[0.25, 0.5, 0.25]]]).astype("float32")
        >>> np.exp(log_product(logs, np.array([1.0, 1.0]))).round(3)
        array([[0.4, 0.4, 0.2]], dtype=float32)

    Reference:
        Hinton 2002, "Training products of experts by minimizing contrastive
        divergence"; of language models, Klakow 1998, "Log-linear interpolation of
        language models".
    """
    scores = np.tensordot(powers.astype("float32"), logs, 1)  # (n, pieces)
    return scores - logsumexp(scores, axis=-1, keepdims=True)


def fitted_powers(logs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The powers by which a product tells pieces best: float (experts,).

    Args:
        logs: As of `log_product`.
        targets: Int (n,), the pieces.
    """
    experts, n, _ = logs.shape
    told = logs[:, np.arange(n), targets].mean(axis=1)  # (experts,)

    def loss_and_gradient(powers):
        found = log_product(logs, powers)
        loss = -found[np.arange(n), targets].mean()
        expected = np.tensordot(logs, np.exp(found)) / n  # (experts,)
        return float(loss), (expected - told).astype("float64")

    # It is convex: any start leads to the best powers.
    start = np.full(experts, 1 / experts)
    return minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B").x
