"""docs/clients.md holds what the tests see: its table is compared cell by cell."""
from conftest import HERE


def assert_documented(column, seen):
    """The table says in that column what was seen: row -> text."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")]
            for line in (HERE.parent.parent / "docs/clients.md").open() if line.startswith("|")]
    heads = next(row for row in rows if column in row)
    table = {row[0]: row[heads.index(column)] for row in rows if len(row) == len(heads)}
    wrong = {name: text for name, text in seen.items() if table.get(name) != text}
    assert not wrong, f"docs/clients.md says otherwise of {column!r} than {wrong}"
