"""The folder that a command writes to: what is in it, what takes the place of what."""

from loadpath.cli.folders.holding import held, held_folder, what_is_kept
from loadpath.cli.folders.replacement import UNFINISHED, final_folder, place_for
from loadpath.cli.folders.run_folder import (
    CHAIN_FILES,
    DIAGNOSIS_FILES,
    DIAGRAM_FILES,
    GEODESIC_FILES,
    LAW_FILES,
    OLDER_FILES,
    RUN_FILES,
    check_folder,
    check_free,
    earlier_results,
    read_config,
    save_config,
    save_model,
    save_picture,
    section,
    write_report,
    written_files,
)

__all__ = [
    "CHAIN_FILES",
    "DIAGNOSIS_FILES",
    "DIAGRAM_FILES",
    "GEODESIC_FILES",
    "LAW_FILES",
    "OLDER_FILES",
    "RUN_FILES",
    "UNFINISHED",
    "check_folder",
    "check_free",
    "earlier_results",
    "final_folder",
    "held",
    "held_folder",
    "place_for",
    "read_config",
    "save_config",
    "save_model",
    "save_picture",
    "section",
    "what_is_kept",
    "write_report",
    "written_files",
]
