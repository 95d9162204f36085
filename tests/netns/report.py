"""What the scenarios found, as a table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One thing that was seen."""

    scenario: str
    what: str
    seen: str


def table(rows: list[Row]) -> str:
    cells = [("scenario", "what", "seen"), *((row.scenario, row.what, row.seen) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])
