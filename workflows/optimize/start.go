package optimize

// The methods below implement workflows.Startable. They check a copy, so defaults are not filled in.

// CheckStart implements workflows.Startable.
func (in Input) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in ListProgramsInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in ProgramInput) CheckStart(kind string) error {
	return in.received.CheckStart(func() error {
		if kind == "CanaryProgram" {
			return in.checkCanary(nil)
		}
		return in.check(nil)
	})
}
