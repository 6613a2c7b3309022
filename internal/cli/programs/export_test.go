package programs

// Compared is the type of the JSON output.
type Compared = compared

// ServingFile is the name of the file with the active version and the canary.
const ServingFile = servingFile

// ExportedFiles are the names of the files of one version.
func ExportedFiles() []string { return exportedFiles() }
