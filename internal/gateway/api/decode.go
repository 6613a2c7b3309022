package api

import (
	"net/http"

	"github.com/cogniverse/cogflow/strictjson"
)

// Decode reads the document of a request: names match exactly, and none is listed twice. No body is
// the empty document.
func Decode(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	data, err := ReadJSON(r) // the door limits it
	if err != nil {
		return err
	}
	if err := strictjson.Unmarshal(data, into); err != nil {
		return Fail(http.StatusBadRequest, "invalid_json", err.Error())
	}
	return nil
}
