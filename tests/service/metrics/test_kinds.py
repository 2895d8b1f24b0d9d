"""Kinds are read out of names that nobody agreed on."""

import pytest

from service.metrics.kinds import MetricKind, Nature, direction_of, kind_of, kind_of_series


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
        ("node_disk_read_bytes_total", MetricKind.IO),
        ("redis_connected_clients", MetricKind.SATURATION),
        ("process_open_fds", MetricKind.SATURATION),
        ("kafka_consumergroup_lag", MetricKind.SATURATION),
        ("node_filesystem_avail_bytes", MetricKind.SATURATION),
        ("DCGM_FI_DEV_GPU_TEMP", MetricKind.SATURATION),
        ("DCGM_FI_DEV_XID_ERRORS", MetricKind.ERRORS),
        ("redis_rejected_connections_total", MetricKind.ERRORS),
        ("training_tokens_per_second", MetricKind.TRAFFIC),
        ("build_info", MetricKind.OTHER),
    ],
)
def test_the_kind_of_a_metric(metric: str, kind: MetricKind) -> None:
    assert kind_of(metric) is kind


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("availability", -1),
        ("probe_success", -1),
        ("replicas_unavailable", 1),
        ("latency_p99", 1),
        ("node_cpu_utilisation_ratio", 1),
        ("node_cpu_idle_ratio", -1),
        ("node_memory_MemAvailable_bytes", -1),
        ("node_filesystem_free_bytes", -1),
        ("http_requests_total", -1),
        ("training_tokens_per_second", -1),
        ("build_info", 0),
    ],
)
def test_which_direction_hurts(metric: str, direction: int) -> None:
    assert direction_of(metric, kind_of(metric)) == direction


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"code": "503"}, MetricKind.ERRORS),
        ({"code": "5xx"}, MetricKind.ERRORS),
        ({"status_code": "404"}, MetricKind.ERRORS),
        ({"code": "200"}, MetricKind.TRAFFIC),
        ({"status": "ready"}, MetricKind.TRAFFIC),
        ({}, MetricKind.TRAFFIC),
    ],
)
def test_requests_that_failed_are_errors(labels: dict[str, str], kind: MetricKind) -> None:
    assert kind_of_series("http_requests_total", labels) is kind


def test_a_kind_is_what_users_feel_or_what_runs_out() -> None:
    assert kind_of("latency_p99").nature is Nature.SYMPTOM
    assert kind_of("container_memory_working_set_bytes").nature is Nature.SATURATION
    assert kind_of("redis_connected_clients").nature is Nature.SATURATION
    assert kind_of("requests_total").nature is Nature.TRAFFIC
    assert kind_of("build_info").nature is Nature.OTHER
