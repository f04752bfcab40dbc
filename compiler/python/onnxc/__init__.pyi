from os import PathLike
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ._errors import Diagnostic as Diagnostic
from ._errors import OnnxcError as OnnxcError
from ._errors import Place as Place
from ._onnxc import Port as Port

Path = Union[str, PathLike[str]]
#: A path, the bytes of a model, or an onnx.ModelProto.
ModelLike = Union[Path, bytes, Any]
#: An extent, a range (None: no limit), or what `--dim` takes after the equals sign.
Dim = Union[int, Tuple[int, Optional[int]], str]
#: The extents of an input, or None for an initializer that is one.
Shape = Union[Sequence[Union[int, str, None]], str, None]

version: str
__version__: str
backends: Tuple[str, ...]

class Model:
    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> List[Port]: ...
    @property
    def outputs(self) -> List[Port]: ...
    @property
    def warnings(self) -> List[Diagnostic]: ...
    def run(self, /, *values: Any, **named: Any) -> List[Any]: ...
    def __call__(self, /, *values: Any, **named: Any) -> Any: ...
    def set_threads(self, threads: Union[int, str]) -> bool: ...
    def save(self, path: Path) -> None: ...

def compile(
    model: ModelLike,
    *,
    dims: Optional[Mapping[str, Dim]] = None,
    inputs: Optional[Mapping[str, Shape]] = None,
    branches: Optional[Mapping[str, str]] = None,
    backend: Optional[str] = None,
    threads: Union[int, str, None] = None,
    opt_level: int = 2,
    target_cpu: Optional[str] = None,
    name: Optional[str] = None,
    folder: Optional[Path] = None,
) -> Model: ...
def build(
    model: ModelLike,
    path: Path,
    *,
    dims: Optional[Mapping[str, Dim]] = None,
    inputs: Optional[Mapping[str, Shape]] = None,
    branches: Optional[Mapping[str, str]] = None,
    backend: Optional[str] = None,
    threads: Union[int, str, None] = None,
    opt_level: int = 2,
    target: Optional[str] = None,
    target_cpu: Optional[str] = None,
    name: Optional[str] = None,
    folder: Optional[Path] = None,
) -> List[Diagnostic]: ...
def load(path: Path, *, threads: Union[int, str, None] = None) -> Model: ...
def check(
    model: ModelLike,
    *,
    dims: Optional[Mapping[str, Dim]] = None,
    inputs: Optional[Mapping[str, Shape]] = None,
    branches: Optional[Mapping[str, str]] = None,
    folder: Optional[Path] = None,
) -> List[Diagnostic]: ...

class NodeArg(NamedTuple):
    name: str
    type: str
    shape: List[Union[int, str, None]]

class InferenceSession:
    def __init__(
        self,
        path_or_bytes: ModelLike,
        sess_options: Any = None,
        providers: Any = None,
        provider_options: Any = None,
        **how: Any,
    ) -> None: ...
    def get_inputs(self) -> List[NodeArg]: ...
    def get_outputs(self) -> List[NodeArg]: ...
    def get_providers(self) -> List[str]: ...
    def run(
        self, output_names: Optional[Sequence[str]], input_feed: Dict[str, Any], run_options: Any = None
    ) -> List[Any]: ...
