# SPDX-License-Identifier: Apache-2.0
"""What the house asks of every source file: its surface, its size, its errors."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import qstore
from qstore import errors

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for tree in ROOT.glob("qstore-*/src") for path in tree.rglob("*.py"))
MAX_LINES = 500
TABLES: tuple[str, ...] = ()
"""Files that are one long table."""
MAX_NAMES = 48
PACKAGES = [
    "qstore",
    *(f"qstore.{module.name}" for module in pkgutil.iter_modules(qstore.__path__) if module.ispkg),
]


def as_ruff_sorts(name):
    """Constants, classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)


def test_there_are_sources():
    assert len(SOURCES) > 40
    assert len(PACKAGES) > 6


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_listed_sorted_and_there(name):
    package = importlib.import_module(name)
    assert sorted(package.__all__, key=as_ruff_sorts) == package.__all__
    assert len(package.__all__) < MAX_NAMES
    assert all(hasattr(package, each) for each in package.__all__)
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    nodes = list(tree.body)
    if hasattr(package, "__getattr__"):  # names that are imported when they are asked for
        nodes += [inner for node in tree.body if isinstance(node, ast.If) for inner in node.body]
    imported = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    private = {"annotations", "TYPE_CHECKING"}
    assert {each for each in imported if not each.startswith("_") and each not in private} == {
        each for each in package.__all__ if not each.startswith("__")
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_file_keeps_the_house_rules(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
    assert path.name in TABLES or text.count("\n") <= MAX_LINES
    assert ast.get_docstring(tree)
    listed = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    for assignment in listed:
        names = ast.literal_eval(assignment.value)
        assert len(set(names)) == len(names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            assert getattr(node.exc.func, "id", "") not in ("Exception", "BaseException")


def test_every_exception_is_ours_public_and_drawn_in_the_tree():
    found = {
        name: each
        for name, each in vars(errors).items()
        if inspect.isclass(each) and issubclass(each, Exception)
    }
    assert all(issubclass(each, errors.QStoreError) for each in found.values())
    assert set(found) <= set(errors.__all__)
    for name, each in found.items():
        assert name in errors.__doc__
        for base in each.__bases__:
            assert base.__name__ in errors.__doc__ or base is Exception


def test_the_design_first_ten_lines_are_public_names():
    for name in ("Parameter", "QuantumCircuit", "run", "run_async", "Expectations", "Z", "X", "value_and_vjp", "Counts",
                 "get_backend"):  # fmt: skip
        assert name in qstore.__all__
