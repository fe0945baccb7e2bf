"""Variables that older versions wrote under other names, by the names that they have now."""

from __future__ import annotations

import xarray as xr

RENAMED = {
    "effective_depth": (
        "log_growth",
        "log growth log(|A_l| / |A_{l-1}|) of the stream over the step",
    ),
}
"""The name and long name of today, by the name in results of 0.1.0. `effective_depth` is the
leakage of a Leaky ResNet and nothing else; over layers, with an interval, it was this growth."""
_ENDS = {"": "", "_low": ": lower end", "_high": ": upper end", "_status": ": how it is known"}


def with_present_names(ds: xr.Dataset) -> xr.Dataset:
    """Return a result whose variables have the names of today.

    Parameters
    ----------
    ds : Dataset
        A result of this or an older version.

    Returns
    -------
    Dataset
        The same where nothing was renamed, and else a copy. Only measures over `layer` that have
        an interval are renamed.
    """
    for old, (name, long_name) in RENAMED.items():
        parts = {old + end: name + end for end in _ENDS if old + end in ds.data_vars}
        if f"{old}_low" not in parts or old not in parts or ds[old].dims != ("layer",):
            continue
        ds = ds.rename(parts)
        for end, words in _ENDS.items():
            if name + end in ds:
                ds[name + end].attrs["long_name"] = long_name + words
    return ds
