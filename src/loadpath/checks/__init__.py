"""Checks of arguments: each refuses a bad value in one sentence that names it.

This is the ground of the house. Nothing here knows a net, and torch is not imported, so that the
command line can refuse a bad option before it loads anything heavy. A check stands at the entrance
of a public function, before any work: `check_...` refuses or lets pass, `as_...` returns what was
given in the form that the function works with, so that lists and arrays do where tensors do.
"""

from loadpath.checks.arrays import (
    as_array as as_array,
)
from loadpath.checks.arrays import (
    as_device as as_device,
)
from loadpath.checks.arrays import (
    as_numbers as as_numbers,
)
from loadpath.checks.arrays import (
    as_tensor as as_tensor,
)
from loadpath.checks.arrays import (
    check_finite as check_finite,
)
from loadpath.checks.datasets import HoldsDataset as HoldsDataset
from loadpath.checks.datasets import as_dataset as as_dataset
from loadpath.checks.datasets import check_columns as check_columns
from loadpath.checks.datasets import check_dataset as check_dataset
from loadpath.checks.datasets import check_levels as check_levels
from loadpath.checks.kinds import (
    as_list as as_list,
)
from loadpath.checks.kinds import (
    as_path as as_path,
)
from loadpath.checks.kinds import (
    check_callable as check_callable,
)
from loadpath.checks.kinds import (
    check_choice as check_choice,
)
from loadpath.checks.kinds import (
    check_flag as check_flag,
)
from loadpath.checks.kinds import (
    check_text as check_text,
)
from loadpath.checks.kinds import (
    check_type as check_type,
)
from loadpath.checks.rows import (
    as_layer_steps as as_layer_steps,
)
from loadpath.checks.rows import (
    as_path_of_rows as as_path_of_rows,
)
from loadpath.checks.rows import (
    as_rows as as_rows,
)
from loadpath.checks.rows import (
    as_small_rows as as_small_rows,
)
from loadpath.checks.rows import (
    as_vector as as_vector,
)
from loadpath.checks.rows import (
    check_size as check_size,
)
from loadpath.checks.values import (
    LARGEST as LARGEST,
)
from loadpath.checks.values import (
    LAST_SEED as LAST_SEED,
)
from loadpath.checks.values import (
    check_above_zero as check_above_zero,
)
from loadpath.checks.values import (
    check_count as check_count,
)
from loadpath.checks.values import (
    check_level as check_level,
)
from loadpath.checks.values import (
    check_number as check_number,
)
from loadpath.checks.values import (
    check_seed as check_seed,
)
from loadpath.checks.values import (
    shown as shown,
)
from loadpath.checks.weights import check_weights as check_weights
