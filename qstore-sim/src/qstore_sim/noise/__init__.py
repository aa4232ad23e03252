# SPDX-License-Identifier: Apache-2.0
"""Open systems: channels, measurements inside a circuit and conditions; as density matrices or as trajectories."""
