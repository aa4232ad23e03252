# SPDX-License-Identifier: Apache-2.0
"""What the stores must survive: kills at every moment, full and failing disks, damaged files, many writers."""
