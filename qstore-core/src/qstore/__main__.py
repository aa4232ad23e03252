# SPDX-License-Identifier: Apache-2.0
"""`python -m qstore` is the `qstore` command."""

import sys

from qstore.cli import main

sys.exit(main())
