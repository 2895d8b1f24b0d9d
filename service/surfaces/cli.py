"""The command ``why``: what it can do, and how its failures are told.

Exit codes: 0 all is well; 1 it ran, and something was reported (a file that could not be read);
2 it could not run (a wrong setting, no index).

Importing this module imports no command, and nothing that a command needs: each is imported when
it is used (:mod:`service.surfaces.deferred`), so that help is there at once.
"""

from __future__ import annotations

import sys

import typer

from service.surfaces.deferred import Deferred, group_of

COMMANDS = (
    Deferred(
        "ingest",
        "service.surfaces.cli_ingest:ingest",
        "Bring the index up to date with the configured sources.",
    ),
    Deferred(
        "search",
        "service.surfaces.cli_search:search",
        "Find passages, with the scores of each stage.",
    ),
    Deferred(
        "ask",
        "service.surfaces.cli_ask:ask",
        "Answer a question: with a cited report, or as `why chart`, `why fleet` or `why run` do.",
    ),
    Deferred(
        "chart",
        "service.surfaces.cli_chart:chart",
        "Draw what a question asks for: the PromQL, where it comes from, and its chart.",
    ),
    Deferred(
        "fleet",
        "service.surfaces.cli_fleet:fleet",
        "Rank clusters and nodes by what speaks for maintenance, each reason cited.",
    ),
    Deferred(
        "run",
        "service.surfaces.cli_fleet:run",
        "Say whether training runs are healthy: loss, gradient norm, throughput and their GPUs.",
    ),
    Deferred(
        "dashboard",
        "service.surfaces.cli_dashboard:dashboard",
        "Build a Grafana dashboard out of a report's evidence, or of the panels for a question.",
    ),
    Deferred(
        "brief",
        "service.surfaces.cli_brief:brief",
        "Tell the night for someone who has two minutes before eight, each sentence cited.",
    ),
    Deferred(
        "backtest",
        "service.surfaces.cli_backtest:backtest",
        "Ask about your own past incidents, as if they were new, and see what is found.",
    ),
    Deferred(
        "incidents",
        "service.surfaces.cli_incidents:incidents",
        "Knowledge without a file: incident reports that were added, and confirmed causes.",
    ),
    Deferred(
        "act",
        "service.surfaces.cli_act:act",
        "Propose Jira issues and PagerDuty incidents from reports; approve or reject them.",
    ),
    Deferred(
        "serve",
        "service.surfaces.cli_serve:serve",
        "Serve the HTTP API, the web page and what else is configured, until Ctrl-C or SIGTERM.",
    ),
    Deferred(
        "mcp",
        "service.surfaces.cli_mcp:mcp",
        "Serve search, ask, signals, promql and briefing over MCP, read-only: docs/mcp.md.",
    ),
    Deferred(
        "keys",
        "service.surfaces.cli_serve:keys",
        "API keys: who may use `why serve`, and for what.",
    ),
    Deferred(
        "backup",
        "service.surfaces.cli_backup:backup",
        "Copy the index and the database into one file.",
    ),
    Deferred(
        "restore",
        "service.surfaces.cli_backup:restore",
        "Make index and database what they were when the file was written.",
    ),
    Deferred(
        "llm",
        "service.surfaces.cli_llm:llm",
        "The language model: check it, or start a local one.",
    ),
    Deferred(
        "eval",
        "service.surfaces.cli_eval:evaluate",
        "Measure how good the answers are.",
    ),
)
"""Each with its line of help, which is the first one of its own."""

app = typer.Typer(
    name="why",
    cls=group_of(*COMMANDS),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def why() -> None:
    """Answers 'why?' from what your company wrote and what the metrics say, with citations."""


def main() -> None:
    """Entry point: failures that a reader can repair become one line on stderr."""
    import logging

    from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

    # Retries are no news: what finally failed is in the answer. stdout is for answers alone.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    set_on_retry_hooks([LoggingOnRetryHook])
    try:
        app()
    except Exception as error:
        if not isinstance(error, _repairable()):
            raise
        typer.echo(f"why: {error}", err=True)
        sys.exit(2)


def _repairable() -> tuple[type[Exception], ...]:
    """What the reader can do something about, in words that say what; imported on failure."""
    from ingest.encoders.base import EncoderError
    from ingest.index import IndexFailure
    from service.briefing.errors import BriefingError
    from service.llm.base import LlmError
    from service.settings import SettingsError
    from service.time_phrases import ScopeError

    return (SettingsError, ScopeError, IndexFailure, EncoderError, LlmError, BriefingError)
