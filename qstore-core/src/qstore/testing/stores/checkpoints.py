# SPDX-License-Identifier: Apache-2.0
"""Checks of stores of checkpoints."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from qstore.errors import AlreadyStored, NotStored, QStoreError
from qstore.testing.check import NotClaimed, require
from qstore.testing.stores.exam import StoreExam, StoreTable, closing

__all__ = ["CHECKS"]

CHECKS = StoreTable("checkpoints")
DTYPES = ("float64", "float32", "float16", "complex128", "complex64", "int64", "int8", "uint64", "bool")


def same(found: Any, expected: Any) -> bool:
    """Whether two nested values are equal: arrays bit for bit, with dtype and shape."""
    if isinstance(expected, np.ndarray):
        made = np.asarray(found)
        alike = made.dtype == expected.dtype and made.shape == expected.shape
        return alike and made.tobytes() == expected.tobytes()
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and list(found) == list(expected)
            and all(same(found[k], expected[k]) for k in expected)
        )
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and bool(found == expected)


def model(seed: int = 0) -> dict[str, Any]:
    """A small state: weights by name, nested."""
    rng = np.random.default_rng(seed)
    return {
        "layer": {"weights": rng.normal(size=(3, 4)), "bias": rng.normal(size=4)},
        "scale": np.array(rng.normal()),
    }


def _keeps(exam: StoreExam, state: Any, what: str) -> None:
    with closing(exam.open()) as store:
        store.save(1, state)
        store.wait()
        found = store.load(1).model_state
    require(same(found, state), f"{what}: saved was {state!r:.200}, loaded was {found!r:.200}")


@CHECKS.check("arrays of {} come back bit for bit", each=DTYPES)
def dtype(exam: StoreExam, name: str) -> None:
    """Empty, without axes, not contiguous, in three shapes."""
    rng = np.random.default_rng(3)
    numbers = (rng.normal(size=(4, 6)) + 1j * rng.normal(size=(4, 6))) * 100
    numbers = numbers if name.startswith("complex") else numbers.real
    made = np.abs(numbers).astype(name) if name.startswith("u") else numbers.astype(name)
    _keeps(
        exam,
        {"whole": made, "strided": made[::2, ::3].T, "empty": made[:0], "one": np.array(made[0, 0])},
        name,
    )


@CHECKS.check("numbers that are none, infinite or negative zero come back as they were")
def strange_numbers(exam: StoreExam) -> None:
    """With their bits."""
    values = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e308])
    _keeps(exam, {"values": values, "nested": {"again": values[:5].astype(np.float32)}}, "strange numbers")


@CHECKS.check("nested dictionaries, lists, texts, numbers and nothing come back as they were")
def nesting(exam: StoreExam) -> None:
    """Order included."""
    state = {
        "b": [1, 2.5, True, None, "text", {"deep": np.arange(3)}],
        "a": {},
        "ü ∈": {"0": []},
        "big": 2**40,
    }
    _keeps(exam, state, "nested values")


@CHECKS.check("without a step the newest is loaded, with one that one")
def steps(exam: StoreExam) -> None:
    """Whatever the order of saving."""
    folder = exam.folder()
    with closing(exam.open(folder)) as store:
        for step in (10, 2):
            store.save(step, model(step))
        store.wait()
        require(store.load().step == 10, f"steps 10 and 2 are stored; load() gave {store.load().step}")
        require(same(store.load(2).model_state, model(2)), "load(2) gave another model")
        exam.refuses(lambda: store.load(3), "a step that is not stored", NotStored)


@CHECKS.check("an empty store says that nothing is stored")
def nothing(exam: StoreExam) -> None:
    """Not None, not an empty model."""
    with closing(exam.open()) as store:
        exam.refuses(store.load, "load() of an empty store", NotStored)


@CHECKS.check("what is changed after save() has returned is not in the checkpoint")
def snapshot(exam: StoreExam) -> None:
    """Twenty times, at once."""
    with closing(exam.open()) as store:
        for step in range(20):
            weights, metadata = np.full(50_000, float(step)), {"loss": float(step)}
            store.save(step, {"w": weights}, {"m": weights}, metadata)
            weights[:] = -1.0
            metadata["loss"] = -1.0
            store.wait()
            found = store.load(step)
            for part in (found.model_state["w"], found.optimizer_state["m"]):
                require(np.all(np.asarray(part) == step), f"step {step} holds {np.unique(part)[:3]} of later")
            require(found.metadata["loss"] == step, f"the metadata of step {step} are of later")


@CHECKS.check("the optimizer's state and the metadata come back beside the model")
def parts(exam: StoreExam) -> None:
    """None of them in the place of another."""
    with closing(exam.open()) as store:
        store.save(5, model(1), model(2), {"loss": 0.25, "note": "é", "accepted": True})
        store.wait()
        found = store.load(5)
    require(found.step == 5, f"the step is {found.step}")
    require(same(found.model_state, model(1)), "the model is another")
    require(same(found.optimizer_state, model(2)), "the optimizer's state is another")
    wanted = {"loss": 0.25, "note": "é", "accepted": True}
    left = {key: found.metadata.get(key) for key in wanted}
    require(left == wanted, f"of the metadata {wanted} came back {left}")


@CHECKS.check("closed and opened again, the store has what it had")
def reopened(exam: StoreExam) -> None:
    """`close()` waits for what is queued."""
    folder = exam.folder()
    with closing(exam.open(folder)) as store:
        store.save(1, model(1))
        store.save(2, model(2))
    with closing(exam.open(folder)) as store:
        require(same(store.load().model_state, model(2)), "load() gave another model than was saved last")


@CHECKS.check("a step is never overwritten")
def overwriting(exam: StoreExam) -> None:
    """The second save says so, by the time it is waited for; the first stays."""
    folder = exam.folder()

    def again() -> None:
        with closing(exam.open(folder)) as store:
            store.save(1, model(2))
            store.wait()

    with closing(exam.open(folder)) as store:
        store.save(1, model(1))
    exam.refuses(again, "a step that is stored already", AlreadyStored)
    with closing(exam.open(folder)) as store:
        require(same(store.load(1).model_state, model(1)), "step 1 is no longer what was saved first")


@CHECKS.check("the step {} is refused", each=("-1", "1.5", "True", "'../../outside'", "None"))
def bad_step(exam: StoreExam, text: str) -> None:
    """Nothing is written for it."""
    value = {"-1": -1, "1.5": 1.5, "True": True, "'../../outside'": "../../outside", "None": None}[text]
    with closing(exam.open()) as store:
        exam.refuses(lambda: (store.save(value, model()), store.wait()), f"step {text}")


@CHECKS.check("an object that is no data is refused, and the store goes on")
def objects(exam: StoreExam) -> None:
    """Never pickled."""
    with closing(exam.open()) as store:
        for bad in (np.array([{}, object()], dtype=object), object(), lambda: None, {1, 2}):
            exam.refuses(lambda bad=bad: (store.save(1, {"w": bad}), store.wait()), f"a {type(bad).__name__}")  # type: ignore[misc]
        store.save(2, model(2))
        store.wait()
        require(same(store.load().model_state, model(2)), "after a refused save another one does not load")


@CHECKS.check("after close() a save is refused; closing again does nothing")
def closed(exam: StoreExam) -> None:
    """Not lost in silence."""
    store = exam.open()
    store.close()
    store.close()
    exam.refuses(lambda: (store.save(1, model()), store.wait()), "save() after close()")


@CHECKS.check("threads that save at once lose nothing")
def threads(exam: StoreExam) -> None:
    """Three steps from three threads, as many as any store keeps."""
    with closing(exam.open()) as store:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda step: store.save(step, model(step)), (1, 2, 3)))
        store.wait()
        newest = store.load()
    require(same(newest.model_state, model(newest.step)), f"step {newest.step} holds another step's model")
    require(newest.step == 3, f"of the steps 1, 2 and 3 the newest is {newest.step}")


@CHECKS.check("a file that has changed is noticed")
def damage(exam: StoreExam) -> None:
    """A bit of every file, one after the other: load() raises, or gives exactly what was saved."""
    folder = exam.folder()
    state = model(1)
    with closing(exam.open(folder)) as store:
        store.save(1, state)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    if not files:
        raise NotClaimed("it writes no files")
    for path in files:
        _flipped(exam, folder, path, state)


def _flipped(exam: StoreExam, folder: Path, path: Path, state: Any) -> None:
    whole = path.read_bytes()
    for at in {0, len(whole) // 2, len(whole) - 1}:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        try:
            with closing(exam.open(folder)) as store:
                found = store.load(1).model_state
        except QStoreError:
            continue
        finally:
            path.write_bytes(whole)
        require(
            same(found, state),
            f"bit 4 of byte {at} of {path.name} was flipped, and other numbers were loaded",
        )
