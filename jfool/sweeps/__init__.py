"""Sweeps: tens of thousands of attacks, on one device or many, that can be resumed."""

from jfool.sweeps.pace import Progress
from jfool.sweeps.results import Results, without_provenance
from jfool.sweeps.run_folder import read_sweep
from jfool.sweeps.stop_signal import SweepStopped
from jfool.sweeps.sweep import sweep

__all__ = ["Progress", "Results", "SweepStopped", "read_sweep", "sweep", "without_provenance"]
