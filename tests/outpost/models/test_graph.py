import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import PackInvalid
from outpost.models.graph import opset
from tests.fakes.model_pack import graph

MODEL = graph().SerializeToString()


@pytest.mark.parametrize("version", [13, 17])
def test_it_reads_the_operator_set(version):
    made = graph()
    made.opset_import[0].version = version
    extra = made.opset_import.add()
    extra.domain, extra.version = "com.microsoft", 1
    assert opset(made.SerializeToString()) == version


@pytest.mark.parametrize("content", [b"", b"\x08\x01", b"not a model", MODEL[:-1], MODEL[:100], b"\xff" * 20])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(PackInvalid, match="ONNX"):
        opset(content)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_give_a_number_or_the_typed_error(content, at):
    for changed in (content, MODEL[:at] + content + MODEL[at:]):
        try:
            assert isinstance(opset(changed), int)
        except PackInvalid:
            continue
