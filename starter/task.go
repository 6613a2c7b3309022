package main

import "time"

// Task shows a piece of work that this program does itself: as a bar on a terminal, as
// a line every few seconds elsewhere.
type Task struct {
	view View
	bar  *bar // nil = no terminal
	last time.Time
}

// NewTask shows a task that begins in a view.
func NewTask(v View, name string) *Task {
	t := &Task{view: v, last: time.Now()}
	if b, ok := v.(*bars); ok {
		t.bar = b.add(name, 0)
		b.tasks = append(b.tasks, t.bar)
	}
	return t
}

// Set says how far it is: text beside the bar, or else line.
func (t *Task) Set(done, total int, text, line string) {
	switch {
	case t.bar != nil:
		t.bar.set(done, total, text)
	case time.Since(t.last) >= lineEvery:
		t.last = time.Now()
		t.view.Note(line)
	}
}

// End removes the bar; the end of the view does too.
func (t *Task) End() {
	if t.bar != nil {
		t.bar.Abort(true)
	}
}
