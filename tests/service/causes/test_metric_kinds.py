"""Kinds are read out of names that nobody agreed on."""

import pytest

from service.causes.metric_kinds import MetricKind, kind_of


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("CpuUsageRate(%)", MetricKind.CPU),
        ("container_cpu_usage_seconds_total", MetricKind.CPU),
        ("node_load5", MetricKind.CPU),
        ("MemoryUsage(Mi)", MetricKind.MEMORY),
        ("container_memory_working_set_bytes", MetricKind.MEMORY),
        ("node_memory_MemAvailable_bytes", MetricKind.MEMORY),
        ("PodServerLatencyP95(s)", MetricKind.LATENCY),
        ("latency_p99", MetricKind.LATENCY),
        ("checkout_latency-90", MetricKind.LATENCY),
        ("http_request_duration_seconds", MetricKind.LATENCY),
        ("PodClientLatencyP95(s)", MetricKind.CLIENT_LATENCY),
        ("grpc_client_handling_duration_seconds", MetricKind.CLIENT_LATENCY),
        ("availability_Average", MetricKind.AVAILABILITY),
        ("PodSuccessRate(%)", MetricKind.AVAILABILITY),
        ("up", MetricKind.AVAILABILITY),
        ("kube_deployment_status_replicas_unavailable", MetricKind.ERRORS),
        ("unhealthy_hosts", MetricKind.ERRORS),
        ("http_requests_failed_total", MetricKind.ERRORS),
        ("requests_Sum", MetricKind.TRAFFIC),
        ("PodWorkload(Ops)", MetricKind.TRAFFIC),
        ("NetworkReceiveBytes", MetricKind.NETWORK),
        ("SyscallRead", MetricKind.IO),
        ("diskio_util", MetricKind.IO),
        ("build_info", MetricKind.OTHER),
    ],
)
def test_the_kind_of_a_metric(metric: str, kind: MetricKind) -> None:
    assert kind_of(metric) is kind


def test_which_direction_hurts() -> None:
    assert kind_of("availability").hurts == -1
    assert kind_of("replicas_unavailable").hurts == 1
    assert kind_of("latency_p99").hurts == 1
    assert kind_of("cpu").hurts == 0
