"""Make ``python -m rxwizard`` the command ``rxwizard``."""

import sys

from rxwizard.cli import main

sys.exit(main())
