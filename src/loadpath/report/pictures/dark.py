"""Pictures on a dark page: colours that would drown in it are drawn lighter there."""

from __future__ import annotations

import re

GROUND, INK = "#0d1117", "#e6edf3"
"""The page's colours of ground and text where the reader prefers dark pages."""
CONTRAST = 3.0
"""The least contrast of lines and marks to the ground, as WCAG 2 (criterion 1.4.11) asks."""

_PAINT = re.compile(r"(?:fill|stroke): (#[0-9a-f]{6})\b")


def for_both_grounds(svg: str) -> str:
    """Add a style sheet to an SVG by which it is legible on a dark page too.

    The picture itself stays as it is: the sheet is at work only on a screen whose reader prefers
    dark pages. White becomes the page's ground, black its ink, and dark colours are mixed with
    white until they stand out.

    Parameters
    ----------
    svg : str
        The picture, with its colours in style attributes as matplotlib writes them.

    Returns
    -------
    str
        The picture with the sheet.
    """
    rules = [f"text {{ fill: {INK}; }}"]
    for colour in sorted(set(_PAINT.findall(svg))):
        other = _on_dark(colour)
        if other != colour:
            rules += [
                f'[style*="{paint}: {colour}"] {{ {paint}: {other} !important; }}'
                for paint in ("fill", "stroke")
            ]
    sheet = f"@media screen and (prefers-color-scheme: dark) {{ {' '.join(rules)} }}"
    return re.sub(r"(<svg\b[^>]*[^/]>)", rf"\1<style>{sheet}</style>", svg, count=1)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG 2, from 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _on_dark(colour: str) -> str:
    """Return what a colour becomes on a dark ground."""
    if colour in ("#000000", "#ffffff"):
        return INK if colour == "#000000" else GROUND
    share, mixed = 0.0, colour
    while contrast(mixed, GROUND) < CONTRAST:
        share += 0.02
        mixed = "#" + "".join(f"{round(255 * share + c * (1 - share)):02x}" for c in _rgb(colour))
    return mixed


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1."""
    parts = [c / 255 for c in _rgb(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
