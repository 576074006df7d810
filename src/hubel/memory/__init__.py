"""What a network holds in memory while it runs: a forecast of the peak."""

from hubel.memory.forecasting import OPTIMISERS, Forecast, forecast

__all__ = ["OPTIMISERS", "Forecast", "forecast"]
