"""Loaded before every test: hubel settles how threads wait, which must come before torch; and no example of a property has a deadline."""

from hypothesis import HealthCheck, settings

import hubel  # noqa: F401

settings.register_profile("hubel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hubel")
