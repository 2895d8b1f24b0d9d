"""The ASGI app: settings in, everything that listens out.

``create_app`` builds it without opening anything, so that it can be described; its lifespan opens
the database, the index and the worker, and closes them when the server goes down.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI

from ingest.encoders.base import EncoderError
from ingest.index import IndexFailure
from service.access import ensure_may_be_open
from service.settings import Settings
from service.store import Database
from service.surfaces.http import (
    actions,
    ask,
    briefings,
    fleet,
    health,
    jobs,
    knowledge,
    passages,
    promql,
    reports,
    search,
    webhooks,
)
from service.surfaces.http.composition import surfaces
from service.surfaces.http.middleware import Bounds, OwnHostOnly, RequestContext
from service.surfaces.http.openapi import describe
from service.surfaces.http.problem import install
from service.surfaces.http.readiness import Watch
from service.surfaces.http.serving import Serving
from service.surfaces.web import add_page
from service.telemetry import Metrics, ObservedDesk, tracing
from service.workspace import Workspace, open_workspace

_log = structlog.get_logger(__name__)

_ROUTERS = (
    ask.router,
    reports.router,
    search.router,
    passages.router,
    promql.router,
    briefings.router,
    fleet.router,
    knowledge.incidents,
    knowledge.documents,
    webhooks.router,
    actions.router,
    jobs.router,
    health.router,
)


def create_app(settings: Settings) -> FastAPI:
    """The app on these settings; it opens what they name when it starts.

    Raises: SettingsError, where access would be open to more than this machine.
    """
    ensure_may_be_open(settings)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            provider = tracing()
            if provider is not None:
                stack.callback(provider.shutdown)
            database = await stack.enter_async_context(await Database.open(settings))
            workspace = await stack.enter_async_context(open_workspace(settings, database=database))
            serving = Serving(
                settings=settings,
                database=database,
                workspace=workspace,
                desk=ObservedDesk(workspace, database, metrics),
                metrics=metrics,
                watch=Watch(workspace),
            )
            app.state.serving = serving
            await _warm(workspace)
            background = await stack.enter_async_context(surfaces(app, serving))
            app.state.drain = background.drain
            yield

    app = FastAPI(
        title="Why",
        version=version("incident-why"),
        lifespan=lifespan,
        # The pages of both would load scripts from another site.
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # Spans of requests only: figures are at /metrics, and FastAPI's logs would hold values.
        telemetry={"metrics": False, "logs": False, "operation_spans": False},
    )
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    install(app)
    for router in _ROUTERS:
        app.include_router(router)
    add_page(app)
    app.add_middleware(Bounds)
    if settings.open_access:
        app.add_middleware(OwnHostOnly, names=_public_names(settings))
    app.add_middleware(RequestContext, metrics=metrics)  # the last one added is the outermost
    return app


async def _warm(workspace: Workspace) -> None:
    """Load index and encoder now, so that nobody's question waits for them."""
    try:
        async with workspace.knowledge():
            pass
    except (IndexFailure, EncoderError) as error:
        _log.warning("answers come without documents until this is repaired", why=str(error))


def _public_names(settings: Settings) -> tuple[str, ...]:
    host = urlsplit(settings.public_url or "").hostname
    return (host,) if host else ()
