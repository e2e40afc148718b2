import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from outpost.errors import ModelUnavailable
from outpost.models.scores import sigmoid, softmax, unit

LOGITS = arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32))


@given(LOGITS, st.floats(0.05, 20))
def test_probabilities_add_up_to_one_and_keep_the_order(logits, temperature):
    made = softmax(logits, temperature)
    assert np.allclose(made.sum(axis=-1), 1, atol=1e-5)
    assert ((made >= 0) & (made <= 1)).all()
    for before, after in zip(logits, made, strict=True):
        assert after[before.argmax()] == after.max()


@given(LOGITS, st.floats(0.05, 20))
def test_each_has_a_probability_of_its_own(logits, temperature):
    made = sigmoid(logits, temperature)
    assert ((made >= 0) & (made <= 1)).all()
    assert np.array_equal(made > 0.5, logits > 0) or np.allclose(logits[(made > 0.5) != (logits > 0)], 0, atol=1e-5)


def test_a_higher_temperature_is_less_sure():
    logits = np.array([[2.0, 0.0]], np.float32)
    assert softmax(logits, 1)[0, 0] == pytest.approx(0.8808, abs=1e-4)
    assert softmax(logits, 2)[0, 0] == pytest.approx(0.7311, abs=1e-4)
    assert sigmoid(logits, 2)[0, 0] == pytest.approx(0.7311, abs=1e-4)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("function", [lambda v: softmax(v, 1), lambda v: sigmoid(v, 1), unit])
def test_what_is_no_number_is_no_answer(function, wrong):
    with pytest.raises(ModelUnavailable, match="no number"):
        function(np.array([0.0, wrong], np.float32))


def test_a_vector_gets_length_one():
    assert unit(np.array([3.0, 4.0], np.float32)).tolist() == pytest.approx([0.6, 0.8])
    assert unit(np.zeros(2, np.float32)).tolist() == [0, 0]
