"""Logits to calibrated probabilities. Pure; arrays are float32, and what is no number is never a probability."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from outpost.errors import ModelUnavailable

Floats: TypeAlias = NDArray[np.float32]


def softmax(logits: Floats, temperature: float) -> Floats:
    """Probabilities over the last axis.

    Raises:
        ModelUnavailable: A logit is no finite number.
    """
    scaled = _finite(logits) / np.float32(temperature)
    scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True), np.float32)


def sigmoid(logits: Floats, temperature: float) -> Floats:
    """A probability for each logit.

    Raises:
        ModelUnavailable: A logit is no finite number.
    """
    # By tanh, which does not overflow.
    return np.asarray(0.5 * (1 + np.tanh(_finite(logits) / np.float32(2 * temperature))), np.float32)


def unit(vector: Floats) -> Floats:
    """``vector`` of length one; zeros stay zeros.

    Raises:
        ModelUnavailable: It holds no finite number.
    """
    length = float(np.linalg.norm(_finite(vector)))
    return np.asarray(vector / length if length else vector, np.float32)


def _finite(values: Floats) -> Floats:
    if not np.isfinite(values).all():
        raise ModelUnavailable("the model answers with what is no number")
    return values
