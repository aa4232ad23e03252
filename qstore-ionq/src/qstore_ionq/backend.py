# SPDX-License-Identifier: Apache-2.0
"""`IonQBackend`: whole batches on IonQ's machines and simulator, each circuit paid for at most once.

A batch becomes as few jobs as the service's limits allow; several batches share them. Every job is in the journal before
it is sent and within the budget before it is in the journal (`qstore.execution.jobs`). The compiler and the HTTP library
are imported when the first batch runs.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from qstore.accounting import Budget, Ledger
from qstore.batch import BatchResult, Capabilities, CircuitBatch, Estimate, state_home
from qstore.errors import BackendUnavailable, OptionError, QStoreError
from qstore.execution.bridge import wait_for
from qstore_ionq.configuration import Address, machine_and_address, resolve_key, resolve_url
from qstore_ionq.devices import Device, device_for, target_of
from qstore_ionq.facts import ask_devices, known_devices
from qstore_ionq.loop import on_background_loop
from qstore_ionq.options import Settings, checked_seconds
from qstore_ionq.prices import PriceTable, table_for

if TYPE_CHECKING:
    from pathlib import Path

    from qstore.execution.jobs import Finished, JobRunner
    from qstore_ionq.api import IonQApi
    from qstore_ionq.asking import Asked
    from qstore_ionq.packing import Part
    from qstore_ionq.requesting import Job
    from qstore_ionq.secret import Secret
    from qstore_ionq.service import IonQService
    from qstore_ionq.transport import Transport

__all__ = ["IonQBackend"]

log = logging.getLogger("qstore.ionq")

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")

_SETTLE_S = {True: 60.0, False: 2.0}
"""How long a lost job is looked for before it counts as not accepted, by whether it is paid."""
_LARGE = 8
"""Batches of more rows, which take more than a millisecond, are written and read in a thread: the event loop keeps turning."""


class IonQBackend:
    """A machine of IonQ's, or its simulator.

    Args:
        device: "ionq.simulator", "ionq.forte-1" or any other that the service lists.
        api_key: the key; by default from `qstore_ionq.configure`, IONQ_API_KEY or the keyring.
        url: where the service listens; by default from `qstore_ionq.configure`, QSTORE_IONQ_URL, or IonQ's own.
        noise: the simulator's noise model: "ideal", "aria-1", "forte-1" and others.
        noise_seed: makes that noise repeat; by default it follows from the batch's seed.
        gateset: "auto" (native on machines, QIS on the simulator; circuits of native gates alone as they are), "qis" (IonQ
            compiles) or "native" (compiled here, exactly, for the machine).
        debiasing: error mitigation; None leaves it to the service, which debiases machines' jobs from 500 shots on.
        error_mitigation: further fields of `settings.error_mitigation`.
        compilation: fields of `settings.compilation`.
        sharpen: combine debiased variants by plurality vote instead of averaging.
        dry_run: have jobs compiled and priced by the service, but not run; results have no values.
        session: the id of a session that jobs belong to.
        budget: the most that may be spent, dollars or a `qstore.accounting.Budget`; counted in the user's ledger.
        on_ambiguous: what becomes of a paid job of which nobody knows whether it was accepted: "hold" or "resubmit".
        prices: "azure", "braket", or your own table (`qstore.accounting.ContractPrice`), for estimates.
        unverified: let machines run circuits whose compilation was not proved equal.
        timeout_s: for one request.
        deadline_s: for a whole run; then StillRunning is raised, and the same run name takes it up again.
        settle_s: how long a job that was perhaps accepted is looked for; by default 60 s, on the simulator 2 s.
        max_in_flight: jobs at the service at the same time.
        transport: carries the requests instead of httpx2, for tests and other HTTP libraries.

    Raises:
        BackendUnavailable: IonQ has no such machine.
        OptionError: an option is outside its range, or does not go with the machine.

    Example:
        >>> IonQBackend("ionq.aria-1").capabilities.max_qubits
        25
    """

    def __init__(
        self,
        device: str = "ionq.simulator",
        *,
        api_key: str | Secret | None = None,
        url: str | None = None,
        noise: str = "ideal",
        noise_seed: int | None = None,
        gateset: str = "auto",
        debiasing: bool | None = None,
        error_mitigation: Mapping[str, bool] | None = None,
        compilation: Mapping[str, Any] | None = None,
        sharpen: bool | None = None,
        dry_run: bool = False,
        session: str | None = None,
        budget: Budget | Decimal | float | str | None = None,
        on_ambiguous: str = "hold",
        prices: str | PriceTable | None = None,
        unverified: bool = False,
        timeout_s: float = 60.0,
        deadline_s: float | None = None,
        settle_s: float | None = None,
        max_in_flight: int = 100,
        transport: Transport | None = None,
    ) -> None:
        self._settings = Settings(
            noise=noise, noise_seed=noise_seed, gateset=gateset, debiasing=debiasing, error_mitigation=error_mitigation,
            compilation=compilation, sharpen=sharpen, dry_run=dry_run, session=session,
            unverified=bool(unverified),
        )  # fmt: skip
        self._address = resolve_url(url)
        self._given, self._target = device, target_of(_text(device))
        self._key = resolve_key(api_key) if api_key is not None else None
        self._budget = budget if budget is None or isinstance(budget, Budget) else Budget(budget)
        if on_ambiguous not in {"hold", "resubmit"}:
            raise OptionError(f"on_ambiguous must be 'hold' or 'resubmit', got {on_ambiguous!r}.")
        if isinstance(max_in_flight, bool) or not isinstance(max_in_flight, int) or max_in_flight < 1:
            raise OptionError(f"max_in_flight must be an integer from 1 up, got {max_in_flight!r}.")
        self._on_ambiguous, self._max_in_flight = on_ambiguous, max_in_flight
        self._prices = prices
        self._timeout_s = checked_seconds("timeout_s", timeout_s) or 60.0
        self._deadline_s = checked_seconds("deadline_s", deadline_s)
        self._settle_s = checked_seconds("settle_s", settle_s)
        self._transport = transport
        self._api_made: IonQApi | None = None
        self._runners: dict[str, JobRunner] = {}
        self._ledger_path: Path | None = None
        self._counted_in: Ledger | None = None
        found = self._known_device()
        self._settings.check(found)
        table_for(found, prices)  # a plan that is none is refused here, not when a job is to be priced

    @property
    def name(self) -> str:
        return self._device().name

    @property
    def capabilities(self) -> Capabilities:
        return self._device().capabilities(self._settings.noise)

    @property
    def budget(self) -> Budget | None:
        """What its jobs are reserved from before they are sent; None for no limit."""
        return self._budget

    @property
    def ledger(self) -> Ledger:
        """Where its money is counted: in the user's own ledger; what the emulator charges has one of its own."""
        if self._counted_in is None:
            emulated = state_home() / "ledger-emulator.sqlite" if self._address.loopback else None
            self._counted_in = Ledger(self._ledger_path or emulated)
        return self._counted_in

    def with_budget(self, budget: Budget, ledger: Ledger | None = None) -> IonQBackend:
        """The same machine, which reserves all it sends from this budget; how a router hands its own on.

        Args:
            budget: the most that may be spent.
            ledger: where it is counted, instead of `ledger`.
        """
        twin = copy.copy(self)  # with the same connections; its jobs run under the new budget
        twin.__dict__ |= {
            "_budget": budget,
            "_counted_in": ledger if ledger is not None else self._counted_in,
            "_ledger_path": ledger.path if ledger is not None else self._ledger_path,
            "_api_made": self._api_made,
            "_key": self._key,
        }
        return twin

    def estimate(self, batch: CircuitBatch) -> Estimate:
        device = self._device()
        from qstore_ionq.estimating import estimate_job, expected_error
        from qstore_ionq.packing import pack

        parts = [part for each in self._asked([batch], device) for part in each.parts]
        table = table_for(device, self._prices)
        jobs = [estimate_job(job, parts, device, self._settings, table) for job in pack(parts)]
        queue_s = device.queue_s if device.queue_s is not None else 0.0
        return Estimate(
            usd=Decimal(0) if self._settings.dry_run else sum((job.usd for job in jobs), Decimal(0)),
            seconds=queue_s + sum(job.seconds for job in jobs),
            error=expected_error(parts, device),
            model=f"qstore_ionq: {table.source} (read {table.as_of}); {device.source} (read {device.as_of})",
        )

    async def run(self, batch: CircuitBatch) -> BatchResult:
        """Run every row of a batch.

        Raises:
            CapabilityError: the machine cannot run it; nothing was sent.
            CompilationError: the compiled circuit could not be proved equal; nothing was sent.
            BudgetExceeded: it costs more than is left; nothing was sent.
            AuthenticationError: there is no key, or the service does not accept it.
            JobError: a job failed (IncompleteJob: some of its circuits), was cancelled, is held, or is not done in time.
        """
        return (await self.run_many((batch,)))[0]

    async def run_many(self, batches: Sequence[CircuitBatch]) -> Sequence[BatchResult]:
        """Run several batches, in common jobs where the service's limits allow; raises as `run`."""
        for batch in batches:
            self._check(batch)
        return await on_background_loop(self._run_many(tuple(batches)))

    def job_service(self, target: str) -> IonQService:
        """The service of a journalled job's machine, for `qstore jobs`: the one it was sent to, whatever is set now."""
        from qstore_ionq.service import IonQService

        machine, address = machine_and_address(target)
        if address == self._address:
            return IonQService(self._api(), machine)
        return IonQService(self._api_at(address), machine)

    async def refresh(self) -> Device:
        """Ask the service for the machine's present figures; they are asked for by themselves every 15 minutes."""
        await on_background_loop(
            ask_devices(self._api(), self._address.url, target=self._target, afresh=True)
        )
        return self._device()

    @contextmanager
    def open_session(self, **limits: Any) -> Iterator[IonQBackend]:
        """Reserve the machine: jobs of the backend that this gives run one after the other, without a queue between.

        Args:
            limits: `jobs`, `minutes` and `usd`, after which the service ends the session by itself.

        Raises:
            OptionError: another limit.
            TransportError: the service cannot be reached.
        """
        session = wait_for(self._begin(limits))
        try:
            yield self._in_session(session)
        finally:
            wait_for(self._end(session))

    @asynccontextmanager
    async def open_session_async(self, **limits: Any) -> AsyncIterator[IonQBackend]:
        """The twin of `open_session` for coroutines."""
        session = await on_background_loop(self._begin(limits))
        try:
            yield self._in_session(session)
        finally:
            await on_background_loop(self._end(session))

    async def _begin(self, limits: Mapping[str, Any]) -> str:
        from qstore_ionq.sessions import begin_session

        return await begin_session(self._api(), self._target, limits)

    async def _end(self, session: str) -> None:
        from qstore_ionq.sessions import end_session

        await end_session(self._api(), session)

    def _in_session(self, session: str) -> IonQBackend:
        twin = copy.copy(self)  # with the same connections and journals
        twin.__dict__ |= {
            "_settings": replace(self._settings, session=session),
            "_api_made": self._api_made,
            "_key": self._key,
            "_runners": self._runners,
            "_counted_in": self._counted_in,
        }
        return twin

    async def close(self) -> None:
        """Give connections back; the next run opens new ones."""
        if self._api_made is not None:
            await on_background_loop(self._api_made.close())

    async def _run_many(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        api = self._api()
        await ask_devices(api, self._address.url, target=self._target)
        device = self._device()
        rows = sum(batch.size for batch in batches)
        asked, parts, jobs = await _perhaps_in_thread(rows, self._prepared, batches, device)
        by_run: dict[str, list[Job]] = {}
        for job in jobs:
            by_run.setdefault(job.packed.group[0], []).append(job)
        finished: dict[str, Finished] = {}
        try:
            for run, some in by_run.items():
                runner = self._runner(run, device)
                for each in await runner.run([job.request for job in some], deadline_s=self._deadline_s):
                    finished[each.tag] = each
            from qstore_ionq.collecting import collect

            done = [(job.packed, job.request, finished[job.request.tag]) for job in jobs]
            return await _perhaps_in_thread(rows, collect, asked, parts, done, device)
        except QStoreError as exc:
            exc.perhaps_paid |= any(job.request.paid and job.request.tag in finished for job in jobs)
            raise

    def _prepared(
        self, batches: Sequence[CircuitBatch], device: Device
    ) -> tuple[list[Asked], list[Part], list[Job]]:
        from qstore_ionq.requesting import jobs_for

        asked = self._asked(batches, device)
        parts = [part for each in asked for part in each.parts]
        return (
            asked,
            parts,
            jobs_for(parts, device, self._settings, table_for(device, self._prices), self._address),
        )

    def _asked(self, batches: Sequence[CircuitBatch], device: Device) -> list[Asked]:
        from qstore_ionq.asking import ask

        return [ask(batch, device, self._settings) for batch in batches]

    def _check(self, batch: CircuitBatch) -> None:
        from qstore.execution.plan import check

        check(batch, self.capabilities, self.name)

    def _device(self) -> Device:
        return device_for(self._given, known_devices(self._address.url))

    def _known_device(self) -> Device:
        """The machine; the service is only asked for one that is not built in."""
        try:
            return self._device()
        except BackendUnavailable:
            try:
                wait_for(ask_devices(self._api(), self._address.url, target=self._target))
            except QStoreError:
                log.info("The service cannot be asked for its machines.", exc_info=True)
        return self._device()

    def _api(self) -> IonQApi:
        if self._api_made is None:
            self._api_made = self._api_at(self._address)
        return self._api_made

    def _api_at(self, address: Address) -> IonQApi:
        from qstore_ionq.api import IonQApi
        from qstore_ionq.transport import HttpTransport

        key = self._key if self._key is not None else resolve_key(None)
        transport = self._transport or HttpTransport(
            address, key, timeout_s=self._timeout_s, max_connections=self._max_in_flight
        )
        return IonQApi(transport, key)

    def _runner(self, run: str, device: Device) -> JobRunner:
        found = self._runners.get(run)
        if found is None:
            from qstore.execution.jobs import JobRunner, PollPolicy
            from qstore.execution.journal import run_journal

            settle_s = self._settle_s or _SETTLE_S[not device.is_simulator]
            found = self._runners[run] = JobRunner(
                self.job_service(self._address.machine(device.target)), journal=run_journal(run),
                ledger=None if device.is_simulator else self.ledger, budget=self._budget,
                on_ambiguous=self._on_ambiguous, max_in_flight=self._max_in_flight, settle_s=settle_s,
                poll=PollPolicy(first_s=0.05, cap_s=2.0) if device.is_simulator else PollPolicy(),
            )  # fmt: skip
        return found

    def __getstate__(self) -> dict[str, Any]:
        # The key, connections and journals stay behind: the other process looks the key up itself and opens its own.
        return {**self.__dict__, "_key": None, "_api_made": None, "_runners": {}, "_counted_in": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> IonQBackend:
        # In this process the key may come along; settings are immutable.
        twin = copy.copy(self)
        twin.__dict__["_key"] = self._key
        return twin

    def __repr__(self) -> str:
        settings = self._settings
        given = [
            f"{name}={getattr(settings, name)!r}"
            for name in settings.__slots__
            if getattr(settings, name) != getattr(_PLAIN, name)
        ]
        given += [f"budget={self._budget!r}"] if self._budget is not None else []
        return f"IonQBackend({', '.join([repr(self.name), f'url={self._address.url!r}', *given])})"


_PLAIN = Settings()


async def _perhaps_in_thread(
    rows: int, work: Callable[Arguments, Made], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Made:
    return await asyncio.to_thread(work, *arguments, **named) if rows > _LARGE else work(*arguments, **named)


def _text(device: str) -> str:
    if not isinstance(device, str) or not device:
        raise OptionError(f"device must be a name such as 'ionq.simulator', got {device!r}.")
    return device
