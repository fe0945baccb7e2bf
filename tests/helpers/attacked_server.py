"""What the server of `attacked_commands` imports before it forks."""

import attacked_commands

attacked_commands.warm_up()
