# SPDX-License-Identifier: Apache-2.0
"""The door: what gets in, what is refused and why, and that a broken plugin breaks nothing else."""

import textwrap
from importlib.metadata import EntryPoint, distributions, entry_points
from itertools import count

import pytest

import qstore as qs
from qstore.errors import BackendUnavailable, OptionError, PluginError
from qstore.plugins import API_VERSION, get_backend, load_factory, read_plugins
from qstore.plugins.backends import _missing
from qstore.plugins.factories import called_with
from qstore.plugins.versions import incompatibility

numbers = count()
(CORE,) = [point for point in entry_points(group="qstore") if point.value == "qstore.plugins.builtin"][:1]
HEADER = """
from qstore.batch import Capabilities
from qstore.plugins import BackendSpec, CommandSpec, GradientSpec, hookimpl
def backend(name, api_version=(1, 0), **more):
    return BackendSpec(name=name, summary="s", factory="m:f", api_version=api_version, **more)
FREE, PAID = Capabilities(max_qubits=2), Capabilities(max_qubits=2, paid=True)
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function from {distribution: body of its module} to the entry points that installing them would give."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(**bodies):
        for name, body in bodies.items():
            module = f"qstore_fake_{next(numbers)}"  # never the same twice: Python keeps modules
            (tmp_path / f"{module}.py").write_text(HEADER + textwrap.dedent(body))
            information = tmp_path / f"{name}-1.0.dist-info"
            information.mkdir()
            (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (information / "entry_points.txt").write_text(f"[qstore]\n{name}-point = {module}\n")
        points = [point for each in distributions(path=[str(tmp_path)]) for point in each.entry_points]
        return [*points, CORE]

    return install


def offering(*backends):
    return f"@hookimpl\ndef qstore_backends():\n    return [{', '.join(backends)}]\n"


GOOD = offering('backend("good", capabilities=FREE, aliases=("better",))')


def reasons(loaded):
    return [str(broken) for broken in loaded.broken]


def foreign(loaded):
    """The names of backends that are not the core's own."""
    return [name for name in loaded.backends.names if name != "auto"]


def assert_only_bad_is_lost(loaded, reason):
    assert foreign(loaded) == ["better", "good"]
    assert {"adjoint", "finite_difference", "parameter_shift"} <= set(loaded.gradient_methods.names)
    (broken,) = loaded.broken
    assert (broken.plugin, broken.distribution) == ("bad-point", "bad 1.0")
    assert reason in broken.reason, broken.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError while loading 'qstore_fake_"),
        ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("def (", "SyntaxError while loading"),
        ("@hookimpl\ndef qstore_backends():\n    raise KeyError('token')", "KeyError in qstore_backends(): 'token'"),
        ("@hookimpl\ndef qstore_backends():\n    return None", "TypeError in qstore_backends()"),
        ("@hookimpl\ndef qstore_backends():\n    return backend('single')", "TypeError in qstore_backends()"),
        ("@hookimpl\ndef qstore_backends(argument):\n    return []", "PluginValidationError while loading"),
        (offering("'a string'"), "it registered 'a string', which is no BackendSpec"),
        (offering("GradientSpec(name='g', summary='', factory='', api_version=(1, 0))"), "which is no BackendSpec"),
        (offering("backend('old', api_version=(0, 9))"), ("'old': it was written for plugin API 0.9, this qstore-core has "
                "1.0: upgrade the plugin")),
        (offering("backend('new', api_version=(1, 1))"), ("'new': it was written for plugin API 1.1, this qstore-core has "
                "1.0: upgrade qstore-core")),
        (offering("backend('future', api_version=(2, 0))"), "upgrade qstore-core"),
        (offering("backend('text', api_version='1.0')"), "its api_version is '1.0'; it must be a pair of integers"),
        (offering("backend(None)"), "whose names (None,) are not all non-empty strings"),
        (offering("backend('')"), "are not all non-empty strings"),
        (offering("backend('n', aliases=(3,))"), "are not all non-empty strings"),
        (offering("backend('n', capabilities='many')"), "'n': its capabilities are 'many', not a Capabilities"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_named_with_the_reason_and_breaks_nothing_else(installed, body, reason):
    assert_only_bad_is_lost(read_plugins(installed(bad=body, good=GOOD)), reason)


def test_a_good_plugin_is_listed_with_its_distribution(installed):
    loaded = read_plugins(installed(good=GOOD))
    assert loaded.broken == ()
    assert "good 1.0" in loaded.distributions
    (entry,) = (each for each in loaded.backends if each.spec.name != "auto")
    assert entry.distribution == "good 1.0"
    assert loaded.backends.get("better") is loaded.backends.get("good") is entry
    assert loaded.backends.get("best") is None


def test_one_bad_spec_costs_only_itself(installed):
    loaded = read_plugins(installed(both=offering("backend('bad', api_version=(9, 0))", "backend('fine')")))
    assert foreign(loaded) == ["fine"]
    assert len(loaded.broken) == 1


@pytest.mark.parametrize("one", ["PAID", "FREE", "None"])
@pytest.mark.parametrize("two", ["PAID", "FREE"])
def test_a_name_that_two_distributions_claim_is_nobodys_and_the_error_names_both(installed, one, two):
    points = installed(alpha=offering(f"backend('twin', capabilities={one})"),
                       zeta=offering(f"backend('twin', capabilities={two})", "backend('single')"))  # fmt: skip
    sentence = (
        "The name 'twin' is claimed by alpha 1.0 and zeta 1.0, so neither gets it. Uninstall one, or say in "
    )
    for order in (points, points[::-1]):
        loaded = read_plugins(order)
        assert foreign(loaded) == ["single"]
        assert [entry.spec.name for entry in loaded.backends] == ["auto", "single"]
        with pytest.raises(PluginError) as caught:
            loaded.backends.get("twin")
        assert str(caught.value).startswith(sentence)
        assert reasons(loaded)[0].startswith(f"plugin 'zeta-point' of zeta 1.0: {sentence}")


def test_a_third_namesake_does_not_slip_in(installed):
    body = offering("backend('twin', capabilities=PAID)")
    loaded = read_plugins(installed(a=body, b=body, c=offering("backend('twin', capabilities=FREE)")))
    with pytest.raises(PluginError, match=r"claimed by a 1.0 and b 1.0 and c 1.0, so none gets it"):
        loaded.backends.get("twin")
    assert len(loaded.broken) == 2


def test_a_name_of_the_core_is_not_for_taking(installed):
    body = """
    @hookimpl
    def qstore_gradient_methods():
        return [GradientSpec(name="adjoint", summary="s", factory="m:f", api_version=(1, 0))]
    """
    loaded = read_plugins(installed(alpha=body))
    assert loaded.gradient_methods.get("adjoint").distribution.startswith("qstore-core ")
    assert "'adjoint' is a name of the core's own" in reasons(loaded)[0]


def test_choosing_plugins_settles_who_gets_a_name(installed, monkeypatch):
    points = installed(alpha=offering("backend('twin')"), zeta=offering("backend('twin')"))
    monkeypatch.setenv("QSTORE_PLUGINS", "zeta")
    loaded = read_plugins(points)
    assert loaded.backends.get("twin").distribution == "zeta 1.0"
    assert loaded.broken == ()


def test_an_alias_that_repeats_the_name_does_no_harm(installed):
    loaded = read_plugins(
        installed(good=offering("backend('n', capabilities=PAID, aliases=('n', 'm', 'm'))"))
    )
    assert foreign(loaded) == ["m", "n"]
    assert loaded.broken == ()


def test_the_environment_limits_what_is_loaded(installed, monkeypatch):
    points = installed(good=GOOD, bad="raise RuntimeError")
    for chosen in ("core, good-point", "good", " good-point ,"):
        monkeypatch.setenv("QSTORE_PLUGINS", chosen)
        assert foreign(read_plugins(points)) == ["better", "good"]
        assert read_plugins(points).broken == ()
    monkeypatch.setenv("QSTORE_PLUGINS", "")
    assert foreign(read_plugins(points)) == []
    assert (
        "parameter_shift" in read_plugins(points).gradient_methods.names
    )  # the core's own always come along


def test_a_name_in_the_environment_that_is_not_installed_is_reported(installed, monkeypatch):
    monkeypatch.setenv("QSTORE_PLUGINS", "good, goof")
    (broken,) = read_plugins(installed(good=GOOD)).broken
    assert broken.reason == "QSTORE_PLUGINS names 'goof', and no such plugin is installed"


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ("raise RuntimeError('no licence')", "broken"),
        ("import no_such_module_anywhere", "missing dependency"),
        (offering("backend('old', api_version=(0, 9))"), "wrong API version"),
    ],
)
def test_the_kind_of_trouble_comes_with_a_remedy(installed, body, trouble):
    (broken,) = read_plugins(installed(bad=body)).broken
    assert broken.trouble == trouble
    assert broken.remedy


def test_an_entry_point_listed_twice_is_loaded_once(installed):
    points = installed(good=GOOD)
    assert read_plugins([*points, *points]).broken == ()


def test_an_entry_point_without_a_distribution_is_still_named():
    loaded = read_plugins([EntryPoint("lost", "no_such_module_anywhere", "qstore")])
    assert reasons(loaded)[0].startswith("plugin 'lost' of an unknown distribution: ModuleNotFoundError")


@pytest.mark.parametrize("version", [None, (1,), (1, "0"), 1.0, [1, 0]])
def test_a_malformed_version_is_told_apart(version):
    assert (
        incompatibility(version)
        == f"its api_version is {version!r}; it must be a pair of integers such as (1, 0)"
    )


def test_our_own_version_is_compatible():
    assert incompatibility(API_VERSION) is None


NAMES = ["auto", "statevector"]


@pytest.mark.parametrize(
    ("name", "names", "message"),
    [
        ("statevectr", NAMES, ("No backend named 'statevectr'. Installed backends: 'auto', 'statevector'. "
                "Did you mean 'statevector'?")),
        ("ionq.simulator", NAMES, ("No backend named 'ionq.simulator'. Installed backends: 'auto', 'statevector'. "
                "Backends of 'ionq' come with: pip install qstore-ionq")),
        ("statevector", [], ("No backend named 'statevector'. Installed backends: none. "
                "It comes with: pip install qstore-sim")),
        ("zzz", NAMES, "No backend named 'zzz'. Installed backends: 'auto', 'statevector'."),
        ("ionq.simulatr", ["ionq.simulator"], ("No backend named 'ionq.simulatr'. Installed backends: 'ionq.simulator'. "
                "Did you mean 'ionq.simulator'?")),
    ],
)  # fmt: skip
def test_a_missing_backend_is_explained_word_for_word(name, names, message):
    assert _missing(name, names) == message


def test_the_line_of_the_design_names_the_pip_command():
    if "ionq.simulator" not in qs.plugins.loaded_plugins().backends.names:
        with pytest.raises(BackendUnavailable, match=r"come with: pip install qstore-ionq$"):
            get_backend("ionq.simulator", noise="aria-1")


def test_options_that_a_backend_does_not_take_are_refused_without_their_values():
    with pytest.raises(
        OptionError, match=r"Backend 'b' does not take the options {'token': '...'}"
    ) as caught:
        called_with(lambda size=1: size, {"token": "secret-value"}, "Backend 'b'")
    assert "secret-value" not in str(caught.value)


def test_a_backend_that_does_not_start_is_unavailable():
    def factory():
        raise ImportError("libcuda.so.1")

    with pytest.raises(
        BackendUnavailable, match=r"Backend 'b' is installed but does not start: libcuda.so.1. Run 'qstore"
    ):
        called_with(factory, {}, "Backend 'b'")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("no_colon", "A factory is written 'package.module:callable', got 'no_colon'"),
        (":f", "A factory is written"),
        ("no_such_module_anywhere:f", "cannot be imported: ModuleNotFoundError"),
        ("qstore.batch:no_such_name", "cannot be imported: AttributeError"),
    ],
)
def test_a_factory_that_is_not_there_is_a_plugin_error(path, text):
    with pytest.raises(PluginError, match=text):
        load_factory(path)


def test_formats_without_a_converter_are_named():
    with pytest.raises(
        BackendUnavailable, match=r"No converter to 'qasm9' is installed\. Installed formats: "
    ):
        qs.QuantumCircuit(1).to("qasm9")
    with pytest.raises(BackendUnavailable, match=r"No installed converter reads a builtins.object"):
        qs.QuantumCircuit.from_any(object())


def test_stores_come_in_by_name_and_by_kind(installed):
    body = """
        from qstore.plugins import StoreSpec
        @hookimpl
        def qstore_stores():
            return [StoreSpec(name="states.acme", summary="s", factory="m:f", api_version=(1, 0), aliases=("states",))]
    """
    loaded = read_plugins(installed(acme=body))
    assert loaded.stores.names == ["states", "states.acme"]
    assert [entry.distribution for entry in loaded.stores] == ["acme 1.0"]
