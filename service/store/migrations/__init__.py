"""Alembic's migrations, run by ``service.store.migrate``.

A new one is a module in ``versions`` that goes on from the one before; ``migrate.SCHEMA`` names it
then, and ``tables`` shows what it leaves. Tests hold the three together on both databases.
"""
