"""`python -m jfool` is the command `jfool`."""

from jfool.cli import main

raise SystemExit(main())
