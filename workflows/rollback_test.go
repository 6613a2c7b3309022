package workflows

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

// fieldsOf lists the fields of what a type encodes to, as paths, and whether each
// is left out when it is zero.
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

// handedOver are the types that one run writes and another reads, which may be on
// a worker of another build.
func handedOver() map[string]reflect.Type {
	return map[string]reflect.Type{
		"library": reflect.TypeFor[libraryContinuation](), "video": reflect.TypeFor[videoContinuation](),
		"child": reflect.TypeFor[videoOfLibrary](), "train": reflect.TypeFor[trainContinuation](),
		"optimize": reflect.TypeFor[optimizeContinuation](),
	}
}

// TestFormerBuildsReadContinuations: builds up to 5f04396 refuse every field that
// they do not know in what a run hands to the next or to its child. They are run
// again after a rollback, so a field that is newer is left out while it is zero.
// testdata/handed-over.json holds what 5f04396 knows; it never changes.
func TestFormerBuildsReadContinuations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/handed-over.json")
	require.NoError(t, err)
	var known map[string][]string
	require.NoError(t, json.Unmarshal(text, &known))
	for name, handed := range handedOver() {
		fields := map[string]bool{}
		fieldsOf(handed, "", fields)
		require.NotEmpty(t, fields)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			if !slices.Contains(known[name], field) && !fields[field] && !newParent(field, known[name], fields) {
				t.Errorf("%s: 5f04396 refuses the field %s; add omitempty or omitzero", name, field)
			}
		}
		for _, field := range known[name] {
			require.Contains(t, fields, field, "%s: 5f04396 reads this field", name)
		}
	}
}

// newParent reports whether a field lies within a newer one, which is left out.
func newParent(field string, known []string, fields map[string]bool) bool {
	for i := strings.LastIndexByte(field, '/'); i > 0; i = strings.LastIndexByte(field[:i], '/') {
		if parent := field[:i]; !slices.Contains(known, parent) && fields[parent] {
			return true
		}
	}
	return false
}
