# SPDX-License-Identifier: Apache-2.0
"""No test hangs: a watchdog prints every thread's stack and ends the process after a minute."""

import faulthandler

import pytest


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
