# SPDX-License-Identifier: Apache-2.0
"""The embedded simulator with less declared than it can do."""

import qstore as qs


class Limited:
    """A backend whose capabilities are changed."""

    name = "limited"

    def __init__(self, **changes):
        self._inner = qs.get_backend("statevector")
        self.capabilities = self._inner.capabilities.with_changes(**changes)

    def estimate(self, batch):
        return self._inner.estimate(batch)

    async def run(self, batch):
        return self.run_sync(batch)

    def run_sync(self, batch):
        assert not batch.circuit.is_noisy
        return self._inner.run_sync(batch)

    async def vjp(self, batch, cotangent, wrt=None):
        return self.vjp_sync(batch, cotangent, wrt)

    def vjp_sync(self, batch, cotangent, wrt=None):
        return self._inner.vjp_sync(batch, cotangent, wrt)


def without_noise():
    """No channels, no feedback."""
    return Limited(noise=False, feedback=False, differentiates_noise=False)
