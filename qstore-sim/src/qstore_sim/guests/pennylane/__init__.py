# SPDX-License-Identifier: Apache-2.0
"""PennyLane's device `qstore.statevector`: tapes of equal structure become one batch.

structure: a tape's structure and its numbers; rows: the batch that several tapes are; readout: measurement processes
as our outputs and back; sampling: the same from shots; accepted: what runs as it is; device: PennyLane's contract.

A wire's place in the tape is our qubit. PennyLane's states have the first wire as the most significant bit, ours the
least significant: our arrays are handed over with the wires in reverse.
"""
