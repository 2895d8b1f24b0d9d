"""Which of several media types a client would rather have."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request

from service.surfaces.http.problem import ProblemError


def preferred(request: Request, offered: Sequence[str]) -> str:
    """The offered type that ``Accept`` likes best (RFC 9110, 12.5.1); of equals the first.

    Raises: ProblemError (406), where it likes none.
    """
    accept = request.headers.get("accept", "*/*")
    ranked = [(_quality(accept, media_type), media_type) for media_type in offered]
    quality, best = max(ranked, key=lambda item: item[0])
    if quality <= 0:
        raise ProblemError(406, "not_acceptable", f"there is this as {', '.join(offered)}")
    return best


def _quality(accept: str, media_type: str) -> float:
    """How much ``Accept`` likes a media type, 0..1: what its most specific range says."""
    family = media_type.partition("/")[0]
    found: list[tuple[int, float]] = []
    for part in accept.split(","):
        name, _, parameters = part.partition(";")
        ranges = ("*/*", f"{family}/*", media_type)
        if (wanted := name.strip().lower()) in ranges:
            found.append((ranges.index(wanted), _q(parameters)))
    return max(found, default=(0, 0.0))[1]


def _q(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
