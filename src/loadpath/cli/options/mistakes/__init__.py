"""Words of a command line that are wrong: what was meant, in the users' own terms."""

from loadpath.cli.options.mistakes.complaints import in_users_terms
from loadpath.cli.options.mistakes.spelling import check_spelling, meant

__all__ = ["check_spelling", "in_users_terms", "meant"]
