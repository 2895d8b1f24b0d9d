"""The tools over streamable HTTP, at ``/mcp`` of ``why serve`` or on their own.

Requests stand alone (the transport's stateless mode), so that any server process can answer any
of them, and each is answered for the holder of its own key, counted like every other request.
There is no OAuth: the bearer token is an API key that the client is given once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access import ensure_may_be_open
from service.desk import Desk
from service.settings import Settings
from service.store import Database
from service.store import Scope as KeyScope
from service.surfaces.http.auth import authenticate
from service.surfaces.http.middleware import Bounds, OwnHostOnly, RequestContext
from service.surfaces.http.problem import ProblemError, install
from service.surfaces.http.readiness import Watch
from service.surfaces.http.serving import Serving
from service.surfaces.mcp.briefs import briefs_of
from service.surfaces.mcp.server import READER, Briefs, mcp_server
from service.telemetry import Metrics, ObservedDesk
from service.workspace import open_workspace

PATH = "/mcp"


class McpEndpoint:
    """The ASGI app for ``Route(PATH, endpoint)``; it answers while ``running``."""

    def __init__(self, serving: Serving, briefs: Briefs) -> None:
        server = mcp_server(serving.desk, briefs)
        # Who may be asked for, and from which pages, is decided around it: ``OwnHostOnly``.
        anybody = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(stateless_http=True, transport_security=anybody)
        self._manager = server.session_manager
        self._app: ASGIApp = StreamableHTTPASGIApp(self._manager)
        self._serving = serving

    def running(self) -> AbstractAsyncContextManager[None]:
        """To be entered once, around everything that is served."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises: ProblemError (401, 403, 429); StoreError."""
        request = Request(scope)
        scheme, _, clear = request.headers.get("authorization", "").partition(" ")
        key = clear.strip() if scheme.lower() == "bearer" else None
        caller = await authenticate(request, self._serving, key or None)
        if not caller.may(KeyScope.ASK):
            raise ProblemError(
                403,
                "scope_missing",
                "this key is not good for this: it lacks the scope 'ask'",
                {"WWW-Authenticate": 'Bearer realm="why", error="insufficient_scope"'},
            )
        scope[READER] = caller.reader
        await self._app(scope, receive, send)


def mcp_app(settings: Settings) -> Starlette:
    """An app of nothing but the endpoint; it opens what the settings name when it starts.

    Raises: SettingsError, where access would be open to more than this machine.
    """
    ensure_may_be_open(settings)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(await Database.open(settings))
            workspace = await stack.enter_async_context(open_workspace(settings, database=database))
            desk: Desk = ObservedDesk(workspace, database, metrics)
            serving = Serving(
                settings=settings,
                database=database,
                workspace=workspace,
                desk=desk,
                metrics=metrics,
                watch=Watch(workspace),
            )
            endpoint = McpEndpoint(serving, briefs_of(desk))
            await stack.enter_async_context(endpoint.running())
            app.router.routes.append(Route(PATH, endpoint))
            yield

    around = [Middleware(RequestContext, metrics=metrics)]
    if settings.open_access:
        around.append(Middleware(OwnHostOnly, names=()))
    app = Starlette(lifespan=lifespan, middleware=[*around, Middleware(Bounds)])
    install(app)
    return app
