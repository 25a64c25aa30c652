"""The packages of the extra ``export``, imported in one place."""

from sb3_barriernet.errors import MissingPackageError

try:
    import onnx
    import onnxscript
except ImportError as error:
    raise MissingPackageError(
        f"Found no package {error.name!r}; exporting to ONNX needs it. "
        "Install it with `pip install 'sb3-barriernet[export]'`. Running the file takes onnxruntime alone."
    ) from error

__all__ = ["onnx", "onnxscript"]
