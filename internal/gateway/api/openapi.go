package api

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// OpenAPI is the document of a table of routes. keyed says that a key is required.
func OpenAPI(title, version string, routes []Route, keyed bool) (map[string]any, error) {
	d := document{keyed: keyed, schemas: map[string]*jsonschema.Schema{}, types: map[use]string{}}
	paths, names := map[string]map[string]any{}, merged(routes)
	for _, r := range routes {
		if r.Hidden {
			continue
		}
		shape, own := template(r.Path)
		at := names[shape]
		operation, err := d.operation(r, renamed(own, at))
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		}
		path := fill(shape, at)
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(r.Method)] = operation
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
	keyed   bool
	schemas map[string]*jsonschema.Schema
	types   map[use]string
}

// template is a path without the names of its parameters, and these names.
func template(path string) (shape string, names []string) {
	parts := strings.Split(strings.NewReplacer("...}", "}", "{$}", "").Replace(path), "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parts[i], names = "{}", append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return strings.Join(parts, "/"), names
}

func fill(shape string, names []string) string {
	for _, name := range names {
		shape = strings.Replace(shape, "{}", "{"+name+"}", 1)
	}
	return shape
}

// merged are the names of the parameters by path. OpenAPI has one path for all methods, so a
// parameter that methods name differently, such as id and type, is id_or_type.
func merged(routes []Route) map[string][]string {
	out := map[string][]string{}
	for _, r := range routes {
		shape, names := template(r.Path)
		if r.Hidden {
			continue
		}
		if out[shape] == nil {
			out[shape] = names
		}
		for i, name := range names {
			if known := out[shape][i]; !slices.Contains(strings.Split(known, "_or_"), name) {
				out[shape][i] += "_or_" + name
			}
		}
	}
	return out
}

func renamed(own, document []string) map[string]string {
	out := map[string]string{}
	for i, name := range own {
		out[name] = document[i]
	}
	return out
}

// doorErrors are those of every route with a tenant.
func doorErrors() []int {
	return []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}
}

func (d document) operation(r Route, names map[string]string) (map[string]any, error) {
	security := []any{map[string]any{"key": []any{}}}
	if !d.keyed {
		security = append(security, map[string]any{})
	}
	out := map[string]any{"operationId": r.Name, "summary": r.Summary, "security": security}
	if r.Tag != "" {
		out["tags"] = []any{r.Tag}
	}
	if params := parameters(r, names); len(params) > 0 {
		out["parameters"] = params
	}
	errors := append([]int{}, r.Errors...)
	if r.Public {
		out["security"] = []any{}
	} else {
		errors = append(errors, doorErrors()...)
	}
	if r.Request != nil {
		body, err := d.body(r)
		if err != nil {
			return nil, err
		}
		out["requestBody"] = body
		errors = append(errors, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	content := map[string]any{}
	if r.Response != nil {
		schema, _, err := d.schema(r.Response, false)
		if err != nil {
			return nil, err
		}
		content["application/json"] = map[string]any{"schema": schema}
	}
	if r.Media != "" {
		for media := range strings.SplitSeq(r.Media, ", ") {
			content[media] = map[string]any{"schema": map[string]any{"type": "string"}}
		}
	}
	if r.Stream {
		content["text/event-stream"] = map[string]any{} // OpenAPI 3.1 has no schema of events
	}
	status := max(r.Status, http.StatusOK)
	responses := map[string]any{strconv.Itoa(status): map[string]any{"description": http.StatusText(status), "content": content}}
	for _, more := range r.More {
		responses[strconv.Itoa(more)] = map[string]any{"description": http.StatusText(more), "content": content}
	}
	for also, value := range r.Also {
		schema, _, err := d.schema(value, false)
		if err != nil {
			return nil, err
		}
		responses[strconv.Itoa(also)] = map[string]any{
			"description": http.StatusText(also), "content": map[string]any{"application/json": map[string]any{"schema": schema}},
		}
	}
	failure, _, err := d.schema(Body{}, false)
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

// body describes the body of a request. A document whose fields are all optional can be left out.
func (d document) body(r Route) (map[string]any, error) {
	if r.RequestMedia != "" && r.RequestMedia != "multipart/form-data" { // bytes, which have no schema
		return map[string]any{"required": false, "content": map[string]any{r.RequestMedia: map[string]any{}}}, nil
	}
	schema, required, err := d.schema(r.Request, true)
	if err != nil {
		return nil, err
	}
	media := cmp.Or(r.RequestMedia, "application/json")
	required = required || reflect.TypeOf(r.Request).Kind() != reflect.Struct
	return map[string]any{"required": required, "content": map[string]any{media: map[string]any{"schema": schema}}}, nil
}

func parameters(r Route, names map[string]string) (all []any) {
	known := map[string]string{}
	for _, p := range r.Query {
		known[p.Name] = p.Text
	}
	inPath := map[string]bool{}
	for part := range strings.SplitSeq(r.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok && name != "$}" {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
			inPath[name] = true
			all = append(all, parameter(names[name], "path", known[name], true))
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
