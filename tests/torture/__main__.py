# SPDX-License-Identifier: Apache-2.0
"""All of it, or one part: `python -m torture`, `python -m torture checkpoints --kills 500`, in `tests/`."""

import importlib
import sys

PARTS = {
    "checkpoints": "torture.checkpoints.run",
    "metrics": "torture.metrics.run",
    "states": "torture.states.run",
}
"""Name of a part, and the module whose `main(arguments)` runs it and returns an exit code."""


def main(arguments):
    chosen = [name for name in arguments[:1] if name in PARTS]
    if arguments and not chosen and not arguments[0].startswith("-"):
        print(f"There is no part {arguments[0]!r}; there are {', '.join(PARTS)}.")
        return 2
    codes = {}
    for name in chosen or PARTS:
        print(f"\n{name}", flush=True)
        codes[name] = importlib.import_module(PARTS[name]).main(arguments[1:] if chosen else [])
    print()
    for name, code in codes.items():
        print(f"{name}: {'FAILED' if code else 'passed'}")
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
