package vespa

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

const (
	opDeploy      = "deploy vespa application"
	deployTimeout = 5 * time.Minute
	deployPath    = "/application/v2/tenant/default/prepareandactivate"
	contentPath   = "/application/v2/tenant/default/application/default/environment/prod/region/default/instance/default/content/"
)

// ChangeAction is an action that Vespa requires before a change takes effect.
type ChangeAction struct {
	Name         string   `json:"name"` // for a refeed or reindex: the validation override
	DocumentType string   `json:"documentType"`
	ClusterName  string   `json:"clusterName"`
	Messages     []string `json:"messages"`
}

// Deployed is the outcome of a deployment. Restart, Refeed and Reindex are
// empty if it takes effect at once.
type Deployed struct {
	Session string
	Message string
	Restart []ChangeAction
	Refeed  []ChangeAction
	Reindex []ChangeAction
}

// Deploy prepares and activates an application package. configServer is the
// URL of a config server, port 19071.
func Deploy(ctx context.Context, configServer string, files []File) (*Deployed, error) {
	packed, err := Zip(files)
	if err != nil {
		return nil, err
	}
	body, status, err := configRequest(ctx, http.MethodPost, configServer, deployPath, packed)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, (&answer{status: status, body: body}).fail(opDeploy, "")
	}
	var said struct {
		Session string `json:"session-id"`
		Message string `json:"message"`
		Actions *struct {
			Restart []ChangeAction `json:"restart"`
			Refeed  []ChangeAction `json:"refeed"`
			Reindex []ChangeAction `json:"reindex"`
		} `json:"configChangeActions"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Session == "" || said.Actions == nil {
		return nil, fault.New(fault.Transport, opDeploy, "", "the config server's response is invalid or truncated")
	}
	return &Deployed{said.Session, said.Message, said.Actions.Restart, said.Actions.Refeed, said.Actions.Reindex}, nil
}

// configRequest uses HTTP/1.1, which is sufficient for config servers.
func configRequest(ctx context.Context, method, server, path string, body []byte) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, deployTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(server, "/")+path, bytes.NewReader(body))
	if err != nil || r.URL.Host == "" || r.URL.User != nil {
		return nil, 0, fault.New(fault.Input, opDeploy, "", "must be a URL such as http://localhost:19071, without credentials")
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/zip")
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, 0, fault.Wrap(fault.Transport, opDeploy, "", withoutURL(err))
	}
	defer reply.Body.Close()
	got, err := io.ReadAll(io.LimitReader(reply.Body, answerLimit))
	return got, reply.StatusCode, fault.Wrap(fault.Transport, opDeploy, "", withoutURL(err))
}

// Change is a file of a package that differs from the deployed one.
type Change struct {
	Path string
	Kind string // "added", "changed" or "removed"
}

// Diff compares a package with the active one of a config server.
func Diff(ctx context.Context, configServer string, files []File) ([]Change, error) {
	listing, status, err := configRequest(ctx, http.MethodGet, configServer, contentPath+"?recursive=true", nil)
	if err != nil {
		return nil, err
	}
	deployed := map[string][]byte{}
	switch status {
	case http.StatusNotFound: // no application was ever deployed
	case http.StatusOK:
		var urls []string
		if err := json.Unmarshal(listing, &urls); err != nil {
			return nil, fault.New(fault.Transport, opDeploy, "", "the config server's listing is truncated")
		}
		for _, u := range urls {
			name, data, err := content(ctx, configServer, u)
			if err != nil {
				return nil, err
			}
			if name != "" {
				deployed[name] = data
			}
		}
	default:
		return nil, (&answer{status: status, body: listing}).fail("compare vespa application", "")
	}
	return changes(deployed, files), nil
}

// content reads one file of the active application; folders have no name.
func content(ctx context.Context, configServer, link string) (name string, data []byte, err error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", nil, fault.Wrap(fault.Transport, opDeploy, "", err)
	}
	_, name, ok := strings.Cut(u.Path, "/content/")
	if !ok || name == "" || strings.HasSuffix(name, "/") {
		return "", nil, nil
	}
	data, status, err := configRequest(ctx, http.MethodGet, configServer, contentPath+name, nil)
	if err == nil && status != http.StatusOK {
		err = (&answer{status: status, body: data}).fail("compare vespa application", name)
	}
	return name, data, err
}

func changes(have map[string][]byte, files []File) (list []Change) {
	for _, f := range files {
		data, ok := have[f.Path]
		switch {
		case !ok:
			list = append(list, Change{f.Path, "added"})
		case !bytes.Equal(data, f.Data):
			list = append(list, Change{f.Path, "changed"})
		}
		delete(have, f.Path)
	}
	for path := range have {
		list = append(list, Change{path, "removed"})
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return list
}
