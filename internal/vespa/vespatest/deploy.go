package vespatest

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"sort"
	"strings"
)

const (
	sessions = "/application/v2/tenant/default/"
	content  = "application/default/environment/prod/region/default/instance/default/content/"
)

var documentLine = regexp.MustCompile(`<document type="(\w+)" mode="index"( global="true")?/>`)

// application serves deployments and the content of the active application.
func (s *Server) application(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, sessions)
	switch {
	case path == "prepareandactivate" && r.Method == http.MethodPost:
		s.deploy(w, r)
	case strings.HasPrefix(path, content) && r.Method == http.MethodGet:
		s.content(w, r, strings.TrimPrefix(path, content))
	default:
		reply(w, http.StatusNotFound, map[string]any{"error-code": "NOT_FOUND", "message": "no handler for " + r.URL.Path})
	}
}

// content returns one file or, for a folder, the URLs of everything in it.
func (s *Server) content(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if data, ok := s.deployed[name]; ok {
		_, _ = w.Write(data)
		return
	}
	if len(s.deployed) == 0 || name != "" {
		reply(w, http.StatusNotFound, map[string]any{"error-code": "NOT_FOUND", "message": "no such file"})
		return
	}
	urls := []string{}
	for path := range s.deployed {
		urls = append(urls, "http://"+r.Host+sessions+content+path)
	}
	sort.Strings(urls)
	reply(w, http.StatusOK, urls)
}

func (s *Server) deploy(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/zip" {
		reply(w, http.StatusBadRequest, map[string]any{"error-code": "BAD_REQUEST", "message": "the content type must be application/zip"})
		return
	}
	files, types, err := readPackage(r.Body)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]any{"error-code": "INVALID_APPLICATION_PACKAGE", "message": err.Error()})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	refeed := []any{}
	for name, d := range types {
		changed := d.changed(s.types[name])
		if len(changed) == 0 {
			continue
		}
		if !bytes.Contains(files["validation-overrides.xml"], []byte(">field-type-change<")) {
			reply(w, http.StatusBadRequest, map[string]any{
				"error-code": "INVALID_APPLICATION_PACKAGE",
				"message":    fmt.Sprintf("field-type-change: Document type '%s': Field %v changed", name, changed),
			})
			return
		}
		refeed = append(refeed, map[string]any{
			"name": "field-type-change", "documentType": name, "clusterName": "video",
			"messages": []string{fmt.Sprintf("Field %v changed", changed)}, "services": []any{},
		})
		for id, x := range s.docs[name] {
			kept := x.with(&document{})
			for _, field := range changed {
				delete(kept.tensors, field)
			}
			s.docs[name][id] = kept
		}
	}
	for name := range s.docs {
		if types[name] == nil {
			delete(s.docs, name)
		}
	}
	s.session++
	s.types, s.deployed = types, files
	reply(w, http.StatusOK, map[string]any{
		"log": []any{}, "tenant": "default", "session-id": fmt.Sprint(s.session), "url": "http://" + r.Host + sessions + content,
		"message":             fmt.Sprintf("Session %d for tenant 'default' prepared and activated.", s.session),
		"configChangeActions": map[string]any{"restart": []any{}, "refeed": refeed, "reindex": []any{}},
	})
}

// changed returns the fields whose type has changed.
func (d *docType) changed(old *docType) (names []string) {
	if old == nil {
		return nil
	}
	for name, f := range d.fields {
		if was := old.fields[name]; was != nil && !reflect.DeepEqual(was, f) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func readPackage(from io.Reader) (map[string][]byte, map[string]*docType, error) {
	packed, err := io.ReadAll(io.LimitReader(from, 100<<20))
	if err != nil {
		return nil, nil, err
	}
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, nil, err
	}
	files, types := map[string][]byte{}, map[string]*docType{}
	for _, entry := range archive.File {
		f, err := entry.Open()
		if err != nil {
			return nil, nil, err
		}
		data, err := io.ReadAll(io.LimitReader(f, 10<<20))
		if err != nil {
			return nil, nil, err
		}
		files[entry.Name] = data
		if name, ok := strings.CutPrefix(entry.Name, "schemas/"); ok {
			d, err := parseSchema(string(data))
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", entry.Name, err)
			}
			if d.name+".sd" != name {
				return nil, nil, fmt.Errorf("%s holds schema %s", entry.Name, d.name)
			}
			types[d.name] = d
		}
	}
	return files, types, checkServices(string(files["services.xml"]), types)
}

// checkServices requires that services.xml lists every schema as a document, and that
// referenced documents are global.
func checkServices(services string, types map[string]*docType) error {
	global := map[string]bool{}
	listed := map[string]bool{}
	for _, m := range documentLine.FindAllStringSubmatch(services, -1) {
		listed[m[1]], global[m[1]] = true, m[2] != ""
	}
	if len(listed) != len(types) {
		return fmt.Errorf("services.xml lists %d document types, but there are %d schemas", len(listed), len(types))
	}
	for name, d := range types {
		if !listed[name] {
			return fmt.Errorf("services.xml does not list %s", name)
		}
		for _, f := range d.fields {
			if f.refersTo != "" && !global[f.refersTo] {
				return fmt.Errorf("%s refers to %s, which is not global", name, f.refersTo)
			}
		}
		for _, i := range d.imports {
			f := d.fields[i.reference]
			if f == nil || types[f.refersTo] == nil || types[f.refersTo].fields[i.field] == nil {
				return fmt.Errorf("%s imports %s.%s, which is not found", name, i.reference, i.field)
			}
		}
	}
	return nil
}
