# SPDX-License-Identifier: Apache-2.0
"""How things fail: every exception that qstore raises on purpose.

QStoreError
├── CircuitError (ValueError)          the circuit, an angle or an observable cannot be built as asked
│   └── CircuitFormatError             a serialized circuit cannot be read
├── BindingError (ValueError)          the arrays given for the parameters do not fit the circuit
├── OptionError (ValueError)           an argument of run, a backend or a layer is outside its range
│   └── ConfigurationError             a setting in the environment or in the settings file cannot be used
├── CapabilityError                    the backend cannot do what the batch asks
│   └── ResourceError (MemoryError)    it could, but not within this machine's memory
├── BackendUnavailable (LookupError)   no such backend here, or its distribution is missing or broken
├── AuthenticationError                a service needs a key, or does not accept the one it got
├── PluginError                        a plugin breaks the contract it registered for
├── CompilationError                   a compiled circuit could not be proved equal to its source
├── BudgetExceeded                     a job would cost more than is left of its budget; nothing was sent
├── QueueFull                          an executor has as many circuits waiting as it takes; nothing was queued
├── DeadlineExceeded (TimeoutError)    a submission was not done by its deadline
├── TransportError (ConnectionError)   a service could not be reached
├── StorageError (RuntimeError)        a checkpoint, a metric or a state cannot be stored or read
│   ├── CheckpointCorrupt              what lies on the disk is not what was saved
│   ├── AlreadyStored (FileExistsError)  something of that name is there; nothing was overwritten
│   ├── NotStored (LookupError)        nothing of that name is there
│   ├── StateCorrupt                   a quantum state in a database is not what was stored
│   └── SchemaError (ValueError)       a row does not fit the columns of its run
└── ExecutionError (RuntimeError)      a backend returned something that is not an answer to the batch
    ├── ServiceError                   a service's answer cannot be used; names the field
    └── JobError                       a job did not end well; has its id where that is known
        ├── JobFailed                  the service reports a failure
        ├── JobCancelled               somebody cancelled it
        ├── JobAmbiguous               nobody knows whether it was accepted, so it is held rather than paid twice
        └── StillRunning               it was not done by the deadline; running again under the same run name resumes it

A message says what was asked (with its value), what holds, and what to do next.
"""

from __future__ import annotations

__all__ = [
    "AlreadyStored",
    "AuthenticationError",
    "BackendUnavailable",
    "BindingError",
    "BudgetExceeded",
    "CapabilityError",
    "CheckpointCorrupt",
    "CircuitError",
    "CircuitFormatError",
    "CompilationError",
    "ConfigurationError",
    "DeadlineExceeded",
    "ExecutionError",
    "JobAmbiguous",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "NotStored",
    "OptionError",
    "PluginError",
    "QStoreError",
    "QueueFull",
    "ResourceError",
    "SchemaError",
    "ServiceError",
    "StateCorrupt",
    "StillRunning",
    "StorageError",
    "TransportError",
    "nearest_names",
]


class QStoreError(Exception):
    """Root of every exception that qstore raises on purpose.

    Attributes:
        perhaps_paid: whether something else of the call that it ended may have been paid for, such as another job of it that
            was accepted. Whatever the error itself says: that call is not divided, nor paid for on another backend.
    """

    perhaps_paid: bool = False


class CircuitError(QStoreError, ValueError):
    """A circuit, an angle or an observable cannot be built as asked."""


class CircuitFormatError(CircuitError):
    """A serialized circuit is damaged, too large, or of a version this release does not read."""


class BindingError(QStoreError, ValueError):
    """The arrays given for the parameters do not fit the circuit."""


class OptionError(QStoreError, ValueError):
    """An argument lies outside its range."""


class ConfigurationError(OptionError):
    """A setting in the environment or in the settings file cannot be used; names the place and the setting."""


class CapabilityError(QStoreError):
    """The backend cannot do what the batch asks for."""


class ResourceError(CapabilityError, MemoryError):
    """The work does not fit into this machine's memory; nothing was allocated."""


class BackendUnavailable(QStoreError, LookupError):
    """No backend of that name can be used here."""


class PluginError(QStoreError):
    """A plugin breaks the contract it registered for."""


class ExecutionError(QStoreError, RuntimeError):
    """A backend returned something that is not an answer to the batch."""


class ServiceError(ExecutionError):
    """A service's answer cannot be used; the message names the field."""


class AuthenticationError(QStoreError):
    """A service needs a key, or does not accept the one it got."""


class CompilationError(QStoreError):
    """A compiled circuit could not be proved equal to its source; it was not used."""


class BudgetExceeded(QStoreError):
    """A job would cost more than is left of its budget; nothing was sent."""


class QueueFull(QStoreError):
    """An executor has as many circuits waiting as it takes; nothing was queued."""


class DeadlineExceeded(QStoreError, TimeoutError):
    """A submission to an executor was not done by its deadline."""


class TransportError(QStoreError, ConnectionError):
    """A service could not be reached."""


class StorageError(QStoreError, RuntimeError):
    """A checkpoint, a metric or a state cannot be stored or read."""


class CheckpointCorrupt(StorageError):
    """What lies on the disk is not what was saved; names the file."""


class AlreadyStored(StorageError, FileExistsError):
    """Something of that name is there already; nothing was overwritten."""


class NotStored(StorageError, LookupError):
    """Nothing of that name is there."""


class StateCorrupt(StorageError):
    """A quantum state in a database is not what was stored; names its id."""


class SchemaError(StorageError, ValueError):
    """A row does not fit the columns that its run is pinned to; nothing of it was logged."""


class JobError(ExecutionError):
    """A job did not end well.

    Attributes:
        job_id: the service's name of the job, "" where it is not known.
        tag: our own name of the job, as in the journal.
    """

    def __init__(self, message: str, *, job_id: str = "", tag: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id
        self.tag = tag


class JobFailed(JobError):
    """The service reports that a job failed."""


class JobCancelled(JobError):
    """A job was cancelled."""


class JobAmbiguous(JobError):
    """Nobody knows whether a job was accepted, so it is held rather than paid twice."""


class StillRunning(JobError):
    """A job was not done by the deadline; running again under the same run name resumes it."""


def nearest_names(name: str, known: list[str]) -> str:
    """Return " Did you mean ...?" for the known names closest to `name`, or an empty string.

    Example:
        >>> nearest_names("statevectr", ["statevector", "auto"])
        " Did you mean 'statevector'?"
    """
    from difflib import get_close_matches  # only needed on the way to an error

    close = get_close_matches(name, known, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
