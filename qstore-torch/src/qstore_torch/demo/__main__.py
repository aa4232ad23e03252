# SPDX-License-Identifier: Apache-2.0
"""`python -m qstore_torch.demo`."""

import sys

from qstore_torch.demo.cli import main

sys.exit(main())
