# Licensed under a 3-clause BSD style license - see LICENSE.rst
import signal
import sys
import pytest


@pytest.fixture(autouse=True)
def ray_ends_with_its_test():
    """End ray after each test, and with it its handler of SIGTERM.

    Processes that are forked later would have that handler, too, and now and then a
    pool of them does not end.
    """
    before = signal.getsignal(signal.SIGTERM)
    yield
    ray = sys.modules.get("ray")
    if getattr(ray, "is_initialized", bool)():
        ray.shutdown()
    if signal.getsignal(signal.SIGTERM) is not before:
        signal.signal(signal.SIGTERM, before)
