"""From a report to an issue or incident elsewhere, with a person's yes in between."""
