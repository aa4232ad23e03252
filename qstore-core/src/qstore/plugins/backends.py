# SPDX-License-Identifier: Apache-2.0
"""Backends, gradient methods, compilers and converters by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from qstore.circuit import CircuitView, QuantumCircuit, Template
from qstore.errors import BackendUnavailable, OptionError, PluginError, nearest_names
from qstore.plugins.contracts import Backend, GradientMethod, NativeGradientMethod
from qstore.plugins.factories import called_with, load_factory
from qstore.plugins.installed import loaded_plugins

if TYPE_CHECKING:
    from qstore.plugins.registry import Registry

__all__ = ["convert_from", "convert_to", "get_backend", "get_compiler", "get_gradient_method"]

EMBEDDED_SIMULATOR = "statevector"
EMBEDDED_DISTRIBUTION = "qstore-sim"


def get_backend(name: str, **options: Any) -> Backend:
    """Make a backend by its registered name.

    Args:
        name: as `qstore backends` lists it.
        options: what the backend takes, for instance `precision="single"`.

    Raises:
        BackendUnavailable: no such backend, or its distribution is missing or broken; says what to install.
        OptionError: the backend does not take these options.
        PluginError: two distributions claim the name, or what the plugin made is no backend.

    Example:
        >>> get_backend("statevector").name
        'statevector'
    """
    if not isinstance(name, str):
        raise OptionError(f"A backend's name is a string, got {name!r}.")
    plugins = loaded_plugins()
    entry = plugins.backends.get(name)
    if entry is None:
        raise BackendUnavailable(_missing(name, plugins.backends.names))
    try:
        factory = load_factory(entry.spec.factory)
    except PluginError as exc:
        msg = f"Backend {name!r} of {entry.distribution} is installed but broken: {exc} Reinstall it or run 'qstore doctor'."
        raise BackendUnavailable(msg) from exc
    backend = called_with(factory, options, f"Backend {name!r}")
    if not isinstance(backend, Backend):
        raise PluginError(
            f"{entry.spec.factory} of {entry.distribution} made {backend!r}, which is not a Backend."
        )
    return backend


def get_gradient_method(name: str, **options: Any) -> GradientMethod | NativeGradientMethod:
    """Make a gradient method by its registered name.

    Raises:
        OptionError: no such method, or it does not take these options.

    Example:
        >>> type(get_gradient_method("parameter_shift")).__name__
        'ParameterShift'
    """
    made = _made("gradient method", name, loaded_plugins().gradient_methods, options)
    return cast("GradientMethod | NativeGradientMethod", made)


def get_compiler(name: str, **options: Any) -> Callable[[Template], Template]:
    """Make a compiler pass by its registered name.

    Raises:
        OptionError: no such pass, or it does not take these options.

    Example:
        >>> import qstore as qs
        >>> merge = get_compiler("merge_rotations")
        >>> merge(qs.QuantumCircuit(1).rx(0, 0.1).rx(0, "t").freeze()).gate_counts()
        {'rx': 1}
    """
    made = _made("compiler", name, loaded_plugins().compilers, options)
    return cast("Callable[[Template], Template]", made)


def _made(kind: str, name: str, registry: Registry[Any], options: Mapping[str, Any]) -> object:
    entry = registry.get(name)
    if entry is None:
        hint = nearest_names(str(name), registry.names)
        raise OptionError(f"No {kind} named {name!r}.{hint} Installed: {', '.join(registry.names)}.")
    return called_with(load_factory(entry.spec.factory), options, f"{kind.capitalize()} {name!r}")


def convert_to(circuit: CircuitView, format: str, options: Mapping[str, Any]) -> Any:
    """Convert a circuit to an installed format; behind `circuit.to(format)`."""
    converters = loaded_plugins().converters
    entry = converters.get(format)
    if entry is None or not entry.spec.from_qstore:
        raise BackendUnavailable(_no_converter(f"No converter to {format!r} is installed.", converters))
    convert = load_factory(entry.spec.from_qstore)
    if options:
        import inspect  # only needed to tell an option that does not exist from a mistake inside

        try:
            inspect.signature(convert).bind(circuit, **options)
        except TypeError as exc:
            raise OptionError(f"The converter to {format!r} does not take {sorted(options)}: {exc}.") from exc
    return convert(circuit, **options)


def convert_from(source: Any) -> QuantumCircuit:
    """Convert what an installed converter recognises; behind `QuantumCircuit.from_any(source)`."""
    converters = loaded_plugins().converters
    for entry in converters:
        if entry.spec.to_qstore and entry.spec.matches and load_factory(entry.spec.matches)(source):
            return cast("QuantumCircuit", load_factory(entry.spec.to_qstore)(source))
    what = f"{type(source).__module__}.{type(source).__qualname__}"
    raise BackendUnavailable(_no_converter(f"No installed converter reads a {what}.", converters))


def _missing(name: str, names: list[str]) -> str:
    installed = f"Installed backends: {', '.join(map(repr, names)) or 'none'}."
    hint = nearest_names(str(name), names)
    if name == EMBEDDED_SIMULATOR:
        return f"No backend named {name!r}. {installed} It comes with: pip install {EMBEDDED_DISTRIBUTION}"
    vendor, dot, _ = str(name).partition(".")
    if dot and not hint and vendor.isidentifier():
        return f"No backend named {name!r}. {installed} Backends of {vendor!r} come with: pip install qstore-{vendor}"
    return f"No backend named {name!r}. {installed}{hint}"


def _no_converter(sentence: str, converters: Registry[Any]) -> str:
    return f"{sentence} Installed formats: {', '.join(converters.names) or 'none'}."
