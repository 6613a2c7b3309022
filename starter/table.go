package main

import (
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/cogniverse/cogflow/safetext"
)

// column is one column of a table.
type column struct {
	name  string
	right bool // numbers
	flex  bool // cut to what the terminal leaves; at most one
}

const minFlex = 20 // cells

// table prints rows for people; every cell is cleaned.
func (a *App) table(columns []column, rows [][]string) {
	width := 0
	if !a.Wide {
		width = terminalWidth(a.Out)
	}
	writeTable(a.Out, width, columns, rows)
}

// writeTable cuts the flexible column so that rows fit width; 0 = no limit.
func writeTable(w io.Writer, width int, columns []column, rows [][]string) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	cells := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			cells[i] = append(cells[i], safetext.Clean(cell))
		}
	}
	cut(columns, cells, width)
	header := table.Row{}
	var layout []table.ColumnConfig
	for i, c := range columns {
		header = append(header, c.name)
		if c.right {
			layout = append(layout, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(layout)
	t.AppendHeader(header)
	for _, row := range cells {
		line := table.Row{}
		for _, cell := range row {
			line = append(line, cell)
		}
		t.AppendRow(line)
	}
	t.SuppressTrailingSpaces()
	t.Render()
}

func cut(columns []column, rows [][]string, width int) {
	if width <= 0 {
		return
	}
	flex, rest := -1, 0
	for i, c := range columns {
		if c.flex {
			flex = i
			continue
		}
		widest := text.StringWidthWithoutEscSequences(c.name)
		for _, row := range rows {
			widest = max(widest, text.StringWidthWithoutEscSequences(row[i]))
		}
		rest += widest + 2
	}
	if flex < 0 {
		return
	}
	room := max(minFlex, width-rest-2)
	for _, row := range rows {
		row[flex] = text.Snip(row[flex], room, "…")
	}
}

// terminalWidth returns 0 when w is no terminal, or one that says no size.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && height > 0 {
			return width
		}
	}
	return 0
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
