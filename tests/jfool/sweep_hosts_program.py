"""One of several processes that finish a sweep together.

python -m tests.jfool.sweep_hosts_program FOLDER COORDINATOR COUNT INDEX [POINT NUMBER]
"""

import sys

import jax

from tests.jfool import sweep_program as program

if __name__ == "__main__":
    folder, coordinator, count, index, *point = sys.argv[1:]
    jax.distributed.initialize(
        coordinator,
        int(count),
        int(index),
        heartbeat_timeout_seconds=10,
        initialization_timeout=120,
    )
    sys.exit(program.main(folder, *point))
