# SPDX-License-Identifier: Apache-2.0
"""The control arm: a client that simply tries again must pay twice, or the emulator proves nothing."""

from __future__ import annotations

import asyncio

import httpx2

from qstore_ionq.emulator import Emulator

TRIES = 4


async def _submit(client: httpx2.AsyncClient, number: int) -> None:
    body = {
        "type": "ionq.circuit.v1", "backend": "qpu.aria-1", "shots": 100, "metadata": {"qstore_tag": f"{number:064x}"},
        "input": {"gateset": "qis", "qubits": 1, "circuit": [{"gate": "x", "target": 0}]},
    }  # fmt: skip
    for _ in range(TRIES):
        try:
            answer = await client.post("jobs", json=body)
            if answer.is_success:
                return
        except httpx2.TransportError:
            continue


def duplicates(emulator: Emulator, jobs: int) -> int:
    """How many of the jobs were billed more than once when a tenth of the answers is lost."""
    emulator.reset()
    emulator.set_faults(
        {"seed": 1, "fault": [{"route": "submit", "kind": "reset", "stage": "after", "probability": 0.1}]}
    )

    async def all_of_them() -> None:
        headers = {"Authorization": "apiKey any"}
        async with httpx2.AsyncClient(base_url=f"{emulator.url}/", headers=headers) as client:
            for start in range(0, jobs, 50):
                await asyncio.gather(*(_submit(client, number) for number in range(start, start + 50)))

    asyncio.run(all_of_them())
    emulator.clear_faults()
    return emulator.stats.duplicates
