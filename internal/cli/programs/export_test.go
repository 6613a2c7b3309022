package programs

// Compared is what is printed with --json.
type Compared = compared

// ServingFile says which version is which.
const ServingFile = servingFile

// ExportedFiles are the names of what is written for one version.
func ExportedFiles() []string { return exportedFiles() }
