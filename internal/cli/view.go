package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/cogniverse/cogflow/safetext"
)

// View shows progress and messages on stderr. Its methods are not called concurrently.
type View interface {
	Show(p Progress, final bool) // final = the job has ended
	Note(text string)
	End()
}

// View returns bars on a capable terminal, lines otherwise.
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

// silent shows messages only.
type silent struct{ out io.Writer }

func (silent) Show(Progress, bool) {}
func (silent) End()                {}
func (s silent) Note(text string)  { fmt.Fprintln(s.out, safetext.Clean(text)) }

// after gives p the previous progress, if p measures rates.
func after(last, p Progress) {
	if m, ok := p.(Measured); ok {
		m.After(last)
	}
}
