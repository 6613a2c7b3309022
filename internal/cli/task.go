package cli

import "time"

// Task shows the progress of work that the command itself does: as a bar on a terminal, else as
// a line every few seconds.
type Task struct {
	view View
	bar  *bar // nil = no terminal
	now  func() time.Time
	last time.Time // of the last line
}

// NewTask starts a task in a view.
func NewTask(v View, name string) *Task {
	t := &Task{view: v, now: time.Now}
	switch v := v.(type) {
	case *bars:
		t.bar = v.add(name, 0)
		v.tasks = append(v.tasks, t.bar)
	case *lines:
		t.now = v.now
	}
	t.last = t.now()
	return t
}

// Set shows the progress: text beside the bar, or line without a terminal.
func (t *Task) Set(done, total int, text, line string) {
	switch {
	case t.bar != nil:
		t.bar.set(done, total, text)
	case t.now().Sub(t.last) >= lineEvery:
		t.last = t.now()
		t.view.Note(line)
	}
}

// End removes the bar. The end of the view removes it too.
func (t *Task) End() {
	if t.bar != nil {
		t.bar.Abort(true)
	}
}
