# SPDX-License-Identifier: Apache-2.0
"""IonQ's backend against a service that fails: every fault, per route and per attempt, with many seeds at once."""
