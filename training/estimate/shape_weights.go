package estimate

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
)

// maxHeader limits the header of a safetensors file, in bytes. Real ones have a few hundred
// bytes per tensor.
const maxHeader = 32 << 20

// tensor is one entry of a header.
type tensor struct {
	name       string
	shape      []int64
	float      bool // not an integer or a boolean
	elements   int64
	start, end int64 // of its bytes, after the header
}

// readTensors reads the header of a safetensors file and checks that it
// describes the file: every byte belongs to exactly one tensor.
func readTensors(file WeightFile) ([]tensor, error) {
	bad := func(format string, args ...any) ([]tensor, error) {
		return nil, fault.New(fault.Input, readShape, file.Name, "not a safetensors file: "+fmt.Sprintf(format, args...))
	}
	var length [8]byte
	if n, err := file.Data.ReadAt(length[:], 0); n < len(length) {
		if err == io.EOF {
			return bad("it is %d bytes long", n)
		}
		return nil, fault.Disk(readShape, file.Name, err)
	}
	if string(length[:]) == "version " {
		return bad("it is a pointer of Git LFS; fetch the file itself (git lfs pull)")
	}
	size := binary.LittleEndian.Uint64(length[:])
	if size < 2 || size > maxHeader || int64(size) > file.Size-8 { //nolint:gosec // size is at most 32 MiB in the last comparison
		return bad("its header claims %d bytes of %d", size, file.Size)
	}
	header := make([]byte, size)
	if n, err := file.Data.ReadAt(header, 8); n < len(header) {
		if err == io.EOF {
			return bad("it ends in its header")
		}
		return nil, fault.Disk(readShape, file.Name, err)
	}
	tensors, err := parseTensors(header)
	if err != nil {
		return bad("%s", err)
	}
	if err := coverAll(tensors, file.Size-8-int64(len(header))); err != nil {
		return bad("%s", err)
	}
	return tensors, nil
}

func parseTensors(header []byte) ([]tensor, error) {
	var entries map[string]json.RawMessage
	if err := strictjson.Unmarshal(header, &entries); err != nil {
		return nil, fmt.Errorf("its header is not JSON: %w", err)
	}
	delete(entries, "__metadata__")
	var tensors []tensor
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		var e struct {
			DType   string  `json:"dtype"`
			Shape   []int64 `json:"shape"`
			Offsets []int64 `json:"data_offsets"`
		}
		if err := strictjson.Unmarshal(entries[name], &e, strictjson.AllowUnknown); err != nil || len(e.Offsets) != 2 || len(e.Shape) > 8 {
			return nil, fmt.Errorf("%.100q has an invalid description", name)
		}
		t := tensor{name: name, shape: e.Shape, elements: 1, start: e.Offsets[0], end: e.Offsets[1]}
		width, float := dtypeOf(e.DType)
		if width == 0 {
			return nil, fmt.Errorf("%.100q has the unknown type %.20q", name, e.DType)
		}
		for _, d := range e.Shape {
			if d < 0 || d > 0 && t.elements > math.MaxInt64/16/d {
				return nil, fmt.Errorf("%.100q has an invalid shape", name)
			}
			t.elements *= d
		}
		if t.float = float; t.end-t.start != t.elements*width {
			return nil, fmt.Errorf("%.100q has %d bytes, and its shape needs %d", name, t.end-t.start, t.elements*width)
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}

// dtypeOf returns the bytes per element; 0 = unknown.
func dtypeOf(name string) (width int64, float bool) {
	switch name {
	case "F64":
		return 8, true
	case "F32":
		return 4, true
	case "F16", "BF16":
		return 2, true
	case "F8_E4M3", "F8_E5M2":
		return 1, true
	case "I64", "U64":
		return 8, false
	case "I32", "U32":
		return 4, false
	case "I16", "U16":
		return 2, false
	case "I8", "U8", "BOOL":
		return 1, false
	}
	return 0, false
}

// coverAll checks that the tensors cover size bytes without gaps. A repeated name leaves a
// gap, since reading keeps only one of the two.
func coverAll(tensors []tensor, size int64) error {
	ordered := slices.SortedFunc(slices.Values(tensors), func(a, b tensor) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
	var at int64
	for _, t := range ordered {
		if t.start != at || t.end < t.start {
			return fmt.Errorf("the bytes of %.100q are not where they should be", t.name)
		}
		at = t.end
	}
	if at != size {
		return fmt.Errorf("it should have %d bytes of weights and has %d", at, size)
	}
	return nil
}

// linearOf returns the linear layer whose weight a tensor is.
func linearOf(t tensor) (Linear, bool) {
	module, ok := strings.CutSuffix(t.name, ".weight")
	if !ok || len(t.shape) != 2 {
		return Linear{}, false
	}
	parts := strings.Split(module, ".")
	if parts[0] == "cls" || parts[0] == "lm_head" && len(parts) > 1 {
		return Linear{}, false // pre-training heads of an encoder; they are not loaded
	}
	if last := parts[len(parts)-1]; embeddingName(last) || strings.Contains(last, "norm") {
		return Linear{}, false
	}
	for i, part := range parts {
		if _, err := strconv.ParseUint(part, 10, 32); err == nil {
			parts[i] = "*"
		}
	}
	const most = 1 << 30
	if t.shape[0] < 1 || t.shape[1] < 1 || t.shape[0] > most || t.shape[1] > most {
		return Linear{}, false
	}
	return Linear{Name: strings.Join(parts, "."), Out: int(t.shape[0]), In: int(t.shape[1])}, true
}

func embeddingName(module string) bool {
	switch module {
	case "wte", "wpe", "shared", "embed_in", "tok_embeddings":
		return true
	}
	return strings.HasSuffix(module, "embeddings") || strings.HasPrefix(module, "embed_") ||
		strings.HasSuffix(module, "_embedding") || strings.HasSuffix(module, "attention_bias")
}

func sortedLinear(groups map[Linear]int) []Linear {
	var all []Linear
	for l, n := range groups {
		l.Count = n
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Linear) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.In, b.In), cmp.Compare(a.Out, b.Out))
	})
	return all
}

// SafetensorsIndex returns the weight files that a model.safetensors.index.json names,
// sorted. Names with folders are refused.
func SafetensorsIndex(index []byte) ([]string, error) {
	var in struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := strictjson.Unmarshal(index, &in, strictjson.AllowUnknown); err != nil || len(in.Map) == 0 {
		return nil, fault.New(fault.Input, readShape, "model.safetensors.index.json", "it has no weight_map")
	}
	names := map[string]bool{}
	for _, name := range in.Map {
		if strings.ContainsAny(name, `/\`) || !strings.HasSuffix(name, ".safetensors") {
			return nil, fault.New(fault.Input, readShape, "model.safetensors.index.json", fmt.Sprintf("it names %.100q, which is not a safetensors file in the folder", name))
		}
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}
