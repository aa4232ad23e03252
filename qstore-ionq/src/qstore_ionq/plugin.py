# SPDX-License-Identifier: Apache-2.0
"""How IonQ's backends register: through the same door as any plugin. Imports nothing heavy."""

from __future__ import annotations

from qstore.plugins import BackendSpec, ConverterSpec, hookimpl
from qstore_ionq.devices import DEVICES, SIMULATOR

_API = (1, 0)
_SUMMARIES = {
    SIMULATOR: "IonQ's cloud simulator: exact probabilities or shots, ideal or with a machine's noise",
    "qpu.aria-1": "IonQ Aria 1: trapped ions, 25 qubits, native MS gates",
    "qpu.forte-1": "IonQ Forte 1: trapped ions, 36 qubits, native ZZ gates",
    "qpu.forte-enterprise-1": "IonQ Forte Enterprise 1: trapped ions, 36 qubits, native ZZ gates",
}


@hookimpl
def qstore_backends() -> tuple[BackendSpec, ...]:
    """One for each machine that is known without asking, and `ionq` for any that the service lists."""
    return (
        *(
            BackendSpec(
                name=device.name,
                summary=_SUMMARIES[target],
                factory=f"qstore_ionq.factories:{device.name.partition('.')[2].replace('-', '_')}",
                api_version=_API,
                capabilities=device.capabilities(),
            )
            for target, device in DEVICES.items()
        ),
        BackendSpec(
            name="ionq",
            summary="any machine that IonQ's service lists: get_backend('ionq', device='forte-1')",
            factory="qstore_ionq.backend:IonQBackend",
            api_version=_API,
        ),
    )


@hookimpl
def qstore_converters() -> tuple[ConverterSpec, ...]:
    """The JSON that jobs are made of."""
    return (
        ConverterSpec(
            name="ionq",
            summary="IonQ's JSON: the input of a job",
            matches="qstore_ionq.converter:matches",
            to_qstore="qstore_ionq.converter:loads",
            from_qstore="qstore_ionq.converter:dumps",
            api_version=_API,
        ),
    )
