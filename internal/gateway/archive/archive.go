// Package archive reads ZIP files of callers, who may be hostile. It writes no file: entries have
// names, and no paths. It knows no route.
package archive

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	maxEntries = 1000
	maxEntry   = 32 << 20
	maxTotal   = 512 << 20
	// maxRatio is how much larger than its compressed form an entry may be. Pictures hardly shrink.
	maxRatio  = 100
	freeBytes = 1 << 20 // smaller entries have no ratio
)

const (
	encrypted = 0x1 | 0x40 | 0x2000 // flags of an entry
	maxName   = 255
)

// Archive is a ZIP file that was checked whole: every entry is a file with a plain name of its own,
// within the limits, and has the length and the CRC that it declares.
type Archive struct {
	entries []*zip.File
}

// Open checks a ZIP file.
func Open(data []byte) (*Archive, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, bad("", "is not a valid ZIP file: "+err.Error())
	}
	if len(r.File) > maxEntries {
		return nil, bad("", "has "+strconv.Itoa(len(r.File))+" entries; at most "+strconv.Itoa(maxEntries)+" are allowed")
	}
	var total uint64
	names := map[string]bool{}
	for _, f := range r.File {
		if err := checkEntry(f); err != nil {
			return nil, err
		}
		folded := strings.ToLower(f.Name)
		if names[folded] {
			return nil, bad(f.Name, "the name occurs twice, perhaps in another case")
		}
		names[folded] = true
		if total += f.UncompressedSize64; total > maxTotal {
			return nil, bad("", fmt.Sprintf("has more than %d MiB when it is unpacked", maxTotal>>20))
		}
	}
	if err := apart(r.File); err != nil {
		return nil, err
	}
	a := &Archive{entries: r.File}
	for _, f := range r.File {
		if err := a.copy(f, io.Discard); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// checkEntry reads only what the directory of the file says of an entry.
func checkEntry(f *zip.File) error {
	switch {
	case f.Name == "" || len(f.Name) > maxName || f.Name == "." || f.Name == "..":
		return bad(f.Name, "the name is empty or too long")
	case strings.ContainsAny(f.Name, "/\\:\x00"):
		return bad(f.Name, "the name must be that of a file, without a folder, a drive or a path")
	case f.NonUTF8 && !ascii(f.Name) || safetext.Line(f.Name, maxName) != f.Name:
		return bad(f.Name, "the name must be printable UTF-8")
	case !f.Mode().IsRegular():
		return bad(f.Name, "must be a file, not a folder, a link or a device")
	case f.Flags&encrypted != 0:
		return bad(f.Name, "is encrypted")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return bad(f.Name, "is compressed by a method that is not supported; use deflate")
	case f.UncompressedSize64 > maxEntry:
		return bad(f.Name, fmt.Sprintf("has more than %d MiB", maxEntry>>20))
	case f.UncompressedSize64 > freeBytes && f.UncompressedSize64/maxRatio > f.CompressedSize64:
		return bad(f.Name, fmt.Sprintf("is more than %d times as large as its compressed form", maxRatio))
	case f.Method == zip.Store && f.UncompressedSize64 != f.CompressedSize64:
		return bad(f.Name, "its lengths contradict each other")
	}
	return nil
}

// apart refuses entries that share bytes, by which a small file holds many large ones.
func apart(files []*zip.File) error {
	type span struct{ from, to int64 }
	var all []span
	for _, f := range files {
		at, err := f.DataOffset()
		if err != nil {
			return bad(f.Name, "its header cannot be read")
		}
		all = append(all, span{at, at + int64(f.CompressedSize64)}) //nolint:gosec // larger ones are negative, and refused
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for i, s := range all {
		if s.to < s.from || i > 0 && s.from < all[i-1].to {
			return bad("", "has entries that overlap")
		}
	}
	return nil
}

// Names are the names of the entries, in the order of the archive.
func (a *Archive) Names() (names []string) {
	for _, f := range a.entries {
		names = append(names, f.Name)
	}
	return names
}

// Read unpacks an entry.
func (a *Archive) Read(name string) ([]byte, error) {
	for _, f := range a.entries {
		if f.Name == name {
			out := bytes.NewBuffer(make([]byte, 0, f.UncompressedSize64))
			err := a.copy(f, out)
			return out.Bytes(), err
		}
	}
	return nil, bad(name, "there is no such entry")
}

// copy unpacks an entry, at most as many bytes as it declares. The reader checks its length and CRC.
func (a *Archive) copy(f *zip.File, w io.Writer) error {
	r, err := f.Open()
	if err != nil {
		return bad(f.Name, "cannot be read: "+err.Error())
	}
	defer r.Close()
	n, err := io.Copy(w, io.LimitReader(r, int64(f.UncompressedSize64)+1)) //nolint:gosec // at most maxEntry
	switch {
	case err != nil:
		return bad(f.Name, "cannot be unpacked: "+err.Error())
	case uint64(n) != f.UncompressedSize64:
		return bad(f.Name, "does not have the length that it declares")
	}
	return nil
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 126 }) < 0
}

func bad(name, reason string) error {
	if name == "" {
		return fault.New(fault.Input, "read archive", "", "it "+reason)
	}
	return fault.New(fault.Input, "read entry of archive", safetext.Line(name, maxName), reason)
}
