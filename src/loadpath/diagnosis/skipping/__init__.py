"""What a model loses without each of its layers, every one really skipped on its own."""

from loadpath.diagnosis.skipping.bypass import module_kind
from loadpath.diagnosis.skipping.paired import RatioSums
from loadpath.diagnosis.skipping.skipping import skip_layers

__all__ = ["RatioSums", "module_kind", "skip_layers"]
