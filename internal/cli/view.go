package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/cogniverse/cogflow/safetext"
)

// View shows on stderr what happens. Its methods are called one at a time.
type View interface {
	Show(p Progress, final bool) // final = the job has ended
	Note(text string)
	End()
}

// View chooses the way of showing: bars on a terminal that takes them, lines elsewhere.
func (a *App) View() View {
	switch {
	case a.Quiet:
		return silent{a.Err}
	case terminalWidth(a.Err) > 0 && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb":
		return NewBars(a.Err)
	default:
		return NewLines(a.Err, time.Now)
	}
}

// silent shows notes only.
type silent struct{ out io.Writer }

func (silent) Show(Progress, bool) {}
func (silent) End()                {}
func (s silent) Note(text string)  { fmt.Fprintln(s.out, safetext.Clean(text)) }

// after measures p by what the job said before.
func after(last, p Progress) {
	if m, ok := p.(Measured); ok {
		m.After(last)
	}
}
