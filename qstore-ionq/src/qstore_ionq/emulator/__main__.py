# SPDX-License-Identifier: Apache-2.0
"""`python -m qstore_ionq.emulator`: the same as the command `qstore-ionq-emulator`."""

import sys

from qstore_ionq.emulator.command import main

if __name__ == "__main__":
    sys.exit(main())
