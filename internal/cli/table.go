package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/cogniverse/cogflow/safetext"
)

// Column is one column of a table.
type Column struct {
	Name  string
	Right bool // numbers
	Flex  bool // cut first if the terminal is too narrow
	Below bool // on a line of its own under its row if the terminal is too narrow; at most one
	Wrap  bool // a sentence, wrapped if the terminal is too narrow; at most one, not beside Below
}

// Minimum widths of columns, in cells.
const (
	minFlex = 20 // flexible columns, which are cut first
	minText = 8  // all columns, if that is not enough
	minWrap = 20 // columns with Wrap
	gap     = 2  // between columns
)

// Table prints rows, without the control characters in their cells.
func (a *App) Table(columns []Column, rows [][]string) {
	width := 0
	if !a.Wide {
		width = terminalWidth(a.Out)
	}
	WriteTable(a.Out, width, columns, rows)
}

// WriteTable prints rows and cuts columns so that no row is wider than width; 0 = no limit.
// Numbers are never cut.
func WriteTable(w io.Writer, width int, columns []Column, rows [][]string) {
	cells := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			cells[i] = append(cells[i], safetext.Clean(cell))
		}
	}
	columns, cells, below := lower(columns, cells, width)
	cut(columns, cells, width)
	for i, line := range strings.Split(render(columns, cells), "\n") {
		fmt.Fprintln(w, line)
		if i > 0 && i <= len(below) {
			fmt.Fprintln(w, text.Snip("  "+below[i-1], width, "…"))
		}
	}
}

// render formats the header and the rows, one line each.
func render(columns []Column, cells [][]string) string {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
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
	return t.Render()
}

// lower moves the column with Below to a separate line, if rows do not fit.
func lower(columns []Column, rows [][]string, width int) (rest []Column, cells [][]string, below []string) {
	at := slices.IndexFunc(columns, func(c Column) bool { return c.Below })
	if at < 0 || width <= 0 || fits(columns, widths(columns, rows), width) {
		return columns, rows, nil
	}
	for _, row := range rows {
		below = append(below, row[at])
		cells = append(cells, slices.Delete(row, at, at+1))
	}
	return slices.Delete(slices.Clone(columns), at, at+1), cells, below
}

// fits reports whether rows fit if no flexible column is cut below minFlex.
func fits(columns []Column, wide []int, width int) bool {
	for i, c := range columns {
		if c.Flex {
			wide[i] = min(wide[i], minFlex)
		}
	}
	return total(wide) <= width
}

// widths are the widths of the uncut columns.
func widths(columns []Column, rows [][]string) []int {
	wide := make([]int, len(columns))
	for i, c := range columns {
		wide[i] = text.StringWidthWithoutEscSequences(c.Name)
		for _, row := range rows {
			wide[i] = max(wide[i], text.StringWidthWithoutEscSequences(row[i]))
		}
	}
	return wide
}

func total(wide []int) int {
	sum := gap * (len(wide) - 1)
	for _, w := range wide {
		sum += w
	}
	return sum
}

// cut shortens cells until rows fit: flexible columns first, and the widest of them first.
// A column with Wrap gets the cells that the other columns leave, and at least minWrap cells.
func cut(columns []Column, rows [][]string, width int) {
	if width <= 0 {
		return
	}
	wide := widths(columns, rows)
	for i, c := range columns {
		if c.Wrap {
			wide[i] = min(wide[i], max(minWrap, width-total(wide)+wide[i]))
		}
	}
	narrow := func(least int, may func(Column) bool) {
		for total(wide) > width {
			widest := -1
			for i, c := range columns {
				low := max(least, text.StringWidthWithoutEscSequences(c.Name))
				if may(c) && wide[i] > low && (widest < 0 || wide[i] > wide[widest]) {
					widest = i
				}
			}
			if widest < 0 {
				return
			}
			wide[widest]--
		}
	}
	flex := func(c Column) bool { return c.Flex }
	narrow(minFlex, flex)
	narrow(minText, flex)
	narrow(minText, func(c Column) bool { return !c.Right && !c.Wrap })
	for _, row := range rows {
		for i, c := range columns {
			if c.Wrap {
				row[i] = wrap(row[i], wide[i])
			} else {
				row[i] = text.Snip(row[i], wide[i], "…")
			}
		}
	}
}

// wrap breaks a sentence into lines, between words if possible.
func wrap(s string, cells int) string {
	lines := strings.Split(text.WrapSoft(s, cells), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// terminalWidth returns 0 if w is not a terminal, or a terminal of unknown size.
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

// ShortDigits is the number of digits of a SHA-256 in tables.
const ShortDigits = 12

// Short cuts a SHA-256 for a table, unless --wide is set.
func (a *App) Short(id string) string {
	if a.Wide {
		return id
	}
	return id[:min(len(id), ShortDigits)]
}
