package workflows

// libraryResume and videoResume are what a run hands to the next at
// continue-as-new: cursors, counts and what is in flight.
type libraryResume struct{}
type videoResume struct{}
