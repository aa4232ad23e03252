# SPDX-License-Identifier: Apache-2.0
"""These tests run Keras on TensorFlow, in this process; the other frameworks have processes of their own."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
