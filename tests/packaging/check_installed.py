# SPDX-License-Identifier: Apache-2.0
"""Check one distribution as it is installed: `check_installed.py DISTRIBUTION MODULE [OPTIONAL_MODULE ...]`.

Runs in an environment that holds the wheel, its siblings and their declared dependencies, nothing else: imports every
module, so an undeclared dependency shows. A module may miss what an extra brings (the optional modules) and pytest,
which comes with whoever runs the conformance kit. Needs the standard library alone.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib import metadata, resources
from types import ModuleType

BROUGHT_BY_THE_USER = {"pytest"}


def undeclared(package: ModuleType, optional: set[str]) -> list[str]:
    """A line for each module of the package that cannot be imported for want of something undeclared."""
    problems = []
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in optional:
                problems.append(f"{found.name} needs {missing!r}, which no dependency declares")
    return problems


def main(name: str, module: str, optional: set[str]) -> int:
    """Print what is wrong; the exit status is the number of problems."""
    package = importlib.import_module(module)
    distribution = metadata.distribution(name)
    installed = {str(path) for path in distribution.files or ()}
    problems = undeclared(package, optional | BROUGHT_BY_THE_USER)
    checks = {
        "it lies outside of site-packages": "site-packages" in str(resources.files(package)),
        "py.typed is missing": f"{module}/py.typed" in installed,
        "the licence is missing": any(path.endswith("licenses/LICENSE") for path in installed),
        "the licence is not declared": distribution.metadata["License-Expression"] == "Apache-2.0",
        "the README is missing": bool((distribution.metadata["Description"] or "").strip()),
        "__version__ differs": getattr(package, "__version__", distribution.version) == distribution.version,
    }
    problems += [problem for problem, holds in checks.items() if not holds]
    for entry_point in distribution.entry_points:
        if entry_point.group == "qstore":
            entry_point.load()
    for problem in problems:
        print(f"{name}: {problem}")
    print(f"{name} {distribution.version}: {len(installed)} files, {len(problems)} problems")
    return len(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], set(sys.argv[3:])))
