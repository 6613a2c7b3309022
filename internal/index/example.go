package index

import (
	"strconv"

	"github.com/cogniverse/cogflow/fault"
)

// NoDocument is the fault of a search by a document that the index does not have.
func NoDocument(profile, document string) error {
	return fault.New(fault.Input, "search by example", document, "is not the id of a document in profile "+strconv.Quote(profile)+
		"; cogflow search --json shows the ids, and an id changes when its video is ingested in another way")
}
