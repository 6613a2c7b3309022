package activities

// HasOwner reports whether an input names its tenant.
func HasOwner(input any) bool { _, ok := input.(owned); return ok }
