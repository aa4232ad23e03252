# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand circuits through the executor: what is in flight, what it takes of memory and of the event loop."""
