from service.metrics.kinds import MetricKind, kind_of

__all__ = ["MetricKind", "kind_of"]
