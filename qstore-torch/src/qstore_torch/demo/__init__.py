# SPDX-License-Identifier: Apache-2.0
"""The demo: a hybrid classifier for real images, `python -m qstore_torch.demo`."""
