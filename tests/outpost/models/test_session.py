import numpy as np
import pytest

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack
from outpost.models.session import HALF_PRECISION_FILE, Session, choose
from outpost.protocol.model_provider import Provider
from tests.fakes.model_pack import BOOM, VOCABULARY, graph, heads, write_card, write_pack


def feeds(*words):
    ids = np.array([[VOCABULARY[word] for word in words]])
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "shape_ids": np.zeros_like(ids)}


def test_it_runs_the_graph_of_the_pack(tiny):
    session = Session(open_pack(tiny), SessionOptions())
    assert session.provider is Provider.CPU
    outputs = session.run(feeds("ana", "note"))
    assert outputs["entities"].shape == (1, 2, 5)
    assert outputs["entities"].dtype == np.float32


def test_memory_that_is_not_there_is_no_answer_and_the_next_is(tiny):
    session = Session(open_pack(tiny), SessionOptions())
    with pytest.raises(ModelUnavailable):
        session.run(feeds(BOOM))
    assert session.run(feeds("ana"))


def test_an_id_beyond_the_vocabulary_is_no_answer(tiny):
    session = Session(open_pack(tiny), SessionOptions())
    wrong = feeds("ana")
    wrong["input_ids"][:] = 10_000
    with pytest.raises(ModelUnavailable):
        session.run(wrong)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x01"])
def test_what_is_no_graph_is_refused(tmp_path, content):
    folder = write_pack(tmp_path)
    (folder / "model.onnx").write_bytes(content)
    write_card(folder)
    with pytest.raises(PackInvalid, match="not an ONNX model"):
        Session(open_pack(folder), SessionOptions())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"inputs": ["input_ids", "attention_mask"]}, "does not name the graph's input shape_ids"),
        ({"inputs": ["input_ids", "attention_mask", "shape_ids", "token_type_ids"]}, "no input token_type_ids"),
        ({"heads": [heads()[0] | {"output": "other"}]}, "no output other"),
    ],
)
def test_a_graph_that_is_not_what_its_card_says_is_refused(tmp_path, fields, reason):
    with pytest.raises(PackInvalid, match=reason):
        Session(open_pack(write_pack(tmp_path, **fields)), SessionOptions())


def test_hardware_that_is_asked_for_by_name_is_never_replaced(tiny):
    with pytest.raises(ModelUnavailable, match="no tensorrt"):
        Session(open_pack(tiny), SessionOptions(Provider.TENSORRT))
    cpu_only = ["CPUExecutionProvider"]
    assert choose(Provider.AUTO, cpu_only) is Provider.CPU
    assert choose(Provider.AUTO, ["TensorrtExecutionProvider", "CUDAExecutionProvider", *cpu_only]) is Provider.CUDA
    assert choose(Provider.OPENVINO, ["OpenVINOExecutionProvider", *cpu_only]) is Provider.OPENVINO


def test_on_the_cpu_the_graph_for_gpus_is_not_read(tmp_path):
    folder = write_pack(tmp_path)
    (folder / HALF_PRECISION_FILE).write_bytes(b"no graph")
    assert Session(open_pack(write_card(folder)), SessionOptions()).provider is Provider.CPU


def test_a_graph_whose_weights_are_elsewhere_is_refused(tmp_path):
    folder = write_pack(tmp_path)
    model = graph()
    table = model.graph.initializer[0]
    table.data_location = 1  # EXTERNAL
    table.ClearField("raw_data")
    table.external_data.add(key="location", value="../secret.bin")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(PackInvalid):
        Session(open_pack(write_card(folder)), SessionOptions())
