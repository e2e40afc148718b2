"""Where a model pack can run."""

from enum import StrEnum


class Provider(StrEnum):
    """An execution provider of onnxruntime, or the best that is there."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    OPENVINO = "openvino"
