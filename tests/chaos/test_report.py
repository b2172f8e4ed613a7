"""docs/reliability.md has the table that the harness wrote, of rows that it still measures."""

from chaos.report import PAGE, ROWS, figures, table


def test_the_page_has_the_table_of_the_figures_that_were_measured():
    assert table() in PAGE.read_text()


def test_every_figure_belongs_to_a_row():
    assert figures().keys() <= ROWS.keys()
