"""What a model loses without each of its layers, every one really skipped on its own."""

from loadpath.diagnosis.skipping.bypass import Call, module_kind, watching_calls
from loadpath.diagnosis.skipping.skipping import skip_layers

__all__ = ["Call", "module_kind", "skip_layers", "watching_calls"]
