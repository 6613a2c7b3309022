package api

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// OpenAPI is the document of a table of routes.
func OpenAPI(title, version string, routes []Route) (map[string]any, error) {
	d := document{schemas: map[string]any{}, types: map[reflect.Type]string{}}
	paths := map[string]map[string]any{}
	for _, r := range routes {
		if r.Hidden {
			continue
		}
		operation, err := d.operation(r)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		}
		at := strings.NewReplacer("...}", "}", "{$}", "").Replace(r.Path)
		if paths[at] == nil {
			paths[at] = map[string]any{}
		}
		paths[at][strings.ToLower(r.Method)] = operation
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": title, "version": version},
		"paths":   paths,
		"components": map[string]any{
			"schemas":         d.schemas,
			"securitySchemes": map[string]any{"key": map[string]any{"type": "http", "scheme": "bearer"}},
		},
	}, nil
}

type document struct {
	schemas map[string]any
	types   map[reflect.Type]string
}

// doorErrors are those of every route with a tenant.
func doorErrors() []int {
	return []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}
}

func (d document) operation(r Route) (map[string]any, error) {
	out := map[string]any{"operationId": r.Name, "summary": r.Summary, "security": []any{map[string]any{"key": []any{}}, map[string]any{}}}
	if r.Tag != "" {
		out["tags"] = []any{r.Tag}
	}
	if params := parameters(r); len(params) > 0 {
		out["parameters"] = params
	}
	errors := append([]int{}, r.Errors...)
	if r.Public {
		out["security"] = []any{}
	} else {
		errors = append(errors, doorErrors()...)
	}
	if r.Request != nil {
		schema, err := d.schema(r.Request)
		if err != nil {
			return nil, err
		}
		media := r.RequestMedia
		if media == "" {
			media = "application/json"
		}
		out["requestBody"] = map[string]any{"required": true, "content": map[string]any{media: map[string]any{"schema": schema}}}
		errors = append(errors, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	content := map[string]any{}
	if r.Response != nil {
		schema, err := d.schema(r.Response)
		if err != nil {
			return nil, err
		}
		content["application/json"] = map[string]any{"schema": schema}
	}
	if r.Media != "" {
		content[r.Media] = map[string]any{"schema": map[string]any{"type": "string"}}
	}
	if r.Stream {
		content["text/event-stream"] = map[string]any{"schema": map[string]any{"type": "string"}}
	}
	status := max(r.Status, http.StatusOK)
	responses := map[string]any{strconv.Itoa(status): map[string]any{"description": http.StatusText(status), "content": content}}
	for _, more := range r.More {
		responses[strconv.Itoa(more)] = map[string]any{"description": http.StatusText(more), "content": content}
	}
	failure, err := d.schema(Body{})
	if err != nil {
		return nil, err
	}
	for _, code := range errors {
		responses[strconv.Itoa(code)] = map[string]any{
			"description": http.StatusText(code), "content": map[string]any{"application/json": map[string]any{"schema": failure}},
		}
	}
	out["responses"] = responses
	return out, nil
}

func parameters(r Route) (all []any) {
	known := map[string]string{}
	for _, p := range r.Query {
		known[p.Name] = p.Text
	}
	inPath := map[string]bool{}
	for part := range strings.SplitSeq(r.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok && name != "$}" {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
			inPath[name] = true
			all = append(all, parameter(name, "path", known[name], true))
		}
	}
	for _, p := range r.Query {
		if !inPath[p.Name] {
			in := "query"
			if p.Header {
				in = "header"
			}
			all = append(all, parameter(p.Name, in, p.Text, p.Required))
		}
	}
	return all
}

func parameter(name, in, text string, required bool) map[string]any {
	return map[string]any{"name": name, "in": in, "description": text, "required": required, "schema": map[string]any{"type": "string"}}
}

// schema returns a reference to the schema of a value's type.
func (d document) schema(value any) (map[string]any, error) {
	t := reflect.TypeOf(value)
	name, known := d.types[t]
	if !known {
		s, err := jsonschema.ForType(t, &jsonschema.ForOptions{})
		if err != nil {
			return nil, err
		}
		name = t.Name()
		if taken := slices.Collect(maps.Values(d.types)); name == "" || slices.Contains(taken, name) {
			name = strings.NewReplacer("/", "_", ".", "_").Replace(t.PkgPath() + "." + t.Name())
		}
		d.types[t], d.schemas[name] = name, s
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}, nil
}
