"""How a command ends that is interrupted, or whose reader has gone."""

import os
import sys
from collections.abc import Callable

INTERRUPTED = 130
READER_GONE = 141  # as a shell reports SIGPIPE


def ended(command: Callable[[], int]) -> int:
    """The exit code of a command; 130 after Ctrl-C, with one line, and 141 after `| head`."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more as it ends
        return READER_GONE
    return code
