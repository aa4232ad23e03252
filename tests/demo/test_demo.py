# SPDX-License-Identifier: Apache-2.0
"""The demo: its data, its command from end to end on few images, and what it says when something is missing."""

import csv
import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from qstore.errors import OptionError
from qstore_torch.demo import cli
from qstore_torch.demo.data import load, without_test
from qstore_torch.demo.idx import FILES, read_idx
from qstore_torch.demo.model import classical_model, count, hybrid_model


def _idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def _write_set(folder, *, train=12, test=6, size=28, compress=()):
    rng = np.random.default_rng(1)
    arrays = {
        "train_images": rng.integers(0, 256, (train, size, size), dtype=np.uint8),
        "train_labels": np.arange(train, dtype=np.uint8) % 10,
        "test_images": np.zeros((test, size, size), dtype=np.uint8),
        "test_labels": np.arange(test, dtype=np.uint8) % 10,
    }
    for key, array in arrays.items():
        file = FILES[key][0]
        if key in compress:
            (folder / f"{file}.gz").write_bytes(gzip.compress(_idx_bytes(array)))
        else:
            (folder / file).write_bytes(_idx_bytes(array))
    return arrays


def test_the_digits_are_split_the_same_way_every_time_and_every_class_evenly():
    first, second = load("digits", None), load("digits", None)
    assert (len(first.train_x), len(first.test_x)) == (1437, 360)
    np.testing.assert_array_equal(first.test_x, second.test_x)
    shares = np.bincount(first.test_y) / np.bincount(np.concatenate([first.train_y, first.test_y]))
    assert np.abs(shares - 0.2).max() < 0.005


def test_choices_never_see_the_test_images():
    data = load("digits", None)
    part = without_test(data)
    assert len(part.train_x) + len(part.test_x) == len(data.train_x)
    # Some digits occur twice in the set itself; what matters is that every image comes from the training part.
    training = {row.tobytes() for row in data.train_x}
    assert all(row.tobytes() in training for row in [*part.train_x, *part.test_x])


def test_the_quantum_parameters_are_at_least_as_many_as_the_classical_ones():
    for n_qubits in (6, 8):
        quantum, classical = count(hybrid_model(n_qubits, 10, "statevector"))
        assert quantum >= classical > 0
        total = quantum + classical
        assert abs(sum(count(classical_model(2**n_qubits, 10, total))) - total) <= (2**n_qubits + 11) / 2


def test_downloaded_files_are_read_plain_or_gzipped(tmp_path):
    arrays = _write_set(tmp_path, compress=("train_images", "test_labels"))
    data = load("fashion-mnist", tmp_path)
    assert data.train_x.shape == (12, 256)
    assert data.n_qubits == 8
    np.testing.assert_array_equal(data.train_y, arrays["train_labels"])
    # Pixel (row 2, column 3) of the pooled image is the mean of four, one frame further in.
    expected = arrays["train_images"][0, 4:6, 6:8].mean() / 255
    assert data.train_x[0].reshape(16, 16)[3, 4] == pytest.approx(expected, abs=1e-6)


def test_a_black_image_has_a_direction_all_the_same(tmp_path):
    _write_set(tmp_path)
    assert np.linalg.norm(load("mnist", tmp_path).test_x, axis=1).min() > 1


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda raw: raw[:-1], r"announces the shape \(12, 28, 28\), but holds 9407 bytes"),
        (lambda raw: raw + b"x", "but holds 9409 bytes"),
        (lambda raw: b"\0\0\x0d\3" + raw[4:], "not an IDX file of 3 axes: it starts with 00 00 0d 03"),
        (lambda raw: raw[:10], "not an IDX file"),
        (lambda _: b"", "starts with nothing"),
        (lambda raw: raw[:4] + b"\xff" * 12 + raw[16:], "announces the shape"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, damage, text):
    _write_set(tmp_path)
    path = tmp_path / FILES["train_images"][0]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OptionError, match=text):
        read_idx(path, 3)


def test_a_damaged_gzip_is_named(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(_idx_bytes(np.zeros((2, 2, 2), dtype=np.uint8)))[:-9])
    with pytest.raises(OptionError, match="cannot be read"):
        read_idx(path, 3)


def test_images_and_labels_of_different_number_are_refused(tmp_path):
    _write_set(tmp_path)
    (tmp_path / FILES["test_labels"][0]).write_bytes(_idx_bytes(np.zeros(5, dtype=np.uint8)))
    with pytest.raises(OptionError, match="6 test images, but 5 labels"):
        load("mnist", tmp_path)


def test_images_of_another_size_are_refused(tmp_path):
    _write_set(tmp_path, size=32)
    with pytest.raises(OptionError, match="32 x 32 pixels; 28 x 28 are expected"):
        load("mnist", tmp_path)


def test_missing_files_are_listed_with_the_page_to_download_them_from(tmp_path, capsys):
    assert cli.main(["--data", "fashion-mnist", "--data-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz" in said
    assert "https://github.com/zalandoresearch/fashion-mnist" in said
    assert cli.main(["--data", "fashion-mnist"]) == 1
    assert "--data-dir DIR" in capsys.readouterr().err


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, capsys):
    monkeypatch.setitem(cli.NEEDED, "no_such_module_at_all", "no-such-package")
    assert cli.main([]) == 1
    assert capsys.readouterr().err == "The demo needs no-such-package: pip install 'qstore-torch[demo]'\n"


def test_the_whole_command_leaves_a_report_whose_numbers_agree(tmp_path):
    command = [
        sys.executable,
        "-m",
        "qstore_torch.demo",
        "--epochs",
        "2",
        "--seeds",
        "5",
        "6",
        "--train-limit",
        "200",
    ]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=110, check=True
    )
    (folder,) = tmp_path.iterdir()
    assert str(folder) in done.stdout
    assert "Warning" not in done.stderr
    assert {path.name for path in folder.iterdir()} == {
        "summary.json",
        "history.csv",
        "training.png",
        "confusion.png",
    }
    numbers = json.loads((folder / "summary.json").read_text())
    assert numbers["complete"] is True
    assert numbers["parameters"] == {"quantum": 288, "classical": 190}
    by_seed = numbers["hybrid"]["test_accuracy_by_seed"]
    assert set(by_seed) == {"5", "6"}
    assert numbers["test_accuracy"] == pytest.approx(np.mean(list(by_seed.values())))
    assert all((360 * accuracy) == pytest.approx(round(360 * accuracy)) for accuracy in by_seed.values())
    assert f"{100 * numbers['test_accuracy']:.2f} %" in done.stdout
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["seed"], row["epoch"]) for row in rows] == [
        (model, seed, epoch)
        for model in ("hybrid", "classical")
        for seed in ("5", "6")
        for epoch in ("1", "2")
    ]
    speeds = [float(row["samples_per_second"]) for row in rows if row["model"] == "hybrid"]
    assert numbers["samples_per_second"] == pytest.approx(np.mean(speeds), rel=1e-4)
    assert all(
        (folder / name).read_bytes().startswith(b"\x89PNG") for name in ("training.png", "confusion.png")
    )


def test_an_interrupted_run_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    from qstore_torch.demo import training

    real, calls = training.train, []

    def once(*args, **kwargs):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(training, "train", once)
    code = cli.main(["--epochs", "1", "--train-limit", "64", "--seeds", "1", "2", "--out", str(tmp_path)])
    assert code == 130
    (folder,) = tmp_path.iterdir()
    numbers = json.loads((folder / "summary.json").read_text())
    assert numbers["complete"] is False
    assert set(numbers["hybrid"]["test_accuracy_by_seed"]) == {"1"}
    assert "what is finished is kept" in capsys.readouterr().out


def test_two_reports_of_the_same_second_do_not_overwrite_each_other(tmp_path):
    from qstore_torch.demo.report import new_folder

    assert new_folder(tmp_path) != new_folder(tmp_path)
