"""Files on disk, whatever they hold: written whole or not at all, with digests, read within bounds.

Nothing here knows of Datasets or tensors, and nothing heavy is loaded: the command line reads its
config files through this door.
"""

from loadpath.storage.digests import DIGEST_BYTES as DIGEST_BYTES
from loadpath.storage.digests import DamagedError as DamagedError
from loadpath.storage.digests import digest as digest
from loadpath.storage.digests import digest_line as digest_line
from loadpath.storage.digests import note_without_digest as note_without_digest
from loadpath.storage.endings import DATA_ENDINGS as DATA_ENDINGS
from loadpath.storage.endings import check_ending as check_ending
from loadpath.storage.endings import is_data_file as is_data_file
from loadpath.storage.locks import Held as Held
from loadpath.storage.locks import one_writer as one_writer
from loadpath.storage.reading import TooLargeError as TooLargeError
from loadpath.storage.reading import check_unpacked as check_unpacked
from loadpath.storage.reading import read_bytes as read_bytes
from loadpath.storage.settings import check_settings_file as check_settings_file
from loadpath.storage.settings import read_settings_file as read_settings_file
from loadpath.storage.settings import write_settings_file as write_settings_file
from loadpath.storage.writing import clear_leftovers as clear_leftovers
from loadpath.storage.writing import write_atomic as write_atomic
from loadpath.storage.writing import write_page as write_page

__all__: list[str] = []
