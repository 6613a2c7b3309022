package ingest

// The methods below implement workflows.Startable. They check a copy, so defaults are not filled in.

// CheckStart implements workflows.Startable.
func (in LibraryInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in VideoInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in SearchInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in DeleteVideoInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in ListVideosInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}
