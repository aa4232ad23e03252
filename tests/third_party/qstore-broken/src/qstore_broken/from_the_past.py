# SPDX-License-Identifier: Apache-2.0
"""Was written for an API that is gone."""

from qstore.plugins import BackendSpec, hookimpl


@hookimpl
def qstore_backends():
    """A backend of another age."""
    return [BackendSpec(name="old", summary="old", factory="qstore_broken.old:Old", api_version=(0, 9))]
