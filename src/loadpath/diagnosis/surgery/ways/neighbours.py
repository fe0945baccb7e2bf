"""Which places beside each a convolution in the place of a layer may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from loadpath.diagnosis.surgery.search import Subject
from loadpath.diagnosis.surgery.windows import Window
from loadpath.record import Batch, OwnRandomness, mapped

BEFORE_ONLY = 3
"""Places before each that a map reads where a layer reads none behind."""
BOTH_SIDES = 1
"""Places on each side that a map reads elsewhere."""
SAME = 1e-5
"""How far what a layer makes of the first place may move, relative to its size, when others change,
so that it reads none of these: rounding in float32."""


def windows_of(subject: Subject, axes: Sequence[int]) -> list[Window]:
    """Return what a map in the place of each layer may read.

    A map must not read what the layer does not: of a model that predicts the next token, a map that
    reads the token behind would know the answer. So it is tried out: all places but the first are
    changed in what a layer is given. If its output at the first place stays as it is, the layer
    reads only what is before, or only its own place.

    Parameters
    ----------
    subject : Subject
        The model and the samples.
    axes : sequence of int
        The axis of the features in what each layer is given.

    Returns
    -------
    list of Window
        One for each layer.

    Raises
    ------
    ValueError
        If a layer is given one vector a sample, which has no places.
    """
    seen = dict[int, tuple[Tensor, Tensor]]()

    def look(batch: Batch) -> None:
        with subject.watch(
            batch, lambda l, before, after: seen.update({l: (before, after.clone())})
        ):
            subject.run(batch, OwnRandomness(subject.device))
        subject.count_passes(batch.count, 1)

    for _ in subject.passes([0], look):
        pass
    found = []
    for layer, axis in enumerate(axes):
        call = subject.calls[layer]
        before, after = seen[layer]
        place = subject.layout.places.get((call.site.name, call.times))
        fixed = {0 if place is None else place.axis, axis % before.ndim}
        # With the features moved to the end, the axes behind them move up.
        slides = tuple(
            each - (each > axis % before.ndim) for each in range(before.ndim) if each not in fixed
        )
        if not slides:
            raise ValueError(
                "ways must not have 'convolution' for layers that are given one vector a sample, "
                f"as {call.name!r} is, of shape {tuple(before.shape)}: 'linear' is for these."
            )
        if _reads_others(subject, layer, after, fixed):
            found.append(Window(slides, BOTH_SIDES, BOTH_SIDES))
        elif len(slides) == 1:
            found.append(Window(slides, BEFORE_ONLY, 0))
        else:  # it reads its own place only, or images in an order that no window has
            found.append(Window())
    return found


def _reads_others(subject: Subject, layer: int, after: Tensor, fixed: set[int]) -> bool:
    """Return whether what a layer puts out at the first place depends on the places behind it."""

    def first(x: Tensor) -> Tensor:
        for axis in reversed(range(x.ndim)):
            if axis not in fixed:
                x = x.select(axis, 0)
        return x

    def changed(x: Tensor) -> Tensor:
        other = 1 - 2 * x.detach()
        first(other).copy_(first(x))
        return other

    def run(batch: Batch) -> Tensor:
        found: list[Tensor] = []

        def see(number: int, _: Tensor, out: Tensor) -> None:
            if number == layer:
                found.append(first(out).clone())

        with _changing(subject, layer, changed), subject.watch(batch, see):
            subject.run(batch, OwnRandomness(subject.device))
        subject.count_passes(batch.count, 1)
        return found[0]

    (moved,) = subject.passes([0], run)
    return not float((moved - first(after)).norm()) <= SAME * float(first(after).norm())


@contextmanager
def _changing(subject: Subject, layer: int, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Change what a layer is given, within the block."""
    site = subject.calls[layer].site

    def instead(_: nn.Module, args: Any, kwargs: Any) -> Any:
        given = subject.layout.given_to(site, 1, args, kwargs)
        return mapped((args, kwargs), lambda each: change(each) if each is given else each)

    hook = site.module.register_forward_pre_hook(instead, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def check_padding(name: str, window: Window, tokens: Tensor) -> None:
    """Refuse sequences in which a map would read what stands in for tokens that are not there.

    Parameters
    ----------
    name : str
        The layer.
    window : Window
        What the map reads.
    tokens : Tensor
        (sample, token), True where a token is not padding.

    Raises
    ------
    ValueError
        If there is padding that a map would read from a token that is none.
    """
    tokens = tokens.bool()
    if bool(tokens.all()):
        return
    if window.behind:
        raise ValueError(
            f"ways must not have 'convolution' where sequences are padded, as in {name!r}, which "
            "reads tokens on both sides: the map would read padding. Give batches of sequences of "
            "one length, or the way 'linear'."
        )
    if bool((tokens[:, 1:] & ~tokens[:, :-1]).any()):
        raise ValueError(
            f"ways must not have 'convolution' where padding stands before tokens, as in {name!r}: "
            "the map would read it. Pad behind the tokens, or give the way 'linear'."
        )
