package cli

import (
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/cogniverse/cogflow/safetext"
)

// Column is one column of a table.
type Column struct {
	Name  string
	Right bool // numbers
	Flex  bool // cut to what the terminal leaves; at most one
}

const minFlex = 20 // cells

// Table prints rows for people; every cell is cleaned.
func (a *App) Table(columns []Column, rows [][]string) {
	width := 0
	if !a.Wide {
		width = terminalWidth(a.Out)
	}
	WriteTable(a.Out, width, columns, rows)
}

// WriteTable cuts the flexible column so that rows fit width; 0 = no limit.
func WriteTable(w io.Writer, width int, columns []Column, rows [][]string) {
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
		header = append(header, c.Name)
		if c.Right {
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

func cut(columns []Column, rows [][]string, width int) {
	if width <= 0 {
		return
	}
	flex, rest := -1, 0
	for i, c := range columns {
		if c.Flex {
			flex = i
			continue
		}
		widest := text.StringWidthWithoutEscSequences(c.Name)
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

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// fit cuts or pads s to a number of cells.
func fit(s string, cells int) string {
	s = text.Snip(s, cells, "…")
	return text.Pad(s, cells, ' ')
}

// ShortDigits is how much of a SHA-256 is shown in tables.
const ShortDigits = 12

// Short cuts a SHA-256 for a table, unless --wide says otherwise.
func (a *App) Short(id string) string {
	if a.Wide {
		return id
	}
	return id[:min(len(id), ShortDigits)]
}
