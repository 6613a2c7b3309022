package flowtest

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FormerBuildsRead checks a type that one run writes and another reads, which may be on a
// worker of another build. Builds up to 5f04396 refuse every unknown field in what a run
// hands to the next run or to its child. They run again after a rollback, so a newer field
// must be omitted while it is zero. workflows/testdata/handed-over.json lists the fields
// that 5f04396 knows; it never changes.
func FormerBuildsRead(t *testing.T, name string, handed reflect.Type) {
	t.Helper()
	text, err := os.ReadFile("../testdata/handed-over.json")
	require.NoError(t, err)
	var all map[string][]string
	require.NoError(t, json.Unmarshal(text, &all))
	known, fields := all[name], map[string]bool{}
	fieldsOf(handed, "", fields)
	require.NotEmpty(t, known)
	require.NotEmpty(t, fields)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, field) && !fields[field] && !newParent(field, known, fields) {
			t.Errorf("%s: 5f04396 refuses the field %s; add omitempty or omitzero", name, field)
		}
	}
	for _, field := range known {
		require.Contains(t, fields, field, "%s: 5f04396 reads this field", name)
	}
}

// fieldsOf lists the fields of a type's JSON encoding, as paths, and whether each is
// omitted when it is zero.
func fieldsOf(t reflect.Type, path string, into map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		fieldsOf(t.Elem(), path, into)
		return
	case reflect.Map:
		fieldsOf(t.Elem(), path+"*/", into)
		return
	case reflect.Struct:
	default:
		return
	}
	if t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) {
		return
	}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			fieldsOf(f.Type, path, into)
		case !f.IsExported(), name == "-":
		default:
			into[path+name] = strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
			fieldsOf(f.Type, path+name+"/", into)
		}
	}
}

// newParent reports whether a field lies within a newer one, which is omitted.
func newParent(field string, known []string, fields map[string]bool) bool {
	for i := strings.LastIndexByte(field, '/'); i > 0; i = strings.LastIndexByte(field[:i], '/') {
		if parent := field[:i]; !slices.Contains(known, parent) && fields[parent] {
			return true
		}
	}
	return false
}
