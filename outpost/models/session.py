"""One ONNX graph, loaded and run; the only importer of ``onnxruntime``.

The graph must have exactly the inputs its card names and all its outputs, or the pack is refused. Which hardware: as
asked, or the best that is there. A run is thread-safe; its failures are ``ModelUnavailable``.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.graph import opset
from outpost.models.options import SessionOptions
from outpost.models.pack import Pack
from outpost.models.scores import Floats
from outpost.protocol.model_card import MODEL_FILE
from outpost.protocol.model_provider import Provider

HALF_PRECISION_FILE: Final = "model-fp16.onnx"
"""Read instead of ``model.onnx`` on a GPU, where a pack has it: int8 as CPUs like it runs slower there."""

_ERRORS: Final[tuple[type[Exception], ...]] = tuple(
    error for error in vars(ort_errors).values() if isinstance(error, type) and issubclass(error, Exception)
)
_SILENT: Final = 4  # severity "fatal": its other lines quote shapes and names, and go to standard error


_NAMES: Final = {
    Provider.CPU: "CPUExecutionProvider",
    Provider.CUDA: "CUDAExecutionProvider",
    Provider.TENSORRT: "TensorrtExecutionProvider",
    Provider.OPENVINO: "OpenVINOExecutionProvider",
}
# TensorRT builds an engine per shape for minutes, so it is used only where somebody asks for it.
_AUTOMATIC: Final = (Provider.CUDA, Provider.CPU)


class Session:
    """A loaded graph. ``provider`` says where it runs."""

    def __init__(self, pack: Pack, options: SessionOptions) -> None:
        """Load the graph of ``pack``.

        Raises:
            PackInvalid: A file is not what the card says, or the graph is not.
            ModelUnavailable: The hardware that was asked for is not there, or memory is short.
        """
        self.provider = available(options.provider)
        on_gpu = self.provider in (Provider.CUDA, Provider.TENSORRT)
        name = HALF_PRECISION_FILE if on_gpu and HALF_PRECISION_FILE in pack.card.files else MODEL_FILE
        content = pack.read(name)
        if name == MODEL_FILE and opset(content) != pack.card.opset:
            raise PackInvalid(f"the graph is of opset {opset(content)}, and its card says {pack.card.opset}")
        try:
            self._session = ort.InferenceSession(
                content, _settings(options), providers=_providers(self.provider, options)
            )
        except _ERRORS as err:
            raise PackInvalid(f"{pack.folder / name}: not a graph this runtime can run") from err
        except MemoryError as err:
            raise ModelUnavailable(f"{pack.folder / name}: not enough memory to load it") from err
        if _NAMES[self.provider] not in self._session.get_providers():
            raise ModelUnavailable(f"{self.provider} is installed, but does not work here")
        self._outputs = [head.output for head in pack.card.heads]
        _require("input", {item.name for item in self._session.get_inputs()}, {i.value for i in pack.card.inputs})
        _require("output", {item.name for item in self._session.get_outputs()}, set(self._outputs), exact=False)

    def run(self, feeds: Mapping[str, NDArray[np.int64]], stopper: "Stopper | None" = None) -> dict[str, Floats]:
        """The outputs by name for one batch; ``stopper`` ends it early.

        Raises:
            ModelUnavailable: The graph fails, memory is short, or it was stopped.
        """
        try:
            arrays = self._session.run(self._outputs, dict(feeds), stopper and stopper.options)
        except _ERRORS as err:
            raise ModelUnavailable("the model failed") from err
        except MemoryError as err:
            raise ModelUnavailable("the model ran out of memory") from err
        return {name: np.asarray(array, np.float32) for name, array in zip(self._outputs, arrays, strict=True)}


def described(content: bytes) -> tuple[list[str], dict[str, int]]:
    """Names of a graph's inputs, and its outputs with their number of axes.

    Raises:
        PackInvalid: It is no graph that this runtime can run.
    """
    try:
        session = ort.InferenceSession(
            content, _settings(SessionOptions(Provider.CPU)), providers=[_NAMES[Provider.CPU]]
        )
    except _ERRORS as err:
        raise PackInvalid(
            "the graph is none that this runtime can run; weights in a file of their own are not read"
        ) from err
    return [item.name for item in session.get_inputs()], {o.name: len(o.shape) for o in session.get_outputs()}


class Stopper:
    """Ends a run from another thread: the graph stops before its next node."""

    def __init__(self) -> None:
        self.options = ort.RunOptions()
        self.options.log_severity_level = _SILENT

    def stop(self) -> None:
        """Let the run fail."""
        self.options.terminate = True


def available(wanted: Provider) -> Provider:
    """Where to run, of what this build of the runtime has.

    Raises:
        ModelUnavailable: As ``choose``.
    """
    return choose(wanted, ort.get_available_providers())


def choose(wanted: Provider, available: list[str]) -> Provider:
    """Where to run, of the runtime's names for what there is.

    Raises:
        ModelUnavailable: What is asked for by name is not there; it is never replaced silently.
    """
    if wanted is Provider.AUTO:
        return next(provider for provider in _AUTOMATIC if _NAMES[provider] in available)
    if _NAMES[wanted] not in available:
        raise ModelUnavailable(f"this build of onnxruntime has no {wanted} (docs/models.md says which one has)")
    return wanted


def _settings(options: SessionOptions) -> Any:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _SILENT
    # Threads that spin while there is nothing to do would take the processors from the proxy.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return settings


def _providers(provider: Provider, options: SessionOptions) -> list[Any]:
    chosen: dict[str, str] = {}
    if provider is Provider.CUDA:
        # Grow by what is asked for, not by powers of two: another process may share the device.
        chosen["arena_extend_strategy"] = "kSameAsRequested"
        if options.gpu_memory_bytes is not None:
            chosen["gpu_mem_limit"] = str(options.gpu_memory_bytes)
    listed: list[Any] = [(_NAMES[provider], chosen)]
    # What a device cannot do, the CPU does; TensorRT leaves what it cannot do to CUDA first.
    if provider is Provider.TENSORRT:
        listed.append(_NAMES[Provider.CUDA])
    return listed if provider is Provider.CPU else [*listed, _NAMES[Provider.CPU]]


def _require(what: str, has: set[str], wanted: set[str], *, exact: bool = True) -> None:
    missing = sorted(wanted - has)
    if missing:
        raise PackInvalid(f"the graph has no {what} {missing[0]}, which the card names")
    surplus = sorted(has - wanted)
    if surplus and exact:
        raise PackInvalid(f"the card does not name the graph's {what} {surplus[0]}")
