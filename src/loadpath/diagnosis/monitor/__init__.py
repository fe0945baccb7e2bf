"""The layers of a model while it trains."""

from loadpath.diagnosis.monitor.account import Account as Account
from loadpath.diagnosis.monitor.account import BudgetWarning
from loadpath.diagnosis.monitor.alarms import Alarm, Collapse, CollapseWarning
from loadpath.diagnosis.monitor.held_batches import HeldBatches as HeldBatches
from loadpath.diagnosis.monitor.held_batches import batches_in
from loadpath.diagnosis.monitor.monitor import Monitor

__all__ = ["Alarm", "BudgetWarning", "Collapse", "CollapseWarning", "Monitor", "batches_in"]
