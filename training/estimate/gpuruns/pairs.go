package gpuruns

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pairs writes the rows of a table of named values.
func pairs(b *strings.Builder, values map[string]json.RawMessage) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(b, "| %s | %s |\n", strings.ReplaceAll(name, "_", " "), strings.Trim(string(values[name]), `"`))
	}
}
