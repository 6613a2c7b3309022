package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/object"
)

// reportPolicy lets a report use what it contains, and nothing else: it has captions and names of
// files, which other people wrote. Its scripts get an origin of their own, without the keys and
// the storage of the gateway.
const reportPolicy = "default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"

func (a *API) report(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	d, err := a.find(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return err
	}
	j := a.summary(d.GetWorkflowExecutionInfo())
	if j.State == StateRunning {
		return unfinished()
	}
	raw, err := a.outcome(r.Context(), j, answerTime)
	if err != nil {
		return err
	}
	var result struct {
		Report string `json:"report"`
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		return fmt.Errorf("read the result of %s: %w", j.ID, err)
	}
	none := api.Fail(http.StatusNotFound, "no_report", "the job has no report")
	// A result says what its workflow wrote. The key must lie below the tenant all the same.
	if result.Report == "" || !strings.HasPrefix(result.Report, string(c.Tenant)+"/reports/") {
		return none
	}
	store, err := a.Store(r.Context())
	if err != nil {
		return err
	}
	content, info, err := store.Get(r.Context(), result.Report)
	if errors.Is(err, object.ErrNotFound) {
		return none
	}
	if err != nil {
		return fault.Wrap(fault.Transport, "read the report", result.Report, err)
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", reportPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Length", strconv.FormatInt(info.Size, 10))
	_, err = io.Copy(w, content)
	return err
}
