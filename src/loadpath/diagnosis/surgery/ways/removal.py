"""Layers really taken out of a model: out of their list, or with a gap in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from loadpath.diagnosis.surgery.cuts import LinearMap
from loadpath.diagnosis.surgery.windows import Window
from loadpath.record import OutputPath, at

INDICES = ("layer_idx", "layer_id", "layer_index", "layer_number")
"""Attributes by which a layer knows its place, as those of Hugging Face do for their caches."""
COUNTS = (
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "depth",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
    "num_encoder_layers",
)
"""Attributes of a config, or of what holds the layers, that say how many there are."""


class Gap(nn.Module):
    """What stands in the place of a run of layers: nothing, or one linear map or convolution.

    Parameters
    ----------
    given : tuple
        The path to what goes on, in the arguments of the layer: (args, kwargs).
    length : int or None
        How many parts the layer's output had, if it was a tuple; what goes on is the first, and the
        others are None.
    map : LinearMap, optional
        The map.
    like : Tensor, optional
        A tensor that has the type and the device of the map.
    """

    def __init__(
        self,
        given: OutputPath = (0, 0),
        length: int | None = None,
        map: LinearMap | None = None,
        like: Tensor | None = None,
    ) -> None:
        """Build the linear map, if there is one."""
        super().__init__()
        self.given, self.length = given, length
        self.stands_for = ""  # the name of the layer in whose place it is put, in the original
        self.axis = -1 if map is None else map.axis
        self.window = Window() if map is None else map.window
        self.linear: nn.Linear | None = None
        if map is not None:
            weight = map.weight if like is None else map.weight.to(like)
            out, given_features = weight.shape
            self.linear = nn.Linear(given_features, out, dtype=weight.dtype, device=weight.device)
            self.linear.requires_grad_(False)
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(map.bias)
            self.linear.requires_grad_(True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Hand on what the layer would have been given, through the map if there is one."""
        A = at((args, kwargs), self.given)
        if self.linear is not None:
            if self.window.axes:
                self._check_whole(A, [*args, *kwargs.values()])
            A = self.linear(self.window.of(A.movedim(self.axis, -1))).movedim(-1, self.axis)
        return A if self.length is None else (A, *[None] * (self.length - 1))

    def _check_whole(self, A: Tensor, given: Iterable[Any]) -> None:
        """Refuse a call that is given new tokens alone, and a cache of attention for the others."""
        for each in given:
            length = each.get_seq_length() if hasattr(each, "get_seq_length") else 0
            if length > A.shape[self.window.axes[0]]:
                raise ValueError(
                    "use_cache must be False for a model in which a convolution stands in the "
                    f"place of {self.stands_for!r}, because that reads tokens before those given, "
                    f"got a cache of {length} tokens."
                )

    def extra_repr(self) -> str:
        """Say what stands here, where it is nothing or a convolution."""
        return "nothing" if self.linear is None else "convolution" * bool(self.window.axes)


@dataclass(frozen=True)
class Home:
    """Where a module hangs in a model."""

    parent: nn.Module
    """The module that holds it."""
    key: str
    """Its name there."""

    @property
    def is_list(self) -> bool:
        """Whether the others move up where it is taken out."""
        return isinstance(self.parent, nn.ModuleList | nn.Sequential)


def home_of(model: nn.Module, name: str) -> Home:
    """Return where the module of a name hangs.

    Raises
    ------
    ValueError
        If it is the model itself.
    """
    if not name:
        raise ValueError("layers must be inside the model, and not the model itself.")
    parent, _, key = name.rpartition(".")
    return Home(model.get_submodule(parent), key)


def number_in_list(model: nn.Module, name: str) -> int | None:
    """Return the place of a module in the list that holds it; None if that is no list."""
    home = home_of(model, name)
    return list(home.parent._modules).index(home.key) if home.is_list else None


def take_out(model: nn.Module, names: Sequence[str], put: Mapping[str, nn.Module]) -> None:
    """Take modules out of the lists that hold them, and put others in the place of some.

    What is left in a list is numbered anew: its keys, the attributes by which layers know their
    place, and the counts and lists in the configs of a model.

    Parameters
    ----------
    model : nn.Module
        The model; it is changed.
    names : sequence of str
        Modules that go.
    put : mapping of str to nn.Module
        What takes the place of a module, which is then not taken out. What stands in no list must
        have something in its place.
    """
    homes = {name: home_of(model, name) for name in dict.fromkeys([*names, *put])}
    for name, module in put.items():
        homes[name].parent._modules[homes[name].key] = module
        if isinstance(module, Gap):
            module.stands_for = name
            if module.window.axes:
                _use_no_cache(model)
    gone: dict[nn.Module, list[str]] = {}
    for name in names:
        if name not in put:
            gone.setdefault(homes[name].parent, []).append(homes[name].key)
    for parent, keys in gone.items():
        _shorten(parent, keys)
        holders = [
            m for m in model.modules() if any(child is parent for child in m._modules.values())
        ]
        _recount(model, holders, parent, keys)


def _shorten(parent: nn.Module, keys: Sequence[str]) -> None:
    """Take keys out of a list of modules, and number what is left as before."""
    old = list(parent._modules)
    kept = [(number, key) for number, key in enumerate(old) if key not in keys]
    numbered = old == [str(number) for number in range(len(old))]
    modules = [parent._modules[key] for _, key in kept]
    parent._modules.clear()
    for new, ((number, key), module) in enumerate(zip(kept, modules, strict=True)):
        parent._modules[str(new) if numbered else key] = module
        for part in module.modules() if module is not None else ():
            for name in INDICES:
                if getattr(part, name, None) == number and isinstance(getattr(part, name), int):
                    setattr(part, name, new)


def _use_no_cache(model: nn.Module) -> None:
    """Have a model of transformers generate from all tokens, as a convolution must see them."""
    for module in model.modules():
        for name in ("config", "generation_config"):
            config: Any = getattr(module, name, None)
            if getattr(config, "use_cache", False) is True:
                config.use_cache = False


def _recount(
    model: nn.Module, holders: Sequence[nn.Module], parent: nn.Module, keys: Sequence[str]
) -> None:
    """Say in configs, and in what holds a list, how many layers are left in it."""
    left = len(parent)  # type: ignore[arg-type]
    before = left + len(keys)
    places = [int(key) for key in keys] if all(key.isdigit() for key in keys) else []
    for holder in holders:
        for name in COUNTS:
            if vars(holder).get(name) == before:
                setattr(holder, name, left)
    configs = {
        id(c): c for c in (getattr(m, "config", None) for m in model.modules()) if c is not None
    }
    for config in configs.values():
        if not hasattr(config, "to_dict"):
            continue
        for name, value in list(config.to_dict().items()):
            if name in COUNTS and value == before:
                setattr(config, name, left)
            elif "layer" in name and isinstance(value, list) and len(value) == before and places:
                kept = [each for place, each in enumerate(value) if place not in places]
                setattr(config, name, kept)
