package workflows

import "github.com/cogniverse/cogflow/fault"

// Startable is a start input that can be checked before its run starts, by the checks that the run
// itself makes. kind is the workflow type, because some types share an input.
type Startable interface{ CheckStart(kind string) error }

// CheckStart returns what is wrong with an input before its run starts: how it is written, else
// what check finds. Only a run hands on state, so an input with state is refused. check needs no
// context: Problem reads none if nothing is wrong with how the input is written.
func (in Received) CheckStart(check func() error) error {
	switch {
	case in.invalid != nil:
		return in.invalid
	case in.tooLong != nil:
		return in.tooLong
	case len(in.Resume) > 0:
		return Reserved("resume")
	case len(in.Library) > 0:
		return Reserved("library")
	}
	return check()
}

// Reserved is the error of a field that only cogflow itself may set.
func Reserved(field string) error {
	return fault.New(fault.Input, "read input", field, "the field is reserved for cogflow itself; leave it out")
}

// CheckStart implements Startable.
func (in ModelServersInput) CheckStart(kind string) error {
	return in.received.CheckStart(func() error { return in.check(nil, kind != "ListModelServers") })
}

// CheckStart implements Startable.
func (in CheckHealthInput) CheckStart(string) error { return in.received.CheckStart(in.check) }
