# SPDX-License-Identifier: Apache-2.0
"""The JSON objects of the service: jobs, costs, backends, characterizations, estimates, usage.

Every key of the job object is there, null where nothing is known, as IonQ's own client demands; only `shots` and `noise`
are left out where the service leaves them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qstore_ionq.emulator.devices import DEVICES, NOISE_MODELS, Device, device_named
from qstore_ionq.emulator.gates import NATIVE_GATES, PAULI_EXPONENTIAL, QIS_GATES
from qstore_ionq.emulator.intake import run_seconds
from qstore_ionq.emulator.jobs import COMPLETED, FAILED, Job
from qstore_ionq.emulator.prices import PRICE_LISTS, Work
from qstore_ionq.emulator.results import result_links, variants
from qstore_ionq.emulator.service import Service
from qstore_ionq.emulator.sessions import ORGANIZATION, PROJECT, USER
from qstore_ionq.emulator.validation import SINGLE
from qstore_ionq.emulator.wire import ApiError, as_time, from_time

__all__ = ["NATIVE_CIRCUIT", "backend_view", "backends", "characterization", "characterizations", "cost_view", "estimate",
           "job_view", "usage"]  # fmt: skip

NATIVE_CIRCUIT = "ionq.native.json.v1"
_CHARACTERIZED = 1_788_220_800.0  # 2026-09-01
_EPOCH_DAY = 86400


def job_view(service: Service, job: Job) -> dict[str, Any]:
    """GET /jobs/{id}."""
    now = service.clock.now()
    status = job.status(now)
    started = status not in {"submitted", "ready"} and now >= job.start_at and job.canceled_at is None
    ended = job.end_at if status == COMPLETED else job.canceled_at
    if status == FAILED and job.failure is not None:
        ended = job.failure.at
    micros = round(job.run_s * 1e6)
    view: dict[str, Any] = {
        "id": job.id,
        "status": status,
        "type": job.type,
        "backend": job.backend,
        "dry_run": job.dry_run,
        "submitter_id": USER,
        "project_id": PROJECT,
        "parent_job_id": job.parent_id,
        "child_job_ids": list(job.child_ids) or None,
        "session_id": job.session_id,
        "metadata": job.metadata,
        "name": job.name,
        "submitted_at": as_time(job.submitted_at),
        "started_at": as_time(job.start_at) if started else None,
        "completed_at": as_time(ended),
        "predicted_execution_duration_ms": round(job.run_s * 1e3),
        "predicted_wait_time_ms": round((job.start_at - job.submitted_at) * service.options.speed * 1e3)
        if job.start_at > job.submitted_at
        else 0,
        "execution_duration_ms": round(job.run_s * 1e3) if status == COMPLETED else None,
        "failure": None,
        "cost_model": None if job.backend == "simulator" else "2QGE_operations",
        "settings": job.settings,
        "stats": {
            "qubits": job.qubits,
            "circuits": len(job.child_ids) or 1,
            "gate_counts": {"1q": job.gates_1q, "2q": job.gates_2q},
            "kwh": 0.0,
            "predicted_quantum_compute_time_us": micros,
            "billed_quantum_compute_time_us": micros if status == COMPLETED and not job.dry_run else 0,
        },
        "output": {"compilation": {}, "error_mitigation": {}},
        "results": None,
    }
    if job.shots is not None:
        view["shots"] = job.shots
    if job.noise is not None:
        view["noise"] = job.noise
    if status == FAILED and job.failure is not None:
        view["failure"] = {"code": job.failure.code, "message": job.failure.message}
    if status == COMPLETED:
        view["output"] = _output(service, job)
        compiled_only = job.dry_run and job.backend != "simulator"
        view["results"] = None if compiled_only else result_links(job)
    return view


def _output(service: Service, job: Job) -> dict[str, Any]:
    compiled = {}
    if job.type == SINGLE:
        compiled[NATIVE_CIRCUIT] = {
            "id": "native",
            "format": NATIVE_CIRCUIT,
            "media_type": "application/json",
        }
    mitigation: dict[str, Any] = {}
    if job.mitigated and not job.child_ids and not job.dry_run:
        mitigation["debiasing"] = {"variants": variants(service, job)}
    return {
        "compilation": {"compiled_circuits": compiled} if compiled else {},
        "error_mitigation": mitigation,
    }


def cost_view(service: Service, job: Job) -> dict[str, Any]:
    """GET /jobs/{id}/cost: what was estimated, and, once it ran, what was billed."""
    view: dict[str, Any] = {"dry_run": job.dry_run, "estimated_cost": _usd(job.price_usd)}
    if job.status(service.clock.now()) == COMPLETED:
        view["cost"] = _usd(job.billed_usd(service.clock.now()))
    return view


def _usd(amount: Decimal) -> dict[str, Any]:
    return {"value": float(amount), "unit": "usd"}


def backends(service: Service) -> list[dict[str, Any]]:
    """GET /backends."""
    return [backend_view(service, device) for device in DEVICES.values()]


def backend_view(service: Service, device: Device) -> dict[str, Any]:
    """GET /backends/{name}; queue times are milliseconds."""
    queue_s = device.queue_s if service.options.queue_s is None else service.options.queue_s
    natives = [name for name, row in NATIVE_GATES.items() if row.targets == 1 and row.plain]
    view: dict[str, Any] = {
        "backend": device.name,
        "status": "available",
        "qubits": device.qubits,
        "average_queue_time": round(queue_s * 1000),
        "last_updated": as_time(service.clock.now()),
        "degraded": False,
        "supported_gates": [*QIS_GATES, PAULI_EXPONENTIAL],
        "supported_native_gates": [*natives, *device.entanglers],
        "supported_error_mitigations": [] if device.is_simulator else ["debiasing"],
    }
    if device.is_simulator:
        view["noise_models"] = list(NOISE_MODELS)
    else:
        view |= {
            "characterization_id": characterization(service, device)["id"],
            "kw": 1.5,
            "location": "127.0.0.1",
        }
    return view


def characterization(service: Service, device: Device) -> dict[str, Any]:
    """GET /backends/{name}/characterizations/{id}; times are seconds."""
    pairs = [[a, b] for a in range(device.qubits) for b in range(a + 1, device.qubits)]
    return {
        "id": service.intake.name(f"{device.name}:characterization", 1),
        "backend": device.name,
        "date": as_time(_CHARACTERIZED),
        "qubits": device.qubits,
        "connectivity": pairs,
        "fidelity": {
            "spam": {"median": device.fidelity_spam, "stderr": None},
            "1q": {"median": device.fidelity_1q, "stderr": None},
            "2q": {"median": device.fidelity_2q, "stderr": None},
        },
        "timing": {
            "t1": device.t1_s,
            "t2": device.t2_s,
            "1q": device.gate_1q_s,
            "2q": device.gate_2q_s,
            "readout": device.readout_s,
            "reset": device.reset_s,
        },
    }


def characterizations(service: Service, device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    """GET /backends/{name}/characterizations: one for each machine, none for the simulator."""
    limit = query.get("limit", "10")
    if not limit.isdigit() or not 1 <= int(limit) <= 10:
        raise ApiError(400, '"limit" must be from 1 to 10.', keys=("limit",))
    start = from_time(query["start"]) if "start" in query else 0.0
    end = from_time(query["end"]) if "end" in query else float("inf")
    inside = not device.is_simulator and start <= _CHARACTERIZED <= end and query.get("page", "1") == "1"
    return {"characterizations": [characterization(service, device)] if inside else [], "pages": 1}


def estimate(service: Service, query: Mapping[str, str]) -> dict[str, Any]:
    """GET /jobs/estimate, under the names of May and of September 2026; times are milliseconds."""
    device = device_named(query.get("backend", ""))
    if device is None:
        raise ApiError(400, f'"backend" must be one of {", ".join(DEVICES)}.', keys=("backend",))
    numbers = {}
    for key, default in (("qubits", "1"), ("shots", "1000"), ("1q_gates", "0"), ("2q_gates", "0")):
        text = query.get(key, default)
        if not text.isdigit() or len(text) > 9:
            raise ApiError(400, f'"{key}" must be a number.', keys=(key,))
        numbers[key] = int(text)
    mitigated = query.get("error_mitigation", "false").lower() == "true"
    ones, twos, shots = numbers["1q_gates"], numbers["2q_gates"], numbers["shots"]
    prices = PRICE_LISTS[service.options.prices]
    cost = float(prices.quote(device, Work(1, shots, ones, twos, mitigated)))
    run_s = run_seconds(device, shots, ones, twos)
    queue_s = device.queue_s if service.options.queue_s is None else service.options.queue_s
    inputs = {
        "backend": device.name,
        "type": query.get("type", "ionq.circuit.v1"),
        **numbers,
        "error_mitigation": mitigated,
        "session": query.get("session", "false").lower() == "true",
    }
    rates = prices.rates(mitigated)
    return {
        "input_values": inputs,
        "estimate_context": inputs,
        "estimated_at": as_time(service.clock.now()),
        "cost_unit": "usd",
        "estimated_unit": "usd",
        "rate_information": {
            "organization": ORGANIZATION,
            **{k: v for k, v in rates.items() if k not in {"sku", "unit"}},
        },
        "rate_card": {"id": prices.name, "rates": [rates]},
        "estimated_cost": cost,
        "estimated_total_cost": cost,
        "estimated_execution_time": round(run_s * 1000),
        "current_predicted_queue_time": round(queue_s * 1000),
        "estimated_quantum_compute_time_us": round(run_s * 1e6),
    }


def usage(service: Service, query: Mapping[str, str]) -> dict[str, Any]:
    """GET /organizations/{id}/usage: what was billed, by day and by job, project or user."""
    group = query.get("group_by", "job")
    if group not in {"job", "project", "user"}:
        raise ApiError(400, '"group_by" must be job, project or user.', keys=("group_by",))
    start = from_time(query["start_date"]) if "start_date" in query else 0.0
    end = from_time(query["end_date"]) + _EPOCH_DAY if "end_date" in query else float("inf")
    now = service.clock.now()
    rows: dict[tuple[str, str], Decimal] = {}
    for job in service.store.jobs.values():
        billed = job.billed_usd(now)
        if job.parent_id is None and billed and start <= job.end_at < end:
            day = str(as_time(job.end_at))[:10]
            name = {"job": job.id, "project": PROJECT, "user": USER}[group]
            rows[day, name] = rows.get((day, name), Decimal(0)) + billed
    listed = [
        {"date": day, group: name, "amount": _usd(amount)} for (day, name), amount in sorted(rows.items())
    ]
    return {"group_by": group, "usage": listed, "total": _usd(sum(rows.values(), Decimal(0)))}
