"""What a network is trained on: teachers of known bottleneck rank, images, your own arrays.

Every source gives one `Data`: float64 inputs, demeaned and normalized by training statistics, and
regression targets or class labels. Nothing is downloaded, and nothing read from a file is executed.
"""

from loadpath.data.arrays import from_archive, from_arrays, from_npz
from loadpath.data.columns import Task as Task
from loadpath.data.files import read_archive as read_archive
from loadpath.data.forms import is_one_set as is_one_set
from loadpath.data.image_samples import Resize as Resize
from loadpath.data.images import cifar10, digits, fashion_mnist, mnist
from loadpath.data.own import as_data, as_pair
from loadpath.data.own import as_training as as_training
from loadpath.data.samples import Data
from loadpath.data.sources import READERS as READERS
from loadpath.data.sources import check_options as check_options
from loadpath.data.sources import load
from loadpath.data.sources import load_training as load_training
from loadpath.data.tables import read_own_file as read_own_file
from loadpath.data.teachers import teacher

__all__ = [
    "Data",
    "as_data",
    "as_pair",
    "cifar10",
    "digits",
    "fashion_mnist",
    "from_archive",
    "from_arrays",
    "from_npz",
    "load",
    "mnist",
    "teacher",
]
