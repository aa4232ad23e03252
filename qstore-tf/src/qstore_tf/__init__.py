# SPDX-License-Identifier: Apache-2.0
"""Quantum layers for Keras 3, on TensorFlow, PyTorch or JAX.

Names are loaded on first use (PEP 562): the plugin manager imports this package to list what is installed, and that
must not import Keras.
"""

__version__ = "0.1.0"
