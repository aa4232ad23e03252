# SPDX-License-Identifier: Apache-2.0
"""The job core against a service made for the purpose: `python -m faults.core --kills 200`, run in `tests/`."""
