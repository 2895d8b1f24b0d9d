"""The morning briefing: what happened in the night, for someone who has two minutes before eight.

``night`` groups what was seen into incidents, ``draft`` words them, ``brief`` asks the sources and
verifies every sentence, ``page`` lays the briefing out once for all formats, and ``delivery``
sends it.
"""
